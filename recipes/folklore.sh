#!/usr/bin/env bash
# Three sayings of the field, each as a study of students that differ in one thing alone: verified chains beat unverified
# (verified.toml), a stronger teacher teaches better (stronger_teacher.toml), long chains hurt small students
# (long_chains.toml). On a pool of chains of SVAMP's train split by several teachers; problems to test on are split off
# by question. Stops and goes on wherever it is interrupted; more --seeds train only the new ones.
#   recipes/folklore.sh POOL.jsonl.gz [OUT [STUDY OPTIONS]]
#   recipes/folklore.sh svamp_train.jsonl.gz folklore --seeds 5
# STUDIES=verified runs one of them.
set -euo pipefail
if [ $# -lt 1 ] || [ "$1" = -h ] || [ "$1" = --help ]; then
  echo "usage: $0 POOL.jsonl.gz [OUT [STUDY OPTIONS]]" >&2
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2
  exit 2
fi
here=$(cd "$(dirname "$0")" && pwd) pool=$(realpath "$1") out=${2:-folklore}
mkdir -p "$out" && cd "$out"
export STEPDOWN_STORE=${STEPDOWN_STORE:-stepdown.sqlite}
# Keeps a view of the pool once.
view() { [ -d "$1" ] || stepdown keep pool "${@:2}" --out "$1"; }

[ -f test.jsonl ] || python3 "$here/split_pool.py" "$pool" . "${TRAIN:-150}"
[ -d pool ] || stepdown import train.jsonl.gz --out pool --dataset svamp/train
view unverified 'teacher=gpt-3.5*' per-problem=1
view verified 'teacher=gpt-3.5*' right per-problem=1
view stronger variant=SVAMP_ChatGPT_level3_ranked right per-problem=1
view weaker variant=SVAMP_llama_level3_ranked right per-problem=1
view lengths right max-words=100
for study in ${STUDIES:-verified stronger_teacher long_chains}; do
  stepdown study "$here/$study.toml" --out "students-$study" "${@:3}"
done
