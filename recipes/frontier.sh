#!/usr/bin/env bash
# Cost against right answers: every method of the package by one student and one teacher on this machine, on the same
# problems, with the teacher alone beside them. Costs are in parts of a price that goes by parameters (PRICES=FILE has
# others). Stops and goes on wherever it is interrupted; a larger COUNT asks only for what is new.
#   recipes/frontier.sh [COUNT] [OUT] [DATASET RUN OPTIONS...]
#   recipes/frontier.sh 200 frontier wordsums --split test
#   recipes/frontier.sh 100 frontier gsm8k --data GSM8K_TEST.jsonl
# STUDENT, TEACHER, METHODS; TOKENS (300) and TEACHER_TOKENS (200) of a reply.
set -euo pipefail
if [ "${1:-}" = -h ] || [ "${1:-}" = --help ]; then
  echo "usage: $0 [COUNT] [OUT] [DATASET RUN OPTIONS...]" >&2
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2
  exit 2
fi
count=${1:-200} out=${2:-frontier}
problems=("${@:3}")
[ ${#problems[@]} -gt 0 ] || problems=(wordsums --split test)
student=${STUDENT:-embedded/qwen2.5-coder-0.5b} teacher=${TEACHER:-embedded/qwen2.5-coder-1.5b}
methods=${METHODS:-$(python3 -c 'from stepdown.methods import METHODS; print(",".join(one for one in METHODS if one != "few-shot"))')}
limit=(--max-tokens "${TOKENS:-300}") planning=(--teacher-max-tokens "${TEACHER_TOKENS:-200}")
mkdir -p "$out"
export STEPDOWN_STORE=${STEPDOWN_STORE:-$out/stepdown.sqlite}
prices=${PRICES:-$out/prices.json}
[ -f "$prices" ] || cat > "$prices" <<PRICES
{"$student": {"input": 0.5, "output": 1.0}, "$teacher": {"input": 1.5, "output": 3.0}}
PRICES
id() { python3 -c 'import json, sys; print(*(json.loads(line)["run"] for line in sys.stdin))'; }

runs=$(stepdown run "${problems[@]}" -n "$count" --student "$student" --teacher "$teacher" --method "$methods" "${limit[@]}" "${planning[@]}" --json | id)
alone=$(stepdown run "${problems[@]}" -n "$count" --student "$teacher" --method chain-of-thought "${limit[@]}" --json | id)
stepdown report $runs $alone --prices "$prices" --html "$out/${problems[0]##*/}-$count.html"
stepdown report $runs $alone --prices "$prices" --json | python3 -c '
import json, sys
from stepdown.stats import frontier

[report] = map(json.loads, sys.stdin)
unknown = sorted({row[role] for row in report["rows"] if row["cost"] is None for role in ("teacher", "student") if row[role]})
if unknown:
    sys.exit("no price is known of one of these: " + ", ".join(unknown) + "; write them into a file and give PRICES=FILE")
rows = sorted(report["rows"], key=lambda row: row["cost"])
best = frontier((row["cost"], row["accuracy"] or 0) for row in rows)
print("| method | right / graded | % [95 %] | $ for a million problems | tokens of teacher, student | nothing cheaper is as good |")
print("|---|---|---|---:|---|---|")
for place, row in enumerate(rows):
    alone = " (the teacher alone)" if row["run"] == sys.argv[1] else ""
    percent = "{:.1f} [{:.1f}, {:.1f}]".format(*(100 * (row[one] or 0) for one in ("accuracy", "low", "high")))
    tokens = ", ".join("{:,.0f}".format((row["tokens"].get(role) or 0) / row["total"]) for role in ("teacher", "student"))
    cost = 1e6 * row["cost"] / row["total"]
    right, graded = row["right"], row["graded"]
    print("| `{}`{} | {} / {} | {} | {:,.0f} | {} | {} |".format(
        row["method"], alone, right, graded, percent, cost, tokens, "yes" * (place in best)))
' "$alone"
