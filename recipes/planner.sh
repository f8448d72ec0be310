#!/usr/bin/env bash
# A planner trained to be followed. Plans of train problems are drawn several times by the planners, solved several times
# by the student, and valued against no plan; a small planner learns those that helped (SFT), then to prefer the better
# of two (DPO). It is judged on test problems of the same and of a greater length, for the student it was made for and
# for one that had no part in it, against the planners untrained; then it comes first in a cascade, with its price
# against the teacher alone. Stops and goes on wherever it is interrupted.
#   recipes/planner.sh [COUNT] [OUT]
# COUNT train problems (136). Sizes and models by variables: PLANS (4) of a problem, DRAWS (4) of solutions by each,
# TESTED (200), CALIBRATED (100), STEPS (40) of SFT, PREFERRED (30) of DPO, BATCH (8), SEEDS (1); STUDENT, BASE,
# PLANNERS, OTHER (the student that had no part), TRAINED_ON (wordsums-2), LONGER (wordsums-3).
set -euo pipefail
if [ "${1:-}" = -h ] || [ "${1:-}" = --help ]; then
  echo "usage: $0 [COUNT] [OUT]" >&2
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2
  exit 2
fi
count=${1:-136} out=${2:-planner}
student=${STUDENT:-embedded/qwen2.5-coder-0.5b} base=${BASE:-qwen2.5-coder-0.5b} other=${OTHER:-embedded/qwen2.5-coder-1.5b}
small=${SMALL:-embedded/qwen2.5-coder-0.5b} large=${LARGE:-embedded/qwen2.5-coder-1.5b}
plans=${PLANS:-4} draws=${DRAWS:-4} tested=${TESTED:-200} calibrated=${CALIBRATED:-100} seeds=${SEEDS:-1}
steps=${STEPS:-40} preferred=${PREFERRED:-30} batch=${BATCH:-8} rate=${RATE:-2e-4} gap=${GAP:-50} votes=${VOTES:-5}
data=${TRAINED_ON:-wordsums-2} longer=${LONGER:-wordsums-3} tokens=${TOKENS:-300} planning=${PLAN_TOKENS:-160}
read -ra planners <<< "${PLANNERS:-$small $large}"
mkdir -p "$out"
export STEPDOWN_STORE=${STEPDOWN_STORE:-$out/stepdown.sqlite}
limits=(--max-tokens "$tokens" --teacher-max-tokens "$planning")
# The runs of a command by method, as `method run` lines.
runs_of() { python3 -c 'import json, sys; [print(one["method"], one["run"]) for one in map(json.loads, sys.stdin)]'; }

# 1. Plans and what they are worth.
drawn=$(stepdown run "$data" --split train -n "$count" --student "$student" --method trace-of-thought --method chain-of-thought \
  "${planners[@]/#/--teacher=}" --plan-samples "$plans" --samples $((plans * draws)) --temperature 0.7 --teacher-temperature 0.8 \
  "${limits[@]}" --json | runs_of)
planned=$(awk '$1 == "trace-of-thought" {print $2}' <<< "$drawn") plain=$(awk '$1 == "chain-of-thought" {print $2}' <<< "$drawn")
stepdown report $planned $plain
if [ ! -d "$out/pairs" ]; then
  stepdown plan-values $planned --without "$plain" --out "$out/plans" --pairs "$out/pairs" --gap "$gap" --force
fi

# 2. The planner: what helped, then the better of two. A training that is there is left as it is.
trained=()
for seed in $(seq 0 $((seeds - 1))); do
  stepdown train "$out/plans" --base "$base" --out "$out/sft-$seed" --seed "$seed" --steps "$steps" --batch "$batch" \
    --learning-rate "$rate" --evaluations 0 --checkpoints 2
  stepdown train "$out/pairs" --objective dpo --base "$out/sft-$seed" --out "$out/planner-$seed" --seed "$seed" --steps "$preferred" \
    --batch "$batch" --evaluations 2 --checkpoints 2
  trained+=("$out/sft-$seed" "$out/planner-$seed")
done

# 3. Judged on lengths and a student it never saw: each against the large planner, untrained.
for problems in "$data" "$longer"; do
  for solver in "$student" "$other"; do
    by_large=$(stepdown run "$problems" --split test -n "$tested" --student "$solver" --teacher "$large" --method trace-of-thought \
      "${limits[@]}" --json | runs_of | awk '{print $2}')
    rest=$(stepdown run "$problems" --split test -n "$tested" --student "$solver" --teacher "$small" "${trained[@]/#/--teacher=}" \
      --method trace-of-thought --method chain-of-thought "${limits[@]}" --json | runs_of | awk '{print $2}')
    stepdown report $by_large $rest --baseline "$by_large"
    stepdown report $by_large $rest --baseline "$by_large" --json > "$out/judged-$problems-${solver##*/}.json"
  done
done
python3 - "$out" "$student" "$other" "$small" "$large" "$data" "$longer" "${trained[@]##*/}" <<'TABLE'
"""The aim: above the large planner for the student, and most of the lift over the small one kept for another student."""
import json, os, random, sys
from statistics import fmean
import stepdown as sd

out, student, other, small, large, *lengths = sys.argv[1:8]
trained = sys.argv[8:]
store, chance = sd.Store(os.environ["STEPDOWN_STORE"], reading=True), random.Random(0)
short = lambda name: name.rsplit("/", 1)[-1]
print("\n| problems | student | plans by | right / graded | difference to the large planner, points [95 %] |\n|---|---|---|---|---|")
rights = {}
for problems in lengths:
    for solver in (student, other):
        rows = json.load(open(f"{out}/judged-{problems}-{short(solver)}.json"))["rows"]
        # In the order in which they were run.
        for who, row in zip((short(large), short(small), *trained, "no plan"), rows, strict=True):
            apart = "" if row["difference"] is None else "{:+.1f} [{:+.1f}, {:+.1f}]".format(*(100 * row[k] for k in ("difference", "difference_low", "difference_high")))
            print(f"| {problems} | {short(solver)} | {who} | {row['right']} / {row['graded']} | {apart} |")
            rights[problems, solver, who] = {trace.problem.id: grade.verdict == "right" for trace, grade in store.run(row["run"]).graded() if grade.verdict != "ungraded"}
planners = [who for who in trained if who.startswith("planner-")]
def lift(one, ids, who, solver):
    return fmean(rights[one, solver, who][i] - rights[one, solver, short(small)][i] for i in ids)
for problems in lengths:
    for who in planners:
        shared = [i for i in rights[problems, student, who] if all(i in some for (name, *_), some in rights.items() if name == problems)]
        if not shared:
            continue
        own, kept = lift(problems, shared, who, student), lift(problems, shared, who, other)
        # A ratio is above .8 where the lift kept less .8 of the lift is above 0: its interval needs no division.
        spread = sorted(lift(problems, again, who, other) - 0.8 * lift(problems, again, who, student)
                        for again in (chance.choices(shared, k=len(shared)) for _ in range(1000)))
        words = "no lift to keep" if own <= 0 else (
            f"{kept / own:.2f} of it; kept less .8 of the lift {100 * (kept - 0.8 * own):+.1f}"
            f" [{100 * spread[25]:+.1f}, {100 * spread[974]:+.1f}] points")
        print(f"\n{problems}, {who}: lift over {short(small)} untrained {100 * own:+.1f} points for {short(student)},"
              f" {100 * kept:+.1f} for {short(other)}: {words} over {len(shared)} problems")
bar = [row for row in json.load(open(f"{out}/judged-{lengths[0]}-{short(student)}.json"))["rows"] if short(row["teacher"]) in planners]
met = [row for row in bar if (row["difference_low"] or 0) > 0]
print(f"\nAim: above {short(large)} untrained by an interval above 0: met by {len(met)} of {len(bar)} trained planners")
TABLE

# 4. First in a cascade, and its price against the teacher alone; prices go by parameters.
prices=${PRICES:-$out/prices.json}
[ -f "$prices" ] || python3 -c 'import json, sys
small, large, student, planner = sys.argv[1:]
cheap, dear = {"input": 0.5, "output": 1.0}, {"input": 1.5, "output": 3.0}
print(json.dumps({small: cheap, student: cheap, planner: cheap, large: dear}))' "$small" "$large" "$student" "$out/planner-0" > "$prices"
cheap=$(stepdown run "$data" --split dev -n "$calibrated" --student "$student" --teacher "$out/planner-0" --samples "$votes" --temperature 0.7 \
  --method trace-of-thought "${limits[@]}" --json | runs_of | awk '{print $2}')
dear=$(stepdown run "$data" --split dev -n "$calibrated" --student "$student" --teacher "$large" --method trace-of-thought "${limits[@]}" --json \
  | runs_of | awk '{print $2}')
alone=$(stepdown run "$data" --split dev -n "$calibrated" --student "$large" --method chain-of-thought --max-tokens "$tokens" --json | runs_of | awk '{print $2}')
# It says so, and goes on, where these problems can vouch for no threshold.
stepdown calibrate "$cheap" "$dear" --lose-at-most "${LOSE:-5%}" --prices "$prices" --name planner || true
stepdown report "$cheap" "$dear" "$alone" --prices "$prices" --json | python3 -c '
import json, sys
names = ("planner and votes", "the large planner, then the student", "the large model alone")
for name, row in zip(names, json.load(sys.stdin)["rows"]):
    price = "a price that is unknown" if row["cost"] is None else "${:.0f}".format(1e6 * row["cost"] / row["total"])
    print("{}: {right} / {graded} right, {} for a million problems".format(name, price, **row))'
