"""Split a pool of chains by question: some problems to train on, the others to test on.

python recipes/split_pool.py POOL.jsonl.gz OUT COUNT

Questions that share a run of eight words (numbers aside) stay on one side, but for runs that more than twenty of them,
and more than a twentieth, have: those are the words that the data set asks in. Both sides are in the order of a hash.
Writes OUT/train.jsonl.gz, of at least COUNT problems with their chains, and OUT/test.jsonl without chains.
"""

import gzip
import json
import os
import re
import sys
from collections import Counter
from hashlib import blake2b
from pathlib import Path
from typing import Any

RUN = 8
COMMON = 20
SHOWN = ("id", "question", "choices", "answer")


def rank(text: str) -> bytes:
    """Return a place in an order that has nothing to do with the text."""
    return blake2b(text.encode(), digest_size=8).digest()


def runs_of(question: str) -> set[tuple[str, ...]]:
    """Return the runs of words of a question; one of fewer words is a run itself."""
    words = ["#" if one.isdigit() else one for one in re.findall(r"[a-z]+|\d+", question.lower())]
    return {tuple(words[at : at + RUN]) for at in range(max(1, len(words) - RUN + 1))}


def cores_of(rows: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Return the rows in groups that share no run of words, in the order of their first question's rank."""
    parent, seen = list(range(len(rows))), dict[tuple[str, ...], int]()
    runs = [runs_of(row["question"]) for row in rows]
    count = Counter(run for some in runs for run in some)

    def root(at: int) -> int:
        while parent[at] != at:
            at = parent[at]
        return at

    for number, some in enumerate(runs):
        for run in some:
            if count[run] <= max(COMMON, len(rows) / COMMON):
                parent[root(number)] = root(seen.setdefault(run, number))
    cores: dict[int, list[dict[str, Any]]] = {}
    for number, row in enumerate(rows):
        cores.setdefault(root(number), []).append(row)
    return sorted(cores.values(), key=lambda some: rank(min(one["question"] for one in some)))


def main() -> None:
    """Write both sides of a pool."""
    pool, out, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    with gzip.open(pool, "rt") as file:
        rows = [json.loads(line) for line in file]
    cores, train, test = cores_of(rows), list[dict[str, Any]](), list[dict[str, Any]]()
    for core in cores:
        (train if len(train) < count else test).extend(core)
    if not test:
        sys.exit(
            f"{pool}: all {len(train)} problems are taken to train on; ask for fewer than {count}, or split by hand"
        )
    with gzip.open(out / "train.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in train)
    with open(out / "test.part", "w") as part:
        for row in sorted(test, key=lambda one: rank(one["question"])):
            part.write(json.dumps({key: row[key] for key in SHOWN if row.get(key)}) + "\n")
    os.replace(out / "test.part", out / "test.jsonl")  # it stands for both
    print(len(train), "problems to train on,", len(test), "to test on,", len(cores), "cores", file=sys.stderr)


if __name__ == "__main__":
    main()
