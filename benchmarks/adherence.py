"""How far the rule that says what became of each step of a plan agrees with a person, on 200 released traces.

python benchmarks/adherence.py [--json] [--all]     needs the released traces (`make data`); `--all`: also the 1,600

The marks are in adherence_marks.csv: file and row, the part (held: rows that no rule was made with), a letter for each
step of the plan (d done, c changed, s skipped), how many parts were added, and the letters of a second reading of 20.
The codebook is in docs/adherence.md. Intervals are of 2,000 bootstrap samples of
traces, as the steps of one go together.
"""

import csv
import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from rows import Row, print_row

from real_data import TRACES, Checked, checked_rows, here
from stepdown.alignment import Alignment, align, plan_steps
from stepdown.audits.followed_plans import blame_of_text
from stepdown.stats import wilson
from stepdown.types import Plan, Trace

BAR = 0.9
MARKS = Path(__file__).with_name("adherence_marks.csv")
LETTERS = {"done": "d", "changed": "c", "skipped": "s", "repeated": "s"}
_HIDDEN = re.compile(r"[^\W\d_]{3,}|\d[\d.,]*")


class Marked(NamedTuple):
    """A trace with a person's letters and the rule's, for its own plan, another problem's, and its own masked."""

    part: str
    right: bool
    hand: str
    again: str
    added: bool
    found: Alignment
    shuffled: Alignment
    masked: Alignment

    @property
    def rule(self) -> str:
        return letters(self.found)


def letters(found: Alignment) -> str:
    return "".join(LETTERS[one.status] for one in found.steps)


def marked() -> list[Marked]:
    rows = {(Path(one.file).name, one.row): one for one in checked_rows()}
    with MARKS.open() as file:
        marks = list(csv.DictReader(file))
    traces = [rows[one["file"], int(one["row"])] for one in marks]
    return [
        Marked(one["part"], trace.right, one["steps"], one["again"], one["added"] != "0",
               align(trace.plan, trace.solution), align(other_plan(at, traces), trace.solution),
               align(hidden(trace.plan), trace.solution))
        for at, (one, trace) in enumerate(zip(marks, traces, strict=True))
    ]  # fmt: skip


def other_plan(at: int, traces: Sequence[Checked]) -> str:
    """Return the plan of the next marked trace of the same file that is of another problem."""
    own = traces[at]
    others = [*traces[at + 1 :], *traces[:at]]
    return next(one.plan for one in others if one.file == own.file and one.problem.question != own.problem.question)


def hidden(plan: str) -> list[str]:
    return [_HIDDEN.sub("___", step.text) for step in plan_steps(plan)]


def bootstrap(rows: Sequence[Marked], of: Callable[[Sequence[Marked]], float]) -> list[float]:
    draw = random.Random(0)
    values = sorted(of(draw.choices(rows, k=len(rows))) for _ in range(2_000))
    return [round(values[50], 4), round(values[1949], 4)]


def pairs(rows: Sequence[Marked], *, masked: bool = False) -> list[tuple[str, str]]:
    return [pair for one in rows for pair in zip(one.hand, letters(one.masked) if masked else one.rule, strict=True)]


def agreement(rows: Sequence[Marked]) -> float:
    some = pairs(rows)
    return sum(hand == rule for hand, rule in some) / len(some)


def kappa(some: Sequence[tuple[str, str]]) -> float:
    """Return Cohen's kappa: agreement beyond what the shares of the letters alone would give."""
    total = len(some)
    by_chance = sum(
        sum(hand == one for hand, _ in some) * sum(rule == one for _, rule in some) for one in "dcs"
    ) / total**2  # fmt: skip
    agreed = sum(hand == rule for hand, rule in some) / total
    return (agreed - by_chance) / (1 - by_chance) if by_chance < 1 else 1.0


def compared(rows: Sequence[Marked], part: str) -> Row:
    some = pairs(rows)
    total, hits = len(some), sum(hand == rule for hand, rule in some)
    flags = [(hand, rule) for hand, rule in some if rule != "d"]
    whole = sum((set(one.hand) == {"d"}) == (set(one.rule) == {"d"}) for one in rows)
    added = sum(one.added == (one.found.counts["added"] > 0) for one in rows)
    return {
        "part": part, "traces": len(rows), "steps": total, "agree": hits, "agreement": round(hits / total, 4),
        "interval": bootstrap(rows, agreement), "kappa": round(kappa(some), 4),
        "kappa_interval": bootstrap(rows, lambda few: kappa(pairs(few))),
        "all_done_would_agree": round(sum(hand == "d" for hand, _ in some) / total, 4),
        "flags": len(flags), "flags_real": sum(hand != "d" for hand, _ in flags),
        "not_done": sum(hand != "d" for hand, _ in some), "whole_trace": round(whole / len(rows), 4),
        "added": round(added / len(rows), 4),
    }  # fmt: skip


def share(found: Alignment) -> float:
    return sum(one.status == "done" for one in found.steps) / len(found.steps)


def controls(rows: Sequence[Marked]) -> list[Row]:
    """Return the share of steps that the rule calls done, of the traces' own plans and of two that nobody followed."""

    def mean(of: Callable[[Marked], float]) -> Callable[[Sequence[Marked]], float]:
        return lambda some: sum(map(of, some)) / len(some)

    gaps = {"shuffled": mean(lambda one: share(one.found) - share(one.shuffled)),
            "masked": mean(lambda one: share(one.found) - share(one.masked))}  # fmt: skip
    shares = {"own": mean(lambda one: share(one.found)), "shuffled": mean(lambda one: share(one.shuffled)),
              "masked": mean(lambda one: share(one.masked))}  # fmt: skip
    found: list[Row] = []
    for name, of in shares.items():
        row: Row = {"control": name, "steps_done": round(of(rows), 4), "interval": bootstrap(rows, of)}
        if name in gaps:
            below = bootstrap(rows, gaps[name])
            row |= {"below_own": round(gaps[name](rows), 4), "below_interval": below, "lower": below[0] > 0}
        found.append(row)
    found[2]["agreement"] = round(sum(one == two for one, two in pairs(rows, masked=True)) / len(pairs(rows)), 4)
    return found


def followed(name: str, some: Sequence[tuple[bool, bool]]) -> Row:
    """Return how many are right of those that followed all steps, and of the others."""
    row: Row = {"right_if_followed": name}
    for said, wanted in (("followed", True), ("not", False)):
        rights = [right for all_done, right in some if all_done == wanted]
        low, high = wilson(sum(rights), len(rights)) if rights else (0.0, 1.0)
        row |= {said: len(rights), f"{said}_right": sum(rights), f"{said}_interval": [round(low, 4), round(high, 4)]}
    return row


def blamed() -> list[Row]:
    """Return who is blamed for the wrong traces by their texts, and with how many held-out ones a person agrees."""
    with MARKS.open() as file:
        hand = {(one["file"], int(one["row"])): set(one["steps"]) == {"d"} for one in csv.DictReader(file)
                if one["part"] == "held"}  # fmt: skip
    counts, checked = Counter[str](), Counter[tuple[str, bool]]()
    for row in checked_rows():
        if not row.right:
            trace = Trace(row.problem, "trace-of-thought", Plan(row.plan, "teacher"), solution=row.solution)
            who, why = blame_of_text(trace)
            counts[who] += 1
            all_done = hand.get((Path(row.file).name, row.row))
            if all_done is not None and (who == "plan" or " of the plan is " in why):
                checked[who, all_done] += 1
    return [
        {"blame": "wrong traces, no plan shared", "unknown_before": counts.total(), **counts},
        {"blame": "held out, by hand", "step_blamed": checked["student", True] + checked["student", False],
         "step_left": checked["student", False], "plan_blamed": checked["plan", True] + checked["plan", False],
         "plan_followed": checked["plan", True]},
    ]  # fmt: skip


def main() -> None:
    as_json = "--json" in sys.argv
    if not all(map(here, TRACES)):
        sys.exit("the released traces are not here: `make data`")
    rows = marked()
    found = {part: compared([one for one in rows if one.part == part], part) for part in ("develop", "held")}
    for row in found.values():
        print_row({"bench": "adherence", **row}, as_json=as_json)
    twice = [pair for one in rows if one.again for pair in zip(one.hand, one.again, strict=True)]
    own = sum(first == second for first, second in twice)
    print_row({"bench": "adherence", "read_twice": len(twice), "agree": own, "kappa": round(kappa(twice), 4)},
              as_json=as_json)  # fmt: skip
    lower = controls(rows)
    for row in lower:
        print_row({"bench": "adherence", **row}, as_json=as_json)
    some = [("by hand", [(set(one.hand) == {"d"}, one.right) for one in rows]),
            ("by rule", [(set(one.rule) == {"d"}, one.right) for one in rows])]  # fmt: skip
    if "--all" in sys.argv:
        every = [(set(letters(align(one.plan, one.solution))) == {"d"}, one.right) for one in checked_rows()]
        some.append(("by rule, all 1,600", every))
        for row in blamed():
            print_row({"bench": "adherence", **row}, as_json=as_json)
    for name, ones in some:
        print_row({"bench": "adherence", **followed(name, ones)}, as_json=as_json)
    held = found["held"]["agreement"]
    print_row({"bench": "adherence", "held_agreement": held, "bar": BAR, "controls_lower": all(
        row.get("lower", True) for row in lower), "met": held >= BAR and all(row.get("lower", True) for row in lower)},
        as_json=as_json)  # fmt: skip


if __name__ == "__main__":
    main()
