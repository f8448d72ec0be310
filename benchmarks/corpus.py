"""Filters and copies a synthetic corpus of short chains, and tells rows per second and the peak of memory.

python benchmarks/corpus.py [--rows N] [--filters right ...] [--json]
"""

import argparse
import json
import random
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from stepdown.corpus import Card, CorpusWriter, open_corpus
from stepdown.exchange import export_corpus
from stepdown.types import Chain, Grade, Problem

CHAINS = 30
NOUNS = ("eggs", "marbles", "tickets", "apples", "stamps", "miles", "coins", "books")
OPENINGS = ("First we see that", "We know that", "It is given that", "Note that", "The question says that")
STEPS = ("each box holds {a} {n}", "{b} boxes arrive on Monday", "half of them are given away", "nothing else is sold")


def chains(rows: int, seed: int = 0) -> Iterator[Chain]:
    """Make chains of about 200 characters, 30 for each problem, two in three right and some repeated."""
    dice = random.Random(seed)
    for at in range(rows):
        if at % CHAINS == 0:
            a, b, noun = dice.randint(2, 99), dice.randint(2, 99), dice.choice(NOUNS)
            question = f"A box holds {a} {noun} and {b} boxes arrive. How many {noun} arrive?"
            problem = Problem(f"made/train/{at // CHAINS}", question, str(a * b))
        said = problem.answer if dice.random() < 2 / 3 else str(dice.randint(2, 9999))
        steps = [f"{dice.choice(OPENINGS)} {one.format(a=a, b=b, n=noun)}" for one in dice.sample(STEPS, 3)]
        text = ". ".join(steps) + f". So {a} times {b} is {said} {noun} in all.\nAnswer: {said}"
        grade = Grade("right" if said == problem.answer else "wrong", said, "made so", "made@1")
        yield Chain(problem, text, "made/teacher", at % CHAINS, grade, -dice.random(), len(text) // 4)


def measure(rows: int, filters: list[str]) -> Iterator[dict[str, object]]:
    """Write a corpus, filter it into another, and stream it; each a row of figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = time.perf_counter()
        with CorpusWriter(folder / "all", card=Card(dataset="made/train", origin="benchmarks/corpus.py")) as writer:
            for chain in chains(rows):
                writer.add(chain)
        yield figures("make", rows, began, rows)
        corpus = open_corpus(folder / "all")
        began = time.perf_counter()
        count = sum(1 for _ in corpus)
        yield figures("read", rows, began, count)
        began = time.perf_counter()
        kept = corpus.keep(*filters).write(folder / "kept")
        yield figures("keep " + " ".join(filters), rows, began, kept.card.chains)
        began = time.perf_counter()
        count = export_corpus(kept, "messages", folder / "kept.jsonl")
        yield figures("export messages", count, began, count)


def figures(work: str, rows: int, began: float, kept: int) -> dict[str, object]:
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"work": work, "rows": rows, "kept": kept, "rows_per_s": round(rows / seconds), "peak_mb": round(peak)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--filters", nargs="*", default=["right"])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    for row in measure(options.rows, options.filters):
        if options.json:
            print(json.dumps({"bench": "corpus", **row}))
        else:
            print(f"{row['work']:<40} {row['rows']:>9,} rows {row['rows_per_s']:>8,} rows/s {row['peak_mb']:>5} MB")


if __name__ == "__main__":
    main()
