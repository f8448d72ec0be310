#!/usr/bin/env bash
# Trace-of-Thought on GSM8K with a small model on this machine: plain, step by step, by GPT-4's recorded plans, and by
# plans a small teacher writes here. Stops and goes on wherever it is interrupted.
#   recipes/trace_of_thought.sh GSM8K_TEST.jsonl GPT4_TRACES.csv [COUNT]
set -euo pipefail
if [ $# -lt 2 ] || [ "${1:-}" = -h ] || [ "${1:-}" = --help ]; then
  echo "usage: $0 GSM8K_TEST.jsonl GPT4_TRACES.csv [COUNT]" >&2
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2
  exit 2
fi
data=$1 traces=$2 count=${3:-50}
student=${STUDENT:-embedded/qwen2.5-coder-0.5b} teacher=${TEACHER:-embedded/qwen2.5-coder-1.5b}
prompts=${PROMPTS:-default}

recorded=$(stepdown import "$traces" --json | python3 -c 'import json, sys; print(json.loads(sys.stdin.readline())["run"])')
stepdown run gsm8k --data "$data" -n "$count" --student "$student" --teacher "$teacher" --prompts "$prompts" \
  --method direct --method chain-of-thought --method trace-of-thought \
  --plans "$recorded" --plans teacher --max-tokens 512 --teacher-max-tokens 400
stepdown report
