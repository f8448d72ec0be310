"""Split a pool of chains by question: some problems to train on, the others to test on.

python recipes/split_pool.py POOL.jsonl.gz OUT COUNT

Questions that share a run of eight words (numbers aside) stay on one side; both sides are in the order of a hash.
Writes OUT/train.jsonl.gz, of at least COUNT problems with their chains, and OUT/test.jsonl without chains.
"""

import gzip
import json
import os
import re
import sys
from hashlib import blake2b
from pathlib import Path
from typing import Any

RUN = 8
SHOWN = ("id", "question", "choices", "answer")


def rank(text: str) -> bytes:
    """Return a place in an order that has nothing to do with the text."""
    return blake2b(text.encode(), digest_size=8).digest()


def cores_of(rows: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Return the rows in groups that share no run of words, in the order of their first question's rank."""
    parent, seen = list(range(len(rows))), dict[tuple[str, ...], int]()

    def root(at: int) -> int:
        while parent[at] != at:
            at = parent[at]
        return at

    for number, row in enumerate(rows):
        words = ["#" if one.isdigit() else one for one in re.findall(r"[a-z]+|\d+", row["question"].lower())]
        for at in range(max(1, len(words) - RUN + 1)):
            first = seen.setdefault(tuple(words[at : at + RUN]), number)
            parent[root(number)] = root(first)
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
    with gzip.open(out / "train.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in train)
    with open(out / "test.part", "w") as part:
        for row in sorted(test, key=lambda one: rank(one["question"])):
            part.write(json.dumps({key: row[key] for key in SHOWN if row.get(key)}) + "\n")
    os.replace(out / "test.part", out / "test.jsonl")  # it stands for both
    print(len(train), "problems to train on,", len(test), "to test on,", len(cores), "cores", file=sys.stderr)


if __name__ == "__main__":
    main()
