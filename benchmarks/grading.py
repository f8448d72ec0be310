"""How far the graders agree with what is known to be right, by source and by style, and how fast they are.

python benchmarks/grading.py [--json] [--quick]     without `make data` only the answer forms and the rates

Sources: eight released files of traces with hand-checked verdicts, and the official solutions of MATH and GSM8K, all of
them right. Styles: the forms of `answer_forms.py`, each with the gold and with another answer. Of each source and style
the shares that are wrongly called wrong (of the right ones) and wrongly called right (of the wrong ones) are told.
`--quick` takes every tenth row.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import answer_forms

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from real_data import TRACES, checked_rows, here, whole
from stepdown.graders import load_grader
from stepdown.measuring import GRADERS
from stepdown.problems import load_problems
from stepdown.types import Grader, Kind, Problem

OFFICIAL = (("math", "math/test.jsonl"), ("gsm8k", "gsm8k/test.jsonl"), ("gsm8k", "gsm8k/train.jsonl"))
MADE_UP = Problem("made/up", "How many eggs does she sell a week?", "63")
STEPS = "3. She sells 16 - 7 = 9 eggs each day, so that is 9 eggs for every day she goes to the market.\n"
HOSTILE = (
    "(",
    "9",
    "a ",
    "\n",
    "$",
    "\\boxed{",
    "1,",
    "= ",
    "**",
    "1 hour and 2 minutes, ",
    "Answer: ",
    '{"answer": ',
    "#### ",
)
Row = tuple[Problem, str, bool]


def traces() -> dict[str, list[Row]]:
    """Read the hand-checked rows by file: the problem, the student's text, whether it is right."""
    rows: dict[str, list[Row]] = {}
    for row in checked_rows():
        rows.setdefault(row.file, []).append((row.problem, row.solution, row.right))
    return rows


def official(name: str, file: str) -> list[Row]:
    """Read a benchmark's own solutions: all are right, in the form that it publishes."""
    rows = []
    for one in load_problems(name, data=whole(file)):
        solution = one.solution if name == "math" else f"{one.solution}\n#### {one.answer}"
        rows.append((one, solution, True))
    return rows


def answer_lines(rows: Iterable[Row], form: str) -> list[Row]:
    """Return golds in the form of an answer line instead of their solutions."""
    return [(one, form.format(one.answer), True) for one, _, _ in rows]


def sources() -> Iterator[tuple[str, list[Row]]]:
    """Yield what is graded: the forms by style, and the sources that are on this machine."""
    cases = list(answer_forms.cases())
    for style in dict.fromkeys(case.style for case in cases):
        yield f"forms: {style}", [(case.problem, case.solution, case.right) for case in cases if case.style == style]
    yield "forms: all", [(case.problem, case.solution, case.right) for case in cases]
    if all(map(here, TRACES)):
        files = traces()
        yield from files.items()
        yield "traces: all", [row for rows in files.values() for row in rows]
    for name, file in OFFICIAL:
        if here(file):
            rows = official(name, file)
            yield f"official: {file}", rows
            if name == "math":
                for form in ("Answer: {}", "Answer: ${}$", "$\\boxed{{{}}}$"):
                    yield f"golds: {form.format('GOLD')}", answer_lines(rows, form)


async def agreement(grader: Grader, rows: list[Row]) -> dict[str, object]:
    """Grade rows and return the share that agrees and the shares of wrongly called ones, None of none."""
    began = time.perf_counter()
    grades = [await grader(problem, solution) for problem, solution, _ in rows]
    seconds = time.perf_counter() - began
    called = [(grade.verdict, right) for grade, (_, _, right) in zip(grades, rows, strict=True)]
    graded = [(verdict == "right", right) for verdict, right in called if verdict != "ungraded" or right]
    return {
        "rows": len(rows),
        "agreed": share(said == right for said, right in graded),
        "false_wrong": share(not said for said, right in graded if right),
        "false_right": share(said for said, right in graded if not right),
        "rows_per_s": round(len(rows) / seconds),
    }


def share(facts: Iterable[bool]) -> float | None:
    found = list(facts)
    return round(sum(found) / len(found), 4) if found else None


async def rate(grader: Grader, characters: int = 1000) -> dict[str, object]:
    """Measure one solution of a thousand characters over and over: the best of nine batches."""
    text = STEPS * (characters // len(STEPS)) + "So she sells 9 * 7 = 63 eggs a week."
    best = float("inf")
    for _ in range(9):
        began = time.perf_counter()
        for _ in range(200):
            await grader(MADE_UP, text)
        best = min(best, (time.perf_counter() - began) / 200)
    return {"microseconds": round(best * 1e6), "rows_per_s": round(1 / best)}


async def growth(grader: Grader, kind: Kind) -> dict[str, object]:
    """Measure how time grows from a quarter of a megabyte of hostile text to a whole: 4 is linear, 16 quadratic."""
    worst, slowest = 0.0, 0.0
    problem = Problem("p", "How many?", "A" if kind == "choice" else "4", ("sun", "moon"), kind)
    for unit in HOSTILE:
        took = []
        for size in (250_000, 1_000_000):
            began = time.process_time()
            await grader(problem, unit * (size // len(unit)))
            took.append(time.process_time() - began)
        slowest = max(slowest, took[1])
        worst = max(worst, took[1] / max(took[0], 0.02))
    return {"growth_by_4": round(worst, 1), "slowest_s": round(slowest, 2)}


async def measured(step: int) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    graders = {name: load_grader(name) for name in GRADERS}
    for source, rows in sources():
        for name, grader in graders.items():
            # The forms come in pairs, right and wrong, and are few.
            some = [
                row
                for row in rows[:: 1 if source.startswith("forms") else step]
                if name != "last-number" or row[0].kind in ("number", "expression")
            ]
            if some:
                found.append({"source": source, "grader": name, **await agreement(grader, some)})
    for name, grader in graders.items():
        found.append({"source": "1,000 characters", "grader": name, **await rate(grader)})
    for kind in ("number", "expression", "choice", "text"):
        found.append({"source": f"1 MB of {kind}", "grader": "default", **await growth(graders["default"], kind)})
    return found


def shown(row: dict[str, object]) -> str:
    def part(name: str) -> str:
        value = row.get(name)
        return "      -" if value is None else f"{value:7.2%}"

    head = f"{row['source']:<52} {row['grader']:<12}"
    if "agreed" not in row:
        return head + "  ".join(f"{name} {value}" for name, value in row.items() if name not in ("source", "grader"))
    return f"{head}{row['rows']:>6} {part('agreed')} {part('false_wrong')} {part('false_right')} {row['rows_per_s']:>7}"


def main() -> None:
    if "--json" not in sys.argv:
        print(f"{answer_forms.count()} answer forms x kinds")
        print(f"{'source':<52} {'grader':<12}{'rows':>6} {'agreed':>7} {'f.wrong':>7} {'f.right':>7} {'rows/s':>7}")
    for row in asyncio.run(measured(10 if "--quick" in sys.argv else 1)):
        print(json.dumps({"bench": "grading", **row}) if "--json" in sys.argv else shown(row))


if __name__ == "__main__":
    main()
