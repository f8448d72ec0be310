"""A corpus split by problem: buckets that any number of workers fill, each alone, and that make one corpus."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path

import msgspec

from stepdown.corpus.card import Bucket, Card
from stepdown.corpus.folder import AGAIN, complete, parts_of
from stepdown.corpus.parquet_rows import problems_of
from stepdown.corpus.part_writer import PartCounts, PartWriter
from stepdown.corpus.problem_tables import tables_of
from stepdown.corpus.selection import ChainTable, table_of
from stepdown.corpus.shard_places import ShardCut, read_places
from stepdown.corpus.steps import StepCounter, StepCounts
from stepdown.errors import UsageError
from stepdown.extras import load_numpy, load_polars
from stepdown.files import write_whole
from stepdown.full_disks import explained_full_disk
from stepdown.questions import FILE, Keys
from stepdown.shards import problem_hash
from stepdown.types import Chain, Problem

MOST = 4_096
# Rows of a table that is made of chains.
_TABLE = 5_000
# Rows that wait before they are sorted into their buckets' files.
_WAITING = 200_000


class FilledBucket(msgspec.Struct, frozen=True):
    """A bucket that lies in a folder of work: its parts' counts, and what each filter let through.

    Of a shard, `problems` are those of the bucket before a filter, and `places` where those written stand in the whole.
    """

    number: int
    counts: PartCounts
    steps: tuple[StepCounts, ...] = ()
    problems: int = 0
    places: tuple[int, ...] = ()


def bucket_of(problem: Problem, count: int) -> int:
    """Return the number of a problem's bucket, from 0: by what it asks, as shards are, so that equal ones meet."""
    return problem_hash(problem) % count


def check_count(count: int) -> None:
    """Raise `UsageError` for a number of buckets that no corpus has."""
    if not 1 <= count <= MOST:
        raise UsageError(f"`{count}` buckets: a corpus has from 1 to {MOST:,}", "64 will do", option="--buckets")


def parts_by_bucket(folder: Path, card: Card) -> list[list[Path]]:
    """Return the parts of each bucket of a split corpus; raise `UsageError` where they are not what its card says."""
    parts = parts_of(folder, card)
    if sum(one.parts for one in card.buckets) != len(parts):
        raise UsageError(f"`{folder}` has {len(parts):,} parts, but its card speaks of others", AGAIN)
    rest = iter(parts)
    return [[next(rest) for _ in range(one.parts)] for one in card.buckets]


def fill(
    work: Path,
    number: int,
    tables: Iterator[ChainTable],
    counters: Sequence[StepCounter] = (),
    cut: ShardCut | None = None,
) -> FilledBucket:
    """Write what filters keep of some tables, or of a shard of them, as a bucket into a folder of work, whole or not
    at all.
    """
    writer = PartWriter(work, name=_name(number))
    keep_into(writer.add_table, tables, counters, cut)
    writer.close()
    keys = load_numpy().array(sorted(writer.questions), dtype=">u8")
    keys.tofile(work / f"{_name(number)}.keys")
    done = FilledBucket(number, writer.counts, tuple(counter.counts for counter in counters))
    if cut is not None:
        done = msgspec.structs.replace(done, problems=cut.problems, places=tuple(cut.places(0).places))
    write_whole(work / f"{_name(number)}.json", msgspec.json.encode(done))
    return done


def filled(work: Path, number: int) -> FilledBucket | None:
    """Return a bucket that was filled in this folder before, None where it was not."""
    try:
        found = msgspec.json.decode((work / f"{_name(number)}.json").read_bytes(), type=FilledBucket)
    except FileNotFoundError:
        return None
    # Whoever was killed while it made a corpus of all buckets had renamed some parts.
    there = all((work / f"{_name(number)}-{part:05}.parquet").is_file() for part in range(found.counts.parts))
    return found if there and (work / f"{_name(number)}.keys").is_file() else None


def keep_into(
    take: Callable[[ChainTable], None],
    tables: Iterator[ChainTable],
    counters: Sequence[StepCounter] = (),
    cut: ShardCut | None = None,
) -> None:
    """Give on what filters keep of tables, or of a shard of them; chains become objects only where a filter has no rule
    for columns.
    """
    if cut is not None:
        tables = cut.choose(tables)
    if all(counter.step.filter.columns for counter in counters):
        kept = sifted_tables(tables, counters)
    else:
        kept = tables_of_groups(sifted_groups((group for table in tables for group in table.groups()), counters))
    for table in kept:
        if cut is not None:
            cut.note(table)
        take(table)


def tables_of_groups(groups: Iterator[list[Chain]]) -> Iterator[ChainTable]:
    """Stream chains of one problem at a time as tables of many."""
    waiting: list[Chain] = []
    for group in groups:
        waiting += group
        if len(waiting) >= _TABLE:
            yield table_of(waiting)
            waiting = []
    yield table_of(waiting)


def sifted_tables(tables: Iterator[ChainTable], counters: Sequence[StepCounter]) -> Iterator[ChainTable]:
    """Stream what filters that have rules for columns keep."""
    for table in tables:
        for counter in counters:
            table = counter.take_table(table)
        yield table


def sifted_groups(groups: Iterator[list[Chain]], counters: Sequence[StepCounter]) -> Iterator[list[Chain]]:
    """Stream what filters keep of each problem's chains, where that is something."""
    for counter in counters:
        groups = counter.sift(groups)
    return groups


class Splitter:
    """Sorts tables into files of buckets: `add` and `close`, then `fill` of each bucket's `files`, in their order."""

    def __init__(self, work: Path, count: int, *, name: str = "") -> None:
        self._work, self._count, self._name = work, count, name
        self._waiting: list[ChainTable] = []
        self._rows = self._written = 0

    def add(self, table: ChainTable) -> None:
        """Take a table."""
        self._waiting.append(table)
        self._rows += len(table)
        if self._rows >= _WAITING:
            self.close()

    def close(self) -> None:
        """Write what waits."""
        polars = load_polars()
        frames = [one.frame.with_columns(_buckets(one, self._count)) for one in self._waiting if len(one)]
        if frames:
            parted = polars.concat(frames).partition_by("bucket", as_dict=True, include_key=False)
            for (number,), frame in sorted(parted.items()):
                path = self._work / f"split-{number:04}-{self._name}{self._written:06}.parquet"
                with explained_full_disk(path):
                    frame.write_parquet(path, compression="lz4")
            self._written += 1
        self._waiting, self._rows = [], 0


def split_files(work: Path, number: int) -> list[Path]:
    """Return the files that splitters wrote for a bucket, in order."""
    return sorted(work.glob(f"split-{number:04}-*.parquet"))


def fill_from_files(task: tuple[Path, int]) -> FilledBucket:
    """Write a bucket from its splitters' files, which go."""
    work, number = task
    files = split_files(work, number)
    done = filled(work, number) or fill(work, number, tables_of(files))
    for file in files:
        file.unlink()
    return done


def assemble(work: Path, card: Card, buckets: Sequence[FilledBucket], behind: Keys) -> Card:
    """Make a corpus of the filled buckets in a folder of work, which is then one; return its card."""
    counts = _sum(buckets)
    if not counts.chains and read_places(work) is None:
        raise UsageError("nothing was written: there is no chain", "a corpus has at least one")
    number = 0
    for one in buckets:
        for part in range(one.counts.parts):
            (work / f"{_name(one.number)}-{part:05}.parquet").rename(work / f"part-{number:05}.parquet")
            number += 1
    questions = _write_questions(work, [work / f"{_name(one.number)}.keys" for one in buckets])
    for one in buckets:
        (work / f"{_name(one.number)}.keys").unlink()
        (work / f"{_name(one.number)}.json").unlink()
    made = tuple(
        Bucket(one.counts.parts, one.counts.problems, one.counts.chains, one.counts.fingerprint) for one in buckets
    )
    return complete(work, msgspec.structs.replace(card, buckets=made), counts, questions, behind)


def _sum(buckets: Sequence[FilledBucket]) -> PartCounts:
    all_ = [one.counts for one in buckets]
    teachers: Counter[str] = sum((Counter(one.teachers) for one in all_), Counter())
    return PartCounts(
        parts=sum(one.parts for one in all_),
        problems=sum(one.problems for one in all_),
        chains=sum(one.chains for one in all_),
        right=sum(one.right for one in all_),
        graded=sum(one.graded for one in all_),
        teachers=dict(sorted(teachers.items())),
        graders=frozenset().union(*(one.graders for one in all_)),
        fingerprint=blake2b("".join(one.fingerprint for one in all_).encode(), digest_size=16).hexdigest(),
    )


def _write_questions(folder: Path, files: Sequence[Path]) -> int:
    numpy = load_numpy()
    keys = numpy.unique(numpy.concatenate([numpy.fromfile(file, dtype=">u8") for file in files]))
    keys.tofile(folder / FILE)
    return len(keys)


def _buckets(table: ChainTable, count: int) -> object:
    polars = load_polars()
    numbers = [bucket_of(one, count) for one in problems_of(table.firsts)]
    return polars.Series("bucket", numbers, dtype=polars.Int32).gather(table.numbers)


def _name(number: int) -> str:
    return f"bucket-{number:04}"
