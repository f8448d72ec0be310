"""What the tests of the command line share: problems in a file, and a server that solves them."""

import json
import re
from pathlib import Path

from faulty_server import Body

PLAN = "1. Take the number.\n2. Add one to it."


def speak(body: Body) -> str:
    """Add one, as a student; write a plan, as a teacher."""
    found = re.search(r"What is (\d+) plus one", body["messages"][-1]["content"])
    assert found, "every question is of this kind"
    return PLAN if body["model"] == "teacher" else f"Answer: {int(found[1]) + 1}"


def write_sums(count: int, folder: Path = Path()) -> None:
    """Write `sums.jsonl` in a folder, the working one if none is named, with as many problems."""
    rows = [{"question": f"What is {n} plus one?", "answer": str(n + 1)} for n in range(count)]
    (folder / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
