"""How far the graders agree with the hand-checked verdicts, file by file, and how fast they are.

python benchmarks/grading.py [--json]     without ../shared/data/trace-of-thought only the rates of a made-up text
"""

import asyncio
import csv
import json
import sys
import time
from pathlib import Path

from stepdown.answers import gold_expression, gold_number
from stepdown.graders import load_grader
from stepdown.types import Grader, Kind, Problem

TRACES = Path(__file__).parents[2] / "shared" / "data" / "trace-of-thought"
GRADERS = ("default", "strict", "lenient")
MADE_UP = Problem("made/up", "How many eggs does she sell a week?", "63")
STEPS = "3. She sells 16 - 7 = 9 eggs each day, so that is 9 eggs for every day she goes to the market.\n"
Row = tuple[Problem, str, bool]


def traces() -> dict[str, list[Row]]:
    """Read the hand-checked rows by file: the problem, the student's text, whether it is right."""
    csv.field_size_limit(10**9)
    with (TRACES / "verdicts.csv").open(newline="", encoding="utf-8") as file:
        verdicts = {(row["file"], int(row["row"])): row["right"] == "1" for row in csv.DictReader(file)}
    rows: dict[str, list[Row]] = {}
    for name in sorted({name for name, _ in verdicts}):
        with (TRACES / name).open(newline="", encoding="utf-8") as file:
            rows[name] = [(problem(name, row), row[3], verdicts[name, at]) for at, row in enumerate(csv.reader(file))]
    return rows


def problem(name: str, row: list[str]) -> Problem:
    number = gold_number(row[4]) if "####" in row[4] else None
    kind: Kind = "expression" if number is None else "number"
    return Problem(name, json.loads(row[0])["dataset_question"], number or gold_expression(row[4]) or "", kind=kind)


async def agreement(grader: Grader, rows: list[Row]) -> dict[str, object]:
    began = time.perf_counter()
    grades = [await grader(problem, solution) for problem, solution, _ in rows]
    seconds = time.perf_counter() - began
    agreed = sum((grade.verdict == "right") == right for grade, (_, _, right) in zip(grades, rows, strict=True))
    return {"agreed": round(agreed / len(rows), 4), "rows": len(rows), "rows_per_s": round(len(rows) / seconds)}


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


async def measured() -> list[dict[str, object]]:
    rows = traces() if TRACES.exists() else {}
    found: list[dict[str, object]] = []
    for name in GRADERS:
        grader = load_grader(name)
        found += [{"grader": name, "file": file, **await agreement(grader, some)} for file, some in rows.items()]
        every = [row for some in rows.values() for row in some]
        found += [{"grader": name, "file": "all", **await agreement(grader, every)}] if every else []
        found.append({"grader": name, "file": "1,000 characters", **await rate(grader)})
    return found


def main() -> None:
    for row in asyncio.run(measured()):
        if "--json" in sys.argv:
            print(json.dumps({"bench": "grading", **row}))
        else:
            agreed = f"{row['agreed']:7.2%} agree" if "agreed" in row else f"{row['microseconds']:>7} us/row"
            print(f"{row['grader']:<8} {row['file']:<52} {agreed}  {row['rows_per_s']:>6} rows/s")


if __name__ == "__main__":
    main()
