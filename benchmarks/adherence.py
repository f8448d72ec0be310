"""How far the rule that says what became of each step of a plan agrees with a person, on 200 released traces.

python benchmarks/adherence.py [--json] [--all] [--judge MODEL [--limit N] [--store FILE]]

Needs the released traces (`make data`). `--all`: also the 1,600; `--judge`: also a judge model, on the N first of the
held-out traces and then of the others, beside the rule on the same; what it says is kept in the store.

The marks are in adherence_marks.csv: file and row, the part (held: rows that no rule was made with), a letter for each
step of the plan (d done, c changed, s skipped), how many parts were added, and the letters of a second reading of 20.
The codebook is in docs/adherence.md. Intervals are of 2,000 bootstrap samples of
traces, as the steps of one go together.
"""

import argparse
import asyncio
import csv
import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from rows import Row, print_row

from real_data import TRACES, Checked, checked_rows, here
from stepdown.alignment import Alignment, align, plan_steps
from stepdown.audits.followed_plans import blame_of_text
from stepdown.stats import wilson
from stepdown.store import Store
from stepdown.types import Plan, Trace

BAR = 0.9
MARKS = Path(__file__).with_name("adherence_marks.csv")
LETTERS = {"done": "d", "changed": "c", "skipped": "s", "repeated": "s"}
_HIDDEN = re.compile(r"[^\W\d_]{3,}|\d[\d.,]*")


class Marked(NamedTuple):
    """A trace with a person's letters and the rule's, for its own plan, another problem's, and its own masked."""

    trace: Checked
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
        Marked(trace, one["part"], trace.right, one["steps"], one["again"], one["added"] != "0",
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


Pairs = list[tuple[str, str]]
Letters = Callable[[Marked], str]


def by_rule(one: Marked) -> str:
    return one.rule


def pairs(rows: Sequence[Marked], said: Letters = by_rule) -> Pairs:
    return [pair for one in rows for pair in zip(one.hand, said(one), strict=True)]


def agreement(some: Pairs) -> float:
    return sum(hand == said for hand, said in some) / len(some)


def recall(some: Pairs) -> float:
    """Return the share of the steps not done that are flagged, whether as changed or as skipped."""
    left = [said for hand, said in some if hand != "d"]
    return sum(said != "d" for said in left) / len(left) if left else 0.0


def balanced(some: Pairs) -> float:
    """Return the mean of the shares of steps done and of steps not done that are told; 50 % without looking."""
    done = [said for hand, said in some if hand == "d"]
    return (recall(some) + sum(said == "d" for said in done) / max(1, len(done))) / 2


def kappa(some: Pairs) -> float:
    """Return Cohen's kappa: agreement beyond what the shares of the letters alone would give."""
    total = len(some)
    by_chance = sum(
        sum(hand == one for hand, _ in some) * sum(said == one for _, said in some) for one in "dcs"
    ) / total**2  # fmt: skip
    return (agreement(some) - by_chance) / (1 - by_chance) if by_chance < 1 else 1.0


def told(some: Pairs) -> float:
    """Return kappa of done against not done, whichever of changed and skipped."""
    return kappa([tuple("d" if one == "d" else "c" for one in pair) for pair in some])  # type: ignore[misc]


def figure(of: Callable[[Pairs], float], said: Letters) -> Callable[[Sequence[Marked]], float]:
    return lambda few: of(pairs(few, said))


def compared(rows: Sequence[Marked], part: str, said: Letters = by_rule) -> Row:
    """Return how letters agree with a person's, with intervals of bootstrap samples of traces."""
    some = pairs(rows, said)
    flags = [(hand, one) for hand, one in some if one != "d"]
    row: Row = {"part": part, "traces": len(rows), "steps": len(some), "agree": sum(hand == one for hand, one in some)}
    for name, of in (("agreement", agreement), ("kappa", kappa), ("kappa_done_or_not", told), ("balanced", balanced),
                     ("recall_of_not_done", recall)):  # fmt: skip
        row |= {name: round(of(some), 4), f"{name}_interval": bootstrap(rows, figure(of, said))}
    for name, letter in (("changed", "c"), ("skipped", "s")):
        row |= {name: sum(hand == letter for hand, _ in some),
                f"{name}_flagged": sum(hand == letter and one != "d" for hand, one in some)}  # fmt: skip
    return row | {
        "all_done_would_agree": round(sum(hand == "d" for hand, _ in some) / len(some), 4),
        "flags": len(flags), "flags_real": sum(hand != "d" for hand, _ in flags),
        "not_done": sum(hand != "d" for hand, _ in some),
        "whole_trace": round(sum((set(one.hand) == {"d"}) == (set(said(one)) == {"d"}) for one in rows) / len(rows), 4),
    }  # fmt: skip


def judged(rows: Sequence[Marked], model: str, store: Path) -> dict[int, str]:
    """Return a judge model's letters for rows by their places, without the parts it calls added."""
    from stepdown.audits import judge_letters
    from stepdown.measuring import JudgeBudget, cached_model
    from stepdown.models import load_model

    async def work(kept: Store) -> list[str | None]:
        judge = cached_model(load_model(model), kept, judging=JudgeBudget("benchmark/adherence"))
        traces = [Trace(one.problem, "trace-of-thought", Plan(one.plan, "teacher"), solution=one.solution)
                  for one in (row.trace for row in rows)]  # fmt: skip
        found = list[str | None]()
        for at in range(0, len(traces), 4):
            found += await asyncio.gather(*(judge_letters(judge, trace) for trace in traces[at : at + 4]))
            print(f"{len(found)} of {len(traces)} judged", file=sys.stderr)
        return found

    with Store(store) as kept:
        said = asyncio.run(work(kept))
    return {at: one.rstrip("a") for at, one in enumerate(said) if one is not None}


def beside(rows: Sequence[Marked], model: str, store: Path) -> Iterator[Row]:
    """Yield a judge's figures, and the rule's and the constant answer's on the same traces that it could be read on."""
    known = judged(rows, model, store)
    some = [rows[at] for at in known]
    by_trace = {id(one): letters for one, letters in zip(some, known.values(), strict=True)}

    def said(one: Marked) -> str:
        return by_trace[id(one)]

    yield {"judge": model, "asked": len(rows), "read": len(some)}
    for part in ("held", "develop", ""):
        few = [one for one in some if part in ("", one.part)]
        if few:
            name = part or "both"
            yield {"by": model, **compared(few, name, said)}
            yield {"by": "rule", **compared(few, name)}
            apart = bootstrap(few, lambda these: told(pairs(these, said)) - told(pairs(these)))
            yield {"kappa_done_or_not": "judge less rule", "part": name, "interval": apart}


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
    found[2]["agreement"] = round(agreement(pairs(rows, lambda one: letters(one.masked))), 4)
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for flag in ("--json", "--all"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("--judge", default="")
    parser.add_argument("--limit", type=int, default=200)
    parser.add_argument("--store", type=Path, default=Path("adherence.sqlite"))
    asked = parser.parse_args()
    as_json = asked.json
    if not all(map(here, TRACES)):
        sys.exit("the released traces are not here: `make data`")
    rows = marked()
    if asked.judge:
        first = sorted(rows, key=lambda one: one.part, reverse=True)[: asked.limit]
        for row in beside(first, asked.judge, asked.store):
            print_row({"bench": "adherence", **row}, as_json=as_json)
        return
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
    if asked.all:
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
