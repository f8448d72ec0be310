#!/usr/bin/env bash
# Are plans followed further when a student is reminded of the steps, or asked for one step at a time? Both methods
# against trace-of-thought by the same plans, on the same problems: the share of steps done (our rule's letters, and a
# judge's with JUDGE=MODEL) and right answers, with paired differences. Stops and goes on wherever it is interrupted; a
# larger COUNT asks only for what is new.
#   recipes/adherence.sh [COUNT] [OUT] [DATASET RUN OPTIONS...]
#   recipes/adherence.sh 100 adherence wordsums-3 --split test
#   recipes/adherence.sh 60 adherence gsm8k --data GSM8K_TEST.jsonl
# STUDENT, TEACHER, METHODS; SEEDS (0) of draws at TEMPERATURE (0: greedy, where one seed is all there is); TOKENS (400)
# and TEACHER_TOKENS (200) of a reply.
set -euo pipefail
if [ "${1:-}" = -h ] || [ "${1:-}" = --help ]; then
  echo "usage: $0 [COUNT] [OUT] [DATASET RUN OPTIONS...]" >&2
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2
  exit 2
fi
count=${1:-100} out=${2:-adherence}
problems=("${@:3}")
[ ${#problems[@]} -gt 0 ] || problems=(wordsums-3 --split test)
student=${STUDENT:-embedded/qwen2.5-coder-0.5b} teacher=${TEACHER:-embedded/qwen2.5-coder-1.5b}
methods=${METHODS:-trace-of-thought,step-reminders,one-step-at-a-time}
mkdir -p "$out"
export STEPDOWN_STORE=${STEPDOWN_STORE:-$out/stepdown.sqlite}
runs=()
for seed in ${SEEDS:-0}; do
  runs+=($(stepdown run "${problems[@]}" -n "$count" --student "$student" --teacher "$teacher" --method "$methods" \
    --temperature "${TEMPERATURE:-0}" --seed "$seed" --max-tokens "${TOKENS:-400}" --teacher-max-tokens "${TEACHER_TOKENS:-200}" --json \
    | python3 -c 'import json, sys; print(*(json.loads(line)["run"] for line in sys.stdin))'))
done
