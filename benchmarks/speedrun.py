"""A distillation speedrun: minutes and tokens from a base to a share of word sums of two operations, by one command.

python benchmarks/speedrun.py RECORD [--json]      `docs/speedrun.md` has the rules and what came out
python benchmarks/speedrun.py gold --base tiny --steps 2 --tested 4 --problems 4   for CI, on random weights
"""

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
from rows import Row, print_row
from small_trainings import write_base

import stepdown as sd
from stepdown.corpus import Corpus
from stepdown.stats import wilson
from stepdown.training import Training, write_gold

DATASET, TEACHER = "wordsums-2", "embedded/qwen2.5-coder-1.5b"
BASE = "qwen2.5-coder-0.5b"
SAMPLED, TEST = sd.Sampling(temperature=0.7, max_tokens=192), sd.Sampling(max_tokens=192)
TESTED = 200


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """How a student is made: `chains` a problem by the teacher, or the data set's own where it is 0."""

    training: Training
    problems: int = 136
    chains: int = 0


def trained(steps: int) -> Training:
    """60 steps see as many chains as the first record's 30 of 8, at two and a half times its rate."""
    return Training(steps=steps, batch=4, learning_rate=5e-4, evaluations=0, dev=0, checkpoints=1)


RECORDS = {
    "sampled": Record(training=trained(50), chains=1),
    "gold": Record(training=trained(60)),
    "gold-short": Record(training=trained(40)),
}


def chains_of(record: Record, out: Path, store: sd.Store) -> tuple[Corpus, int]:
    """Return the chains to learn and the tokens that its teacher read and wrote."""
    train = sd.load_problems(DATASET, split="train", limit=record.problems)
    if not record.chains:
        return write_gold(train, out / "chains"), 0
    # Demonstrations would be read anew for each of few chains: they take longer than what they teach is worth.
    corpus = sd.sample(
        train, teacher=TEACHER, chains=record.chains, sampling=SAMPLED, zero_shot=True, out=out / "chains", store=store
    )
    spent = sum(usage.input + usage.output for _, usage in store.paid([one.id for one in store.runs()]))
    return corpus.keep("right", "distinct").write(out / "kept"), spent


def cpu_seconds() -> float:
    """Return the seconds of CPU of this process and of what it has started and ended: what a busy machine leaves be."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def row_of(name: str, record: Record, base: str, tested: int, out: Path) -> Row:
    """Make the student and test it; the clock stops before the test."""
    store, began, cpu = sd.open_store(out / "speedrun.sqlite"), time.perf_counter(), cpu_seconds()
    corpus, spent = chains_of(record, out, store)
    sampled = time.perf_counter()
    [student] = sd.train(corpus, base=base, out=out / "student", training=record.training)
    ended, spent_cpu = time.perf_counter(), cpu_seconds() - cpu
    log = [msgspec.json.decode(line) for line in (student / "log.jsonl").read_bytes().splitlines()]
    test = sd.load_problems(DATASET, split="test", limit=tested)
    run = sd.run(test, "chain-of-thought", student=str(student), sampling=TEST, prompts="student", store=store)
    summary: Any = run.summary()
    low, high = wilson(summary.right, summary.graded)
    return {
        "record": name,
        "minutes": round((ended - began) / 60, 2),
        "cpu_minutes": round(spent_cpu / 60, 2),
        "minutes_chains": round((sampled - began) / 60, 2),
        "minutes_training": round((ended - sampled) / 60, 2),
        "teacher_tokens": spent,
        "trained_tokens": max((int(one["tokens"]) for one in log if "tokens" in one), default=0),
        "right": summary.right,
        "tested": summary.graded,
        "percent": round(100 * summary.right / max(1, summary.graded), 1),
        "low": round(100 * low, 1),
        "high": round(100 * high, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", choices=RECORDS)
    parser.add_argument("--base", default=BASE, help="another base; `tiny` are random weights")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--problems", type=int, help="how many to learn from")
    parser.add_argument("--tested", type=int, default=TESTED)
    parser.add_argument("--out", type=Path, help="a folder to go on in; without it a new one that is left behind")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    out = chosen.out or Path(tempfile.mkdtemp(prefix="speedrun-"))
    out.mkdir(parents=True, exist_ok=True)
    record = RECORDS[chosen.record]
    if chosen.problems:
        record = msgspec.structs.replace(record, problems=chosen.problems)
    if chosen.steps:
        record = msgspec.structs.replace(record, training=msgspec.structs.replace(record.training, steps=chosen.steps))
    base = str(write_base(out / "base", "tiny")) if chosen.base == "tiny" else chosen.base
    print_row(row_of(chosen.record, record, base, chosen.tested, out), as_json=chosen.json)
    print(f"left in {out}", file=sys.stderr)


if __name__ == "__main__":
    main()
