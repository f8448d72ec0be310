"""How far the leak audit agrees with the hand-marked column `leaked`: precision, recall and every flagged row.

python benchmarks/leaks.py [--json]     needs the released traces (`make data`)
"""

import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from real_data import TRACES, checked_rows, here
from stepdown.answers.leaks import Leak, leak
from stepdown.types import Plan


def flagged(found: Leak, marked: bool) -> str:
    return {(True, True): "leak", (True, False): "flagged, by hand none", (False, True): "missed"}[found.gold, marked]


def main() -> None:
    if not all(map(here, TRACES)):
        sys.exit("the released traces are not here: `make data`")
    began, counts = time.perf_counter(), {(one, two): 0 for one in (True, False) for two in (True, False)}
    for row in checked_rows():
        asked, marked = row.problem, row.leaked
        found = leak(asked, Plan(row.plan, author="teacher"))
        counts[found.gold, marked] += 1
        if found.gold or marked:
            said = {
                "file": row.file,
                "row": row.row,
                "gold": asked.answer,
                "how": flagged(found, marked),
                "quote": found.quote,
            }
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
