"""A view written as a corpus split by problem, bucket by bucket, by any number of workers: the same bytes by all."""

from array import array
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import accumulate
from math import gcd
from pathlib import Path
from typing import Any

import msgspec

from stepdown.corpus.buckets import (
    FilledBucket,
    Splitter,
    assemble,
    check_count,
    fill,
    fill_from_files,
    filled,
    parts_by_bucket,
    sifted_groups,
)
from stepdown.corpus.card import Bucket, Card
from stepdown.corpus.folder import AGAIN, check_out
from stepdown.corpus.problem_tables import tables_of
from stepdown.corpus.selection import ChainTable
from stepdown.corpus.shard_places import ShardCut, ShardPlaces
from stepdown.corpus.steps import FilterStep, StepCounter
from stepdown.errors import UsageError
from stepdown.files import resumable_folder, write_whole
from stepdown.questions import NONE, Keys
from stepdown.shards import Shard
from stepdown.workers import SerialPool, WorkerPool

Progress = Callable[[int, int], None]
# Takes what takes a table, and returns the card of all.
Feed = Callable[[Callable[[ChainTable], None]], Card]
_SPLIT = "split.json"


class BucketTask(msgspec.Struct, frozen=True):
    """One of the `buckets` of a corpus for a worker: its parts, what its card says of it, and the filters over it.

    Of a `shard` only its problems are kept.
    """

    number: int
    buckets: int
    parts: list[Path]
    bucket: Bucket
    steps: tuple[Any, ...]
    shard: Shard | None = None

    def tables(self) -> Iterator[ChainTable]:
        """Stream the bucket's problems; raise `UsageError` where there are others than its card says."""
        problems = chains = 0
        for table in tables_of(self.parts):
            problems, chains = problems + table.problems, chains + len(table)
            yield table
        if (problems, chains) != (self.bucket.problems, self.bucket.chains):
            what = f"bucket {self.number} holds {chains:,} chains for {problems:,} problems, but its card says others"
            raise UsageError(what, AGAIN)


def tasks_of(folder: Path, card: Card, steps: Sequence[FilterStep], shard: Shard | None = None) -> list[BucketTask]:
    """Return the buckets of a split corpus, each with the filters over it."""
    parts = parts_by_bucket(folder, card)
    return [
        BucketTask(number, len(parts), mine, card.buckets[number], tuple(steps), shard)
        for number, mine in enumerate(parts)
    ]


def prepare_steps(folder: Path, card: Card, steps: Sequence[FilterStep], pool: WorkerPool) -> list[FilterStep]:
    """Return filters that have counted what they need of each bucket, each on what those before it keep."""
    ready: list[FilterStep] = []
    for step in steps:
        survey = step.filter.survey
        if survey is not None:
            tasks = tasks_of(folder, card, [*ready, step]) if survey.count else []
            step = step.ready(list(pool.map(count_bucket, tasks, name=_named)))
        ready.append(step)
    return ready


def count_bucket(task: BucketTask) -> Any:
    """Return what the last filter of a task counts in its bucket, of what those before it keep."""
    *before, step = task.steps
    groups = (group for table in task.tables() for group in table.groups())
    return step.filter.survey.count(sifted_groups(groups, [StepCounter(one.fresh()) for one in before]))


def keep_buckets(
    work: Path, tasks: Sequence[BucketTask], pool: WorkerPool, progress: Progress | None
) -> list[FilledBucket]:
    """Fill each bucket with what the filters keep of it; those that were filled before stay."""
    for left in work.glob("part-*.parquet"):
        left.unlink()
    total, done, made = sum(task.bucket.chains for task in tasks), 0, list[FilledBucket]()
    before = {task.number: one for task in tasks if (one := filled(work, task.number))}
    rest = pool.map(partial(_keep_bucket, work), (task for task in tasks if task.number not in before), name=_named)
    for task in tasks:
        made.append(before.get(task.number) or next(rest))
        done += task.bucket.chains
        if progress:
            progress(done, total)
    return made


def _keep_bucket(work: Path, task: BucketTask) -> FilledBucket:
    counters = [StepCounter(step.fresh()) for step in task.steps]
    if task.shard is None:
        return fill(work, task.number, task.tables(), counters)
    # A problem's hash gives its bucket and its shard: where the two share a factor, most buckets have none of a shard.
    factor = gcd(task.shard.of, task.buckets)
    tables = task.tables() if (task.number - task.shard.number + 1) % factor == 0 else iter(())
    return fill(work, task.number, tables, counters, ShardCut(task.shard))


def places_of(shard: Shard, card: Card, made: Sequence[FilledBucket]) -> ShardPlaces:
    """Return where the problems of a shard's buckets stand in the split corpus of a card."""
    starts = accumulate((one.problems for one in card.buckets), initial=0)
    places = array("Q", (start + at for start, one in zip(starts, made, strict=False) for at in one.places))
    return ShardPlaces(shard, card.problems, sum(one.problems for one in made), len(card.selection), places)


def _named(task: BucketTask) -> str:
    return f"bucket {task.number}"


def write_split(
    out: Path,
    feed: Feed,
    *,
    buckets: int,
    key: str,
    force: bool = False,
    pool: WorkerPool | None = None,
    behind: Keys = NONE,
    beside: Callable[[Path], object] | None = None,
) -> None:
    """Write a new corpus that is split by problem, of tables in any order of problems.

    `feed` is called with what takes each table, and returns the card; `beside`, after it, with the folder, for what is
    to lie beside the parts. `key` stands for what is written: a process that was killed is gone on with by the next of
    the same. Raises `UsageError`.
    """
    check_count(buckets)
    target = out.expanduser().resolve()
    check_out(target, force=force)
    with resumable_folder(target, f"{key}-{buckets}") as work:
        card = _sorted(work, feed, buckets, beside)
        tasks = [(work, number) for number in range(buckets)]
        made = list((pool or SerialPool()).map(fill_from_files, tasks, name=lambda task: f"bucket {task[1]}"))
        (work / _SPLIT).unlink()
        assemble(work, card, made, behind)


def _sorted(work: Path, feed: Feed, buckets: int, beside: Callable[[Path], object] | None) -> Card:
    """Sort what is fed into files of buckets and return its card; where that was done before, nothing is read."""
    try:
        return msgspec.json.decode((work / _SPLIT).read_bytes(), type=Card)
    except FileNotFoundError:
        for file in work.glob("*.parquet"):
            file.unlink()
    splitter = Splitter(work, buckets)
    card = feed(splitter.add)
    splitter.close()
    if beside is not None:
        beside(work)
    write_whole(work / _SPLIT, msgspec.json.encode(card))
    return card
