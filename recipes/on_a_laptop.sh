#!/usr/bin/env bash
# Both methods joined, with no key and no network but for the models: a teacher of 1.5 billion parameters writes chains
# and plans on this machine, a student of 135 million learns the chains, a planner of the same size learns the plans.
# Stops and goes on wherever it is interrupted.
#   recipes/on_a_laptop.sh [PROBLEMS] [OUT]
set -euo pipefail
if [ "${1:-}" = -h ] || [ "${1:-}" = --help ]; then
  echo "usage: $0 [PROBLEMS] [OUT]" >&2
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2
  exit 2
fi
count=${1:-300} out=${2:-laptop}
teacher=${TEACHER:-embedded/qwen2.5-coder-1.5b} student=${STUDENT:-embedded/qwen2.5-coder-0.5b}
base=${BASE:-smollm2-135m} steps=${STEPS:-100} tested=${TESTED:-200}
mkdir -p "$out"
export STEPDOWN_STORE=${STEPDOWN_STORE:-$out/stepdown.sqlite}
id() { python3 -c 'import json, sys; print(json.loads(sys.stdin.readlines()[-1])["run"])'; }

# Symbolic chain-of-thought distillation: sample, keep, train, run.
[ -d "$out/chains" ] || stepdown sample wordsums -n "$count" --teacher "$teacher" --chains 5 --max-tokens 300 --out "$out/chains"
[ -d "$out/kept" ] || stepdown keep "$out/chains" right distinct --out "$out/kept"
[ -d "$out/student" ] || stepdown train "$out/kept" --base "$base" --out "$out/student" --steps "$steps"
stepdown run wordsums --split test -n "$tested" --student "$out/student" --method chain-of-thought --max-tokens 256

# The distilled planner: gold plans that made the student right, then three planners for the same student.
gold=$(stepdown run wordsums --split train -n "$count" --student "$student" --plans gold --max-tokens 300 --json | id)
[ -d "$out/plans" ] || stepdown export "$gold" --to plans --out "$out/plans"
[ -d "$out/good-plans" ] || stepdown keep "$out/plans" right no-leak --out "$out/good-plans"
[ -d "$out/planner" ] || stepdown train "$out/good-plans" --base "$base" --out "$out/planner" --steps "$steps"
stepdown run wordsums --split test -n "$tested" --student "$student" --max-tokens 300 --teacher-max-tokens 200 \
  --teacher "$teacher" --teacher "embedded/$base" --teacher "$out/planner" --method direct --method trace-of-thought
stepdown report
