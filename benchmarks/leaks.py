"""How far the leak audit agrees with the hand-marked column `leaked`: precision, recall and every flagged row.

python benchmarks/leaks.py [--json]     needs ../shared/data/trace-of-thought
"""

import csv
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from stepdown.answers import gold_expression, gold_number
from stepdown.answers.leaks import Leak, leak
from stepdown.types import Kind, Plan, Problem

TRACES = Path(__file__).parents[2] / "shared" / "data" / "trace-of-thought"


def rows() -> Iterator[tuple[str, int, Problem, Plan, bool]]:
    """Stream the hand-checked rows: file, place, problem, plan, and whether it tells the answer by hand."""
    csv.field_size_limit(10**9)
    with (TRACES / "verdicts.csv").open(newline="", encoding="utf-8") as file:
        marks = {(row["file"], int(row["row"])): row["leaked"] == "1" for row in csv.DictReader(file)}
    for name in sorted({name for name, _ in marks}):
        with (TRACES / name).open(newline="", encoding="utf-8") as file:
            for at, row in enumerate(csv.reader(file)):
                yield name, at, problem(name, row), Plan(row[2], author="teacher"), marks[name, at]


def problem(name: str, row: list[str]) -> Problem:
    number = gold_number(row[4]) if "####" in row[4] else None
    kind: Kind = "expression" if number is None else "number"
    return Problem(name, json.loads(row[0])["dataset_question"], number or gold_expression(row[4]) or "", kind=kind)


def flagged(found: Leak, marked: bool) -> str:
    return {(True, True): "leak", (True, False): "flagged, by hand none", (False, True): "missed"}[found.gold, marked]


def main() -> None:
    if not TRACES.exists():
        sys.exit(f"no traces at {TRACES}")
    began, counts = time.perf_counter(), {(one, two): 0 for one in (True, False) for two in (True, False)}
    for name, at, asked, plan, marked in rows():
        found = leak(asked, plan)
        counts[found.gold, marked] += 1
        if found.gold or marked:
            said = {"file": name, "row": at, "gold": asked.answer, "how": flagged(found, marked), "quote": found.quote}
            print(
                json.dumps({"bench": "leaks", **said}) if "--json" in sys.argv else "  ".join(map(str, said.values()))
            )
    hits, extra, missed = counts[True, True], counts[True, False], counts[False, True]
    total = {
        "rows": sum(counts.values()),
        "precision": round(hits / max(1, hits + extra), 4),
        "recall": round(hits / max(1, hits + missed), 4),
        "rows_per_s": round(sum(counts.values()) / (time.perf_counter() - began)),
    }
    if "--json" in sys.argv:
        print(json.dumps({"bench": "leaks", **total}))
    else:
        print(f"precision {hits} of {hits + extra} = {total['precision']:.1%}, recall {hits} of {hits + missed} = "
              f"{total['recall']:.1%}, {total['rows']} rows, {total['rows_per_s']} rows/s")  # fmt: skip


if __name__ == "__main__":
    main()
