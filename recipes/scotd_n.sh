#!/usr/bin/env bash
# SCoTD's own question: do more chains per problem make a better student, at equal steps? On a pool of a large teacher's
# chains: some problems to train on, the others to test on, split so that questions that share a run of eight words
# (numbers aside) stay on one side. Stops and goes on wherever it is interrupted; more SEEDS train only the new ones.
#   recipes/scotd_n.sh POOL.jsonl.gz [DATASET [OUT [STUDY OPTIONS]]]
#   recipes/scotd_n.sh svamp_train.jsonl.gz svamp scotd-n --chains 1 --chains 5
set -euo pipefail
if [ $# -lt 1 ] || [ "$1" = -h ] || [ "$1" = --help ]; then
  echo "usage: $0 POOL.jsonl.gz [DATASET [OUT [STUDY OPTIONS]]]" >&2
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2
  exit 2
fi
pool=$1 dataset=${2:-svamp} out=${3:-scotd-n}
base=${BASE:-smollm2-135m} steps=${STEPS:-12} seeds=${SEEDS:-5} train=${TRAIN:-50} words=${WORDS:-40}
batch=${BATCH:-16} rate=${RATE:-1e-3} tokens=${TOKENS:-64}
mkdir -p "$out"
export STEPDOWN_STORE=${STEPDOWN_STORE:-$out/stepdown.sqlite}

[ -f "$out/test.jsonl" ] || python3 "$(dirname "$0")/split_pool.py" "$pool" "$out" "$train"
[ -d "$out/pool" ] || stepdown import "$out/train.jsonl.gz" --out "$out/pool" --dataset "$dataset/train"
[ -d "$out/kept" ] || stepdown keep "$out/pool" right distinct max-words="$words" --out "$out/kept"
stepdown study "$out/kept" --base "$base" --out "$out/students" --test "$dataset" --data "$out/test.jsonl" --question question \
  --answer answer -n "${TEST:-500}" --targets chain --chains 1 --chains 5 --steps "$steps" --batch "$batch" \
  --learning-rate "$rate" --evaluations 0 --checkpoints 1 --max-tokens "$tokens" --seeds "$seeds" "${@:4}"
