#!/usr/bin/env bash
# Does a student learn more from its own mistakes, mended by the teacher, than from as many fresh chains? The base solves
# train problems, the teacher mends its wrong attempts, and writes fresh chains of exactly the same problems for no more
# tokens (read and written) than mending took. Of both the right and complete ones are kept, and students are trained
# for as many steps on either, and tested on the same problems: one table, with mended less fresh over seeds and problems.
# Stops and goes on wherever it is interrupted; other settings want another OUT.
#   recipes/mending.sh [COUNT] [OUT]
# COUNT train problems (136) of DATASET (wordsums-3). By variables: BASE, TEACHER, CHAINS (1) of the teacher for each wrong
# attempt, STEPS (30), BATCH (8), RATE (2e-4), SEEDS (3), TESTED (200), TOKENS (320) of a chain and of a reply: with fewer,
# most fresh chains of three operations would be cut.
set -euo pipefail
if [ "${1:-}" = -h ] || [ "${1:-}" = --help ]; then
  echo "usage: $0 [COUNT] [OUT]" >&2
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2
  exit 2
fi
count=${1:-136} out=${2:-mending}
here=$(cd "$(dirname "$0")" && pwd)
data=${DATASET:-wordsums-3} base=${BASE:-qwen2.5-coder-0.5b} teacher=${TEACHER:-embedded/qwen2.5-coder-1.5b}
steps=${STEPS:-30} batch=${BATCH:-8} rate=${RATE:-2e-4} seeds=${SEEDS:-3} tested=${TESTED:-200} tokens=${TOKENS:-320}
chains=${CHAINS:-1}
python3 "$here/arms.py" settings "$out" COUNT="$count" DATASET="$data" BASE="$base" TEACHER="$teacher" CHAINS="$chains" \
  STEPS="$steps" BATCH="$batch" RATE="$rate" SEEDS="$seeds" TESTED="$tested" TOKENS="$tokens"
export STEPDOWN_STORE=${STEPDOWN_STORE:-$out/stepdown.sqlite}
# A folder is a model as it stands, a name of the catalogue one of this machine's.
solver=embedded/$base
[ ! -d "$base" ] || solver=$base
field() { python3 -c 'import json, sys; print(eval("one" + sys.argv[1], {"one": json.loads(sys.stdin.readlines()[-1])}))' "$1"; }

# 1. Mended chains, and fresh ones of their problems for as many tokens.
attempts=$(stepdown run "$data" --split train -n "$count" --student "$solver" --method chain-of-thought --max-tokens "$tokens" --json | field '["run"]')
if [ ! -f "$out/mended.json" ]; then
  stepdown sample --mending "$attempts" --teacher "$teacher" --chains "$chains" --temperature 0.7 --max-tokens "$tokens" \
    --out "$out/mended" --force --json > "$out/mended.part"
  mv "$out/mended.part" "$out/mended.json"
fi
python3 "$here/arms.py" buy "$(field '["run"]["run"]' < "$out/mended.json")" "$teacher" \
  "$(field '["run"]["tokens"]["teacher"]' < "$out/mended.json")" "$out/fresh" 0.7 "$tokens"

# 2. A student of each, for each seed.
students=()
for kind in mended fresh; do
  [ -d "$out/$kind-kept" ] || stepdown keep "$out/$kind" right complete --out "$out/$kind-kept"
  stepdown train "$out/$kind-kept" --base "$base" --out "$out/student-$kind" --steps "$steps" --batch "$batch" --learning-rate "$rate" \
    --evaluations 0 --checkpoints 4 --seeds "$seeds"
  for seed in $(seq 0 $((seeds - 1))); do
    folder=$out/student-$kind
    [ "$seeds" = 1 ] || folder=$folder/seed-$seed
    students+=("$folder")
  done
done

# 3. All on the same test problems. One model at a time is in memory.
for one in "$solver" "${students[@]}"; do
  stepdown run "$data" --split test -n "$tested" --student "$one" --method chain-of-thought --max-tokens "$tokens" --json
done > "$out/tested.json"
python3 - "$here" "$out" "${students[@]}" <<'TABLE'
import json, sys
from statistics import fmean
sys.path.insert(0, sys.argv[1])
from arms import figures, table
import stepdown as sd

out, students = sys.argv[2], sys.argv[3:]
half = len(students) // 2
runs = [json.loads(line)["run"] for line in open(f"{out}/tested.json")]
arms = {"the base": runs[:1], "mended": runs[1:1 + half], "fresh": runs[1 + half:]}
mended, fresh = json.load(open(f"{out}/mended.json")), json.load(open(f"{out}/fresh.json"))
made = {"mended": (mended["chains"], mended["problems"]), "fresh": (fresh["chains"], fresh["problems"])}
kept = {kind: sd.open_corpus(f"{out}/{kind}-kept").card for kind in made}
folders = {"mended": students[:half], "fresh": students[half:]}
columns = {
    "tokens of the teacher": {"mended": mended["run"]["tokens"]["teacher"], "fresh": fresh["tokens"]},
    "chains of problems": {kind: f"{chains} of {problems}" for kind, (chains, problems) in made.items()},
    "right and complete": {kind: f"{card.chains} of {card.problems}" for kind, card in kept.items()},
    "steps": {kind: figures("steps", some[0])[0] for kind, some in folders.items()},
    "trained tokens of a student": {kind: round(fmean(figures("tokens", *some))) for kind, some in folders.items()},
}
table(arms, columns, [("mended", "fresh")])
TABLE
