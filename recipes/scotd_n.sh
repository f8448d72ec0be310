#!/usr/bin/env bash
# SCoTD's own question: do more chains per problem make a better student, at equal steps? On a pool of a large teacher's
# chains: some problems to train on, the others to test on, split so that questions that share a run of eight words
# (numbers aside) stay on one side. Stops and goes on wherever it is interrupted; more SEEDS train only the new ones.
#   recipes/scotd_n.sh POOL.jsonl.gz [DATASET [OUT [STUDY OPTIONS]]]
#   recipes/scotd_n.sh svamp_train.jsonl.gz svamp scotd-n --chains 2 --chains 10
# N is 1 and 5, and what --chains adds. By variables: TRAIN (50) problems at least, WORDS (40) of a chain at most, BASE,
# STEPS (12), BATCH (16), RATE (1e-3), TOKENS (64), SEEDS (5), TEST (500); study options go before them.
set -euo pipefail
if [ $# -lt 1 ] || [ "$1" = -h ] || [ "$1" = --help ]; then
  echo "usage: $0 POOL.jsonl.gz [DATASET [OUT [STUDY OPTIONS]]]" >&2
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2
  exit 2
fi
pool=$1 dataset=${2:-svamp} out=${3:-scotd-n}
given=" ${*:4} "
. "$(dirname "$0")/usual_options.bash"
usual --base "${BASE:-smollm2-135m}"
usual --steps "${STEPS:-12}"
usual --batch "${BATCH:-16}"
usual --learning-rate "${RATE:-1e-3}"
usual --evaluations 0
usual --checkpoints 1
usual --max-tokens "${TOKENS:-64}"
usual --seeds "${SEEDS:-5}"
[[ $given == *" -n"[\ =]* ]] || usual --limit "${TEST:-500}"
mkdir -p "$out"
export STEPDOWN_STORE=${STEPDOWN_STORE:-$out/stepdown.sqlite}

[ -f "$out/test.jsonl" ] || python3 "$(dirname "$0")/split_pool.py" "$pool" "$out" "${TRAIN:-50}"
[ -d "$out/pool" ] || stepdown import "$out/train.jsonl.gz" --out "$out/pool" --dataset "$dataset/train"
[ -d "$out/kept" ] || stepdown keep "$out/pool" right distinct max-words="${WORDS:-40}" --out "$out/kept"
stepdown study "$out/kept" --out "$out/students" --test "$dataset" --data "$out/test.jsonl" --question question \
  --answer answer --targets chain --chains 1 --chains 5 "${own[@]}" "${@:4}"
