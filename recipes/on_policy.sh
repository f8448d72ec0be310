#!/usr/bin/env bash
# Does a second stage on the student's own texts beat more of the first? Students of SCoTD alone (CHAINS of the teacher
# for each train problem, right ones), the same with an on-policy stage after it, and two that get more SCoTD instead:
# fresh chains of the same problems for as many tokens of the teacher as it reads when it scores (as many steps in all),
# and as many more steps as take the on-policy students' time. Teacher tokens are read and written ones; minutes are
# those of training, steps alone: the time of sampling is not in them. All are tested on the same problems.
# The teacher need not be better than the student after SCoTD (`--allow weak-teacher`): its own row says whether it is.
# Stops and goes on wherever it is interrupted; other settings want another OUT.
#   recipes/on_policy.sh [COUNT] [OUT]
# COUNT train problems (136) of DATASET (wordsums-2). By variables: BASE, TEACHER (it reads the same tokens as the
# base), CHAINS (2), STEPS (30), THEN_STEPS (30), BATCH (8), RATE (2e-4), THEN_RATE (1e-4), SEEDS (3), TESTED (200),
# TOKENS (256) of a reply; SAMPLER, the model that writes the chains where it is not TEACHER.
set -euo pipefail
if [ "${1:-}" = -h ] || [ "${1:-}" = --help ]; then
  echo "usage: $0 [COUNT] [OUT]" >&2
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2
  exit 2
fi
count=${1:-136} out=${2:-on-policy}
here=$(cd "$(dirname "$0")" && pwd)
# A folder is a model as it stands, a name of the catalogue one of this machine's.
model() { if [ -d "$1" ]; then echo "$1"; else echo "embedded/$1"; fi; }
data=${DATASET:-wordsums-2} base=${BASE:-qwen2.5-coder-0.5b} teacher=${TEACHER:-qwen2.5-coder-1.5b}
sampler=${SAMPLER:-$(model "$teacher")}
chains=${CHAINS:-2} steps=${STEPS:-30} then=${THEN_STEPS:-30} batch=${BATCH:-8} rate=${RATE:-2e-4} after=${THEN_RATE:-1e-4}
seeds=${SEEDS:-3} tested=${TESTED:-200} tokens=${TOKENS:-256}
python3 "$here/arms.py" settings "$out" COUNT="$count" DATASET="$data" BASE="$base" TEACHER="$teacher" SAMPLER="$sampler" CHAINS="$chains" \
  STEPS="$steps" THEN_STEPS="$then" BATCH="$batch" RATE="$rate" THEN_RATE="$after" SEEDS="$seeds" TESTED="$tested" TOKENS="$tokens"
export STEPDOWN_STORE=${STEPDOWN_STORE:-$out/stepdown.sqlite}
field() { python3 -c 'import json, sys; print(eval("one" + sys.argv[1], {"one": json.loads(sys.stdin.readlines()[-1])}))' "$1"; }
# The student folders of an arm, one for each seed.
students() { if [ "$seeds" = 1 ]; then echo "$out/$1"; else for seed in $(seq 0 $((seeds - 1))); do echo "$out/$1/seed-$seed"; done; fi; }
kept() { [ -d "$out/$1-kept" ] || stepdown keep "$out/$1" right distinct complete --out "$out/$1-kept"; }
train() {
  stepdown train "$out/$1-kept" --base "$base" --out "$out/$2" --steps "$3" --batch "$batch" --learning-rate "$rate" --seeds "$seeds" \
    --evaluations 0 --checkpoints 4 --allow weak-teacher "${@:4}"
}

# 1. SCoTD, which lies in `on-policy-first`, and the second stage after it.
if [ ! -f "$out/chains.json" ]; then
  stepdown sample "$data" --split train -n "$count" --teacher "$sampler" --chains "$chains" --zero-shot --temperature 0.7 --max-tokens "$tokens" \
    --out "$out/chains" --force --json > "$out/chains.part"
  mv "$out/chains.part" "$out/chains.json"
fi
kept chains
train chains on-policy "$steps" --then on-policy --teacher "$teacher" --then-steps "$then" --then-learning-rate "$after"

# 2. More of the first for as many tokens of the teacher: what the mean on-policy student had it read.
sampled=$(field '["run"]["tokens"]["teacher"]' < "$out/chains.json")
scored=$(($(python3 "$here/arms.py" sum tokens $(students on-policy)) / seeds))
python3 "$here/arms.py" buy "$(field '["run"]["run"]' < "$out/chains.json")" "$sampler" $((sampled + scored)) "$out/more" 0.7 "$tokens"
kept more
train more more-chains $((steps + then))

# 3. More of the first for as long: steps as long as the first arm's.
longer=$(python3 - "$here" "$steps" $(students on-policy-first) -- $(students on-policy) <<'STEPS'
import sys
sys.path.insert(0, sys.argv[1])
from arms import figures
at = sys.argv.index("--")
first, second = (sum(figures("seconds", *some)) for some in (sys.argv[3:at], sys.argv[at + 1:]))
print(round(int(sys.argv[2]) * (first + second) / first))
STEPS
)
train chains more-steps "$longer"

# 4. All on the same test problems. One model at a time is in memory.
for one in "$(model "$base")" "$(model "$teacher")" $(students on-policy-first) $(students on-policy) $(students more-chains) $(students more-steps); do
  stepdown run "$data" --split test -n "$tested" --student "$one" --method chain-of-thought --max-tokens "$tokens" --json
done > "$out/tested.json"
python3 - "$here" "$out" "$seeds" "$steps" "$then" "$longer" "$sampled" "$scored" <<'TABLE'
import json, sys
from statistics import fmean
sys.path.insert(0, sys.argv[1])
from arms import figures, table

out, (seeds, steps, then, longer, sampled, scored) = sys.argv[2], map(int, sys.argv[3:])
more = json.load(open(f"{out}/more.json"))["tokens"]
runs = [json.loads(line)["run"] for line in open(f"{out}/tested.json")]
titles = ["SCoTD", "SCoTD, then on-policy", "SCoTD, more chains", "SCoTD, more steps"]
folders = [[f"{out}/{name}" if seeds == 1 else f"{out}/{name}/seed-{seed}" for seed in range(seeds)]
           for name in ("on-policy-first", "on-policy", "more-chains", "more-steps")]
arms = {"the base": runs[:1], "the teacher": runs[1:2]}
arms |= {title: runs[2 + seeds * place:][:seeds] for place, title in enumerate(titles)}
spent = {title: fmean(figures("seconds", *some)) / 60 for title, some in zip(titles, folders)}
spent[titles[1]] += spent[titles[0]]
columns = {
    "tokens of the teacher": dict(zip(titles, (sampled, f"{sampled + scored} ({scored} scored)", more, sampled))),
    "steps": dict(zip(titles, (steps, f"{steps} + {then}", steps + then, longer))),
    "minutes a student": {title: f"{minutes:.1f}" for title, minutes in spent.items()},
}
table(arms, columns, [(titles[1], other) for other in titles[2:]])
TABLE
