#!/usr/bin/env bash
# Symbolic Chain-of-Thought Distillation on the paper's own kind of data: a pool of a large teacher's chains (QuaRel, with
# GPT-3's chains), students of N chains and of labels alone, several seeds, a test file that selection never sees.
# Stops and goes on wherever it is interrupted: what is imported, trained or answered is not done again.
#   recipes/symbolic_distillation.sh POOL.jsonl.gz DATASET TEST_FILE [OUT [STUDY OPTIONS]]
#   recipes/symbolic_distillation.sh quarel_train.jsonl.gz quarel dev.jsonl study --batch 16 -n 200
# BASE, STEPS (300), SEEDS (3); study options go before them.
set -euo pipefail
if [ $# -lt 3 ] || [ "${1:-}" = -h ] || [ "${1:-}" = --help ]; then
  echo "usage: $0 POOL.jsonl.gz DATASET TEST_FILE [OUT [STUDY OPTIONS]]" >&2
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2
  exit 2
fi
pool=$1 dataset=$2 test=$3 out=${4:-study-$2}
given=" ${*:5} "
. "$(dirname "$0")/usual_options.bash"
usual --base "${BASE:-smollm2-135m}"
usual --steps "${STEPS:-300}"
usual --seeds "${SEEDS:-3}"

[ -d "$out/pool" ] || stepdown import "$pool" --out "$out/pool" --dataset "$dataset/train"
[ -d "$out/clean" ] || stepdown keep "$out/pool" "decontaminate=$dataset=$test" --out "$out/clean"
stepdown study "$out/clean" --out "$out/students" --test "$dataset" --data "$test" --keep right --keep distinct \
  --chains 1 --chains 5 --targets chain --targets label --before "${own[@]}" "${@:5}"
