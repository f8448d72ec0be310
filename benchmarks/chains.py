"""Imports and filters a large corpus by several numbers of processes, and tells whether the bars are met.

python benchmarks/chains.py [--quick | --full] [--json]     2,000,000 chains (--quick: 200,000; --full: 10,000,000)

Imports 100 MB of jsonl (--quick: 20 MB, --full: 500 MB) by one and by two processes. Each figure is of a process of its
own, so that its memory is what its work takes. --full needs 12 GB of disk and a quarter of an hour.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from rows import print_row

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
    """The most memory (MB) that this process and any process of a pool took since the block began, watched."""

    def __init__(self, pool: WorkerPool) -> None:
        self.asking = self.most = 0.0
        self._pool, self._over = pool, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Memory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self.asking = peak("self")
        self.most = max(self.most, self.asking)

    def _watch(self) -> None:
        while not self._over.wait(0.2):
            ids = self._pool.process_ids if isinstance(self._pool, ProcessPool) else []
            self.most = max([self.most, *map(peak, ids)])


def peak(process: object) -> float:
    """Return the most memory that a process took (MB), nothing for one that is gone."""
    with suppress(OSError):
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
        return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)
    return 0.0


def cpu_seconds() -> float:
    """What this process and its children that ended have computed, which a busy machine lengthens less."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def timed(source: Path, out: Path, jobs: int) -> dict[str, Any]:
    """Filter a corpus, or import a file, in this process, and return the figures."""
    computed = cpu_seconds()
    with open_workers(jobs) as pool, Memory(pool) as memory:
        began = time.perf_counter()
        if source.is_dir():
            made = open_corpus(source).keep(*FILTERS).write(out, workers=pool)
            rows = open_corpus(source).card.chains
        else:
            made = import_corpus(source, out, workers=pool)
            rows = made.card.chains
        seconds = time.perf_counter() - began
    computed = cpu_seconds() - computed
    shutil.rmtree(out)
    return {
        "rows": rows,
        "kept": made.card.chains,
        "seconds": seconds,
        "cpu_s": computed,
        "rows_per_s": rows / seconds,
        "rows_per_cpu_s": rows / computed,
        "worker_mb": memory.most,
        "asking_mb": memory.asking,
        "hash": made.card.fingerprint,
    }


def alone(source: Path, out: Path, jobs: int) -> dict[str, Any]:
    """Do the same in a process of its own."""
    words = [sys.executable, __file__, "--one", str(source), str(out), str(jobs)]
    found: dict[str, Any] = json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE).stdout)
    return {"work": f"{'keep' if source.is_dir() else 'import'}, {jobs} jobs", **found}


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


def bring_in(folder: Path, size: int) -> Iterator[dict[str, Any]]:
    path = folder / "pool_train.jsonl"
    write_pool(path, size)
    for jobs in (1, 2):
        row = alone(path, folder / "imported", jobs)
        yield row | {"bytes": path.stat().st_size, "s_for_500_mb": row["seconds"] * 500_000_000 / path.stat().st_size}
    path.unlink()


def measure(rows: int, size: int) -> Iterator[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as name:
        folder, imported, found = Path(name), list[dict[str, Any]](), list[dict[str, Any]]()
        for row in bring_in(folder, size):
            imported.append(row)
            yield row
        subprocess.run([sys.executable, __file__, "--make", str(folder / "made"), str(rows)], check=True)
        for jobs in (1, 2, 7):
            found.append(alone(folder / "made", folder / "kept", jobs))
            yield found[-1]
        yield {"work": "bars", **bars(imported, found)}


def bars(imported: list[dict[str, Any]], kept: list[dict[str, Any]]) -> dict[str, str]:
    """Return each bar of the issue with what was found, and what follows for a hundred million."""
    rate, memory = kept[1]["rows_per_s"], max(row["worker_mb"] for row in [*imported, *kept])
    one, two = (row["s_for_500_mb"] for row in imported)
    how = "measured" if imported[0]["bytes"] >= 499_000_000 else f"from {imported[0]['bytes'] / 1e6:.0f} MB"
    same = len({row["hash"] for row in kept}) == 1 and len({row["hash"] for row in imported}) == 1
    return {
        "rows_per_s": f"{rate:,.0f} of {BARS['rows_per_s']:,} by 2 jobs: {_met(rate >= BARS['rows_per_s'])}",
        "import of 500 MB": f"{two:.0f} s by 2 jobs, {one:.0f} by 1 ({how}) of {BARS['import_s']}:"
        f" {_met(two <= BARS['import_s'])}",
        "worker_mb": f"{memory:.0f} of {BARS['worker_mb']}, any process: {_met(memory <= BARS['worker_mb'])}",
        "one hash by 1, 2, 7": _met(same),
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
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--make", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(timed(Path(options.one[0]), Path(options.one[1]), int(options.one[2]))))
        return
    if options.make:
        make(Path(options.make[0]), int(options.make[1]))
        return
    rows = 10_000_000 if options.full else 200_000 if options.quick else 2_000_000
    for row in measure(rows, 500_000_000 if options.full else 20_000_000 if options.quick else 100_000_000):
        row = {name: round(value, 1) if isinstance(value, float) else value for name, value in row.items()}
        print_row({"bench": "chains", **row}, as_json=options.json)


if __name__ == "__main__":
    main()
