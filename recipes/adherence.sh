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
if [ -n "${JUDGE:-}" ]; then
  stepdown audit "${runs[@]}" --judge "$JUDGE" > "$out/audit.txt" || [ $? = 1 ]
fi
python3 - "${JUDGE:-}" "${runs[@]}" <<'TABLE'
"""Means over seeds of each problem, then over the problems that every run has; intervals over these, of right answers over seeds too."""
import sys
from collections import Counter, defaultdict
from statistics import fmean
import stepdown as sd
from stepdown.audits import followed, kept_judge
from stepdown.stats import clustered_interval, crossed_difference, crossed_interval, mean_interval
from stepdown.store import default_path

judge, names = sys.argv[1], sys.argv[2:]
with sd.Store(default_path(), reading=True) as store:
    runs = [store.run(name) for name in names]
    ways = ["rule"] + ([judge] if judge else [])
    found = {way: defaultdict(lambda: defaultdict(list)) for way in (*ways, "right")}
    for run in runs:
        method = run.settings.method
        for way in ways:
            for trace, grade, letters in followed(run, judge=kept_judge(runs, judge) if way == judge else None):
                if letters and letters.strip("a"):
                    found[way][method][trace.problem.id].append(letters.count("d") / len(letters.rstrip("a")))
        for trace, grade in run.graded():
            if grade.verdict != "ungraded":
                found["right"][method][trace.problem.id].append(float(grade.verdict == "right"))
    methods = list(dict.fromkeys(run.settings.method for run in runs))

def cell(mean, interval, form="{:.1f} [{:.1f}, {:.1f}]"):
    return form.format(*(100 * one for one in (mean, *interval)))

def tables(way, shared, *some):
    """A row for each seed, where every problem has as many; else nothing."""
    rows = [[found[way][one][problem] for problem in shared] for one in some]
    same = len({len(values) for row in rows for values in row}) == 1
    return [list(zip(*row)) for row in rows] if way == "right" and same else None

def own_cell(way, shared, method):
    means, table = [fmean(found[way][method][problem]) for problem in shared], tables(way, shared, method)
    return cell(fmean(means), crossed_interval(table[0]) if table else clustered_interval(Counter(means), 1))

def difference(way, shared, method, other):
    apart = [fmean(found[way][method][one]) - fmean(found[way][other][one]) for one in shared]
    table = tables(way, shared, method, other)
    crossed = crossed_difference(*table) if table else None
    return cell(fmean(apart), (crossed.low, crossed.high) if crossed else mean_interval(apart, bounds=(-1.0, 1.0)), "{:+.1f} [{:+.1f}, {:+.1f}]")

head = [f"% of steps done, by {'our rule' if way == 'rule' else way}" if way != "right" else "% right" for way in (*ways, "right")]
print("| method |", " | ".join(f"{one} [95 %] | less {methods[0]}" for one in head), "|\n|---|" + "---|" * 2 * len(head))
for method in methods:
    cells = []
    for way in (*ways, "right"):
        shared = sorted(set.intersection(*(set(found[way][one]) for one in methods)))
        apart = "" if method == methods[0] or not shared else difference(way, shared, method, methods[0])
        cells += [own_cell(way, shared, method) if shared else "", apart]
    print(f"| `{method}` |", " | ".join(cells), "|")
shared = {way: len(set.intersection(*(set(found[way][one]) for one in methods))) for way in (*ways, "right")}
seeds = len(names) // len(methods)
print(f"\n{seeds} seed{'s' * (seeds > 1)}; problems that every run has:", ", ".join(f"{way} {count}" for way, count in shared.items()))
TABLE
