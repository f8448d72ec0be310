#!/usr/bin/env bash
# Does a student learn more from its own mistakes, mended by the teacher, than from as many fresh chains? The base solves
# train problems, the teacher mends its wrong attempts, and writes fresh chains of the same problems for no more tokens
# (it reads and writes) than mending took; of both what is right is kept, and students are trained for as many steps.
# Stops and goes on wherever it is interrupted.
#   recipes/mending.sh [COUNT] [OUT]
set -euo pipefail
if [ "${1:-}" = -h ] || [ "${1:-}" = --help ]; then
  echo "usage: $0 [COUNT] [OUT]" >&2
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2
  exit 2
fi
count=${1:-136} out=${2:-mending}
data=${DATASET:-wordsums-3} base=${BASE:-qwen2.5-coder-0.5b} teacher=${TEACHER:-embedded/qwen2.5-coder-1.5b}
steps=${STEPS:-30} seeds=${SEEDS:-3} tested=${TESTED:-200} rate=${RATE:-2e-4}
mkdir -p "$out"
export STEPDOWN_STORE=${STEPDOWN_STORE:-$out/stepdown.sqlite}
field() { python3 -c 'import json, sys; print(eval("one" + sys.argv[1], {"one": json.loads(sys.stdin.readlines()[-1])}))' "$1"; }
drawn=(--temperature 0.7 --max-tokens 192)
# Samples a corpus once: what a command says of it stands in its .json only when the command has ended well.
sampled() { [ -f "$out/$1.json" ] || { stepdown sample "${@:2}" --teacher "$teacher" "${drawn[@]}" --out "$out/$1" --force --json > "$out/$1.part" && mv "$out/$1.part" "$out/$1.json"; }; }

attempts=$(stepdown run "$data" --split train -n "$count" --student "embedded/$base" --method chain-of-thought --max-tokens 256 --json | field '["run"]')

# What a corpus's run took of the teacher, in tokens read and written; what is written already is not asked again.
sampled mended --mending "$attempts"
spent=$(field '["run"]["tokens"]["teacher"]' < "$out/mended.json")
problems=$(field '["problems"]' < "$out/mended.json")
sampled probe "$data" --split train -n 8 --zero-shot --chains 1
each=$(($(field '["run"]["tokens"]["teacher"]' < "$out/probe.json") / 8))
fresh=$((spent / each)) chains=1
while [ $((fresh / chains)) -gt "$count" ]; do chains=$((chains + 1)); done
sampled fresh "$data" --split train -n $((fresh / chains)) --zero-shot --chains "$chains"
echo "mending: $problems attempts, $spent tokens of the teacher; fresh: $fresh chains, $(field '["run"]["tokens"]["teacher"]' < "$out/fresh.json")"

students=()
for kind in mended fresh; do
  [ -d "$out/$kind-right" ] || stepdown keep "$out/$kind" right complete --out "$out/$kind-right"
  stepdown train "$out/$kind-right" --base "$base" --out "$out/student-$kind" --steps "$steps" --batch 8 --learning-rate "$rate" \
    --evaluations 0 --dev-count 0 --checkpoints 1 --seeds "$seeds"
  for seed in $(seq 0 $((seeds - 1))); do
    folder=$out/student-$kind; [ "$seeds" = 1 ] || folder=$folder/seed-$seed
    students+=(--student "$folder")
  done
done
stepdown run "$data" --split test -n "$tested" --student "embedded/$base" "${students[@]}" --method chain-of-thought --max-tokens 192
stepdown report "$data/test"
