"""Imports and filters a large corpus by several numbers of processes, and tells whether the bars are met.

python benchmarks/chains.py [--quick | --full] [--json]     2,000,000 chains (--quick: 200,000; --full: 10,000,000)
"""

import argparse
import json
import os
import random
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from stepdown.corpus import Card, ChainTable, Corpus, open_corpus, table_of, write_split
from stepdown.exchange import import_corpus
from stepdown.types import Chain, Grade, Problem
from stepdown.workers import ProcessPool, WorkerPool, open_workers

CHAINS, BUCKETS, FILTERS = 30, 64, ("distinct", "right", "per-problem=5")
BARS = {"rows_per_s": 100_000, "worker_mb": 500, "import_s": 20}
TARGET = 100_000_000
# Words by how often they come, and how many a chain has: as in the pools that papers released (mean 200 characters).
WORDS = [
    f"{first}{last}" for first in "bcdfghklmnprstvw" for last in ("a", "ane", "ers", "ight", "o", "ting", "ul", "y")
]
WEIGHTS = [1 / (rank + 2) for rank in range(len(WORDS))]


def problems(count: int, seed: int = 0) -> Iterator[list[Chain]]:
    """Make problems with 30 chains of 15 to 60 words, two in three right, one in ten close to one before it."""
    dice = random.Random(seed)
    stock = dice.choices(WORDS, WEIGHTS, k=1_000_000)
    for number in range(count):
        a, b = dice.randint(2, 99), dice.randint(2, 99)
        problem = Problem(f"made/train/{number}", f"What are {a} boxes of {b} coins in lot {number}?", str(a * b))
        yield list(chains(problem, stock, dice))


def chains(problem: Problem, stock: list[str], dice: random.Random) -> Iterator[Chain]:
    before: list[str] = []
    for at in range(CHAINS):
        start, length = int(dice.random() * 999_900), 15 + int(dice.random() * 45)
        label = problem.answer if dice.random() < 2 / 3 else str(int(dice.random() * 9_999))
        if not (before and dice.random() < 0.1):
            before = stock[start : start + length]
        text = f"{' '.join(before)}. So {number_of(problem)} in all, {label}.\nAnswer: {label}"
        grade = Grade("right" if label == problem.answer else "wrong", label, "made so", "made@1")
        yield Chain(problem, text, "made/teacher", at, grade, -dice.random(), len(text) // 4)


def number_of(problem: Problem) -> str:
    return problem.question.split()[2]


def make(folder: Path, rows: int) -> Corpus:
    """Write a split corpus; the chains of 20,000 problems come again under other ids and questions."""
    groups = list(problems(min(rows // CHAINS, 20_000)))

    def feed(take: Any) -> Card:
        for start in range(0, rows // CHAINS, len(groups)):
            for first in range(0, min(len(groups), rows // CHAINS - start), 500):
                chunk = table_of([chain for group in groups[first : first + 500] for chain in group])
                take(renamed(chunk, start) if start else chunk)
        return Card(dataset="made/train", origin="benchmarks/chains.py")

    with open_workers(2) as pool:
        write_split(folder, feed, buckets=BUCKETS, key="bench", pool=pool)
    return open_corpus(folder)


def renamed(table: ChainTable, start: int) -> ChainTable:
    import polars

    column = polars.col
    mark = polars.lit(f" ({start})")
    return ChainTable(table.frame.with_columns(column("problem") + mark, column("question") + mark))


class Memory:
    """The most memory that any process of a pool takes, watched while it works (MB)."""

    def __init__(self, pool: WorkerPool) -> None:
        self.most, self._pool, self._over = 0.0, pool, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Memory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.2):
            ids = self._pool.process_ids if isinstance(self._pool, ProcessPool) else ["self"]
            for one in ids:
                try:
                    lines = Path(f"/proc/{one}/status").read_text().splitlines()
                except OSError:
                    continue
                peak = next((line.split()[1] for line in lines if line.startswith("VmHWM")), "0")
                self.most = max(self.most, int(peak) / 1024)


def cpu_seconds() -> float:
    """What this process and its children that ended have computed, which a busy machine lengthens less."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def keep(corpus: Corpus, out: Path, jobs: int) -> dict[str, Any]:
    computed = cpu_seconds()
    with open_workers(jobs) as pool, Memory(pool) as memory:
        began = time.perf_counter()
        kept = corpus.keep(*FILTERS).write(out, workers=pool)
        seconds = time.perf_counter() - began
    computed = cpu_seconds() - computed
    row = {"work": f"keep, {jobs} jobs", "rows": corpus.card.chains, "kept": kept.card.chains, "seconds": seconds}
    row |= {
        "rows_per_cpu_s": corpus.card.chains / computed,
        "rows_per_s": corpus.card.chains / seconds,
        "worker_mb": memory.most,
        "hash": kept.card.fingerprint,
    }
    shutil.rmtree(out)
    return row


def write_pool(path: Path, size: int) -> None:
    """Write a pool as jsonl of so many bytes."""
    groups, encode = list(islice(problems(2_000), 2_000)), json.dumps
    with path.open("w") as file:
        number = 0
        while file.tell() < size:
            group = groups[number % len(groups)]
            texts = [
                {"text": one.text, "correct": one.grade.verdict == "right", "pred": one.grade.found} for one in group
            ]
            question, answer = f"{group[0].problem.question} ({number})", group[0].problem.answer
            file.write(encode({"question": question, "answer": answer, "chains": texts}) + "\n")
            number += 1


def bring_in(folder: Path, size: int) -> dict[str, Any]:
    path = folder / "pool_train.jsonl"
    write_pool(path, size)
    computed = cpu_seconds()
    with open_workers(2) as pool:
        began = time.perf_counter()
        corpus = import_corpus(path, folder / "imported", workers=pool)
        seconds = time.perf_counter() - began
    computed = cpu_seconds() - computed
    at_500 = seconds * 500_000_000 / path.stat().st_size
    rows = corpus.card.chains
    row = {"work": "import, 2 jobs", "bytes": path.stat().st_size, "rows": rows, "seconds": seconds, "cpu_s": computed}
    row["s for 500 MB"] = at_500
    shutil.rmtree(folder / "imported")
    path.unlink()
    return row


def measure(rows: int, size: int) -> Iterator[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        imported = bring_in(folder, size)
        yield imported
        corpus, found = make(folder / "made", rows), list[dict[str, Any]]()
        for jobs in (1, 2, 7):
            found.append(keep(corpus, folder / "kept", jobs))
            yield found[-1]
        rate = found[1]["rows_per_s"]
        yield {
            "work": "bars",
            "rows_per_s": f"{rate:,.0f} of {BARS['rows_per_s']:,}: {_met(rate >= BARS['rows_per_s'])}",
            "import of 500 MB": f"{imported['s for 500 MB']:.0f} s of {BARS['import_s']}:"
            f" {_met(imported['s for 500 MB'] <= BARS['import_s'])}",
            "worker_mb": f"{found[1]['worker_mb']:.0f} of {BARS['worker_mb']}: {_met(found[1]['worker_mb'] <= 500)}",
            "one hash by 1, 2, 7": _met(len({row["hash"] for row in found}) == 1),
            "100 M chains": f"{TARGET / rate / 60:.0f} min on two cores, {TARGET / rate * 2 / 64 / 60:.1f} min on 64",
            "if": "the rate per core holds (no step looks beyond its bucket), the disk reads 200 MB/s and more,"
            " chains have 200 characters and problems 30 chains",
        }


def _met(met: bool) -> str:
    return "met" if met else "NOT met"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = 10_000_000 if options.full else 200_000 if options.quick else 2_000_000
    for row in measure(rows, 500_000_000 if options.full else 20_000_000 if options.quick else 100_000_000):
        row = {name: round(value, 1) if isinstance(value, float) else value for name, value in row.items()}
        if options.json:
            print(json.dumps({"bench": "chains", **row}), flush=True)
        else:
            print("  ".join(f"{name}={value}" for name, value in row.items()), flush=True)


if __name__ == "__main__":
    main()
