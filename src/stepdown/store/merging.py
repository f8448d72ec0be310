"""Stores of several machines joined into one: all of it, or nothing."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from stepdown.errors import StoreError
from stepdown.files import folder_beside, replacing
from stepdown.store.labels import merge_labels
from stepdown.store.lost_calls import copy_lost_calls
from stepdown.store.merge_checks import (
    ShardPart,
    check_cuts,
    check_same_settings,
    check_version,
    distinct_stores,
    parts_of,
    refuse_living,
    refuse_open_batches,
)
from stepdown.store.merge_people import book_lost_calls, merge_people, merge_runs, merge_shards, settle_graders
from stepdown.store.merge_rows import RowMerge
from stepdown.store.run import Store
from stepdown.store.schema import BLOCK_BITS
from stepdown.store.shards import problems_here, shards_of
from stepdown.store.summaries import blocks_of, refresh

Progress = Callable[[int, int], None]
MOST_CONFLICTS = 20
_READ = ("problems", "calls", "traces", "grades")
# Indexes over hashes are written all over: with the 2 MB that SQLite takes by itself, each page is written many times.
_CACHE_KIB = 128 * 1024


class MergedStore(msgspec.Struct, frozen=True):
    """What one store brought: new rows by table, and how many of its calls were paid for elsewhere too."""

    store: str
    added: dict[str, int]
    paid_twice: int


class MergeConflict(msgspec.Struct, frozen=True):
    """What a store says otherwise than those before it; theirs stays. `problem` is empty where it is of the run."""

    store: str
    run: str
    problem: str
    what: str


class MergedRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run that was cut, as it is after the merge: its shards, those missing, and its problems of all there are."""

    run: str
    shards: int
    of: int
    missing: tuple[str, ...]
    problems: int
    total: int


class MergeResult(msgspec.Struct, frozen=True, kw_only=True):
    """What `merge` did, or would; the first `MOST_CONFLICTS` of its `conflicting` rows are named."""

    into: str
    stores: tuple[MergedStore, ...]
    rows: dict[str, int]
    runs: tuple[MergedRun, ...]
    conflicts: tuple[MergeConflict, ...]
    conflicting: int
    dry_run: bool


class _Dropped(Exception):
    """Ends the transaction of a merge that is only tried."""


def merge(
    sources: Sequence[Path],
    into: Path,
    *,
    separate: bool = False,
    dry: bool = False,
    progress: Progress | None = None,
) -> MergeResult:
    """Join stores into one that is there or is made now, in one transaction; `sources` are only read.

    What the store has already stays, and merging a store again changes nothing. `separate` joins what looks like
    shards of one run by two settings as two runs; `dry` does all of it and keeps nothing. `progress` gets the rows
    read and all there are. Raises `StoreError` for a store that cannot be read, is of another version or has calls
    under way or in batches, `UsageError` for shards that do not fit together; then nothing is written.
    """
    stores = distinct_stores(sources, into)
    total = _check(stores, into, separate=separate)
    with _opened(into, dry) as target:
        merging = _Merging(target, total, progress or (lambda done, rows: None))
        # Where a whole run is solved twice, most calls are told apart there.
        target.db.execute("pragma temp_store = file").close()
        target.db.execute(f"pragma cache_size = -{_CACHE_KIB}").close()
        found: list[MergeResult] = []
        with suppress(_Dropped), target.writing():
            refuse_living(target)
            joined = [merging.join(path) for path in stores]
            found.append(merging.result(into, tuple(joined), dry=dry))
            if dry:
                raise _Dropped
            merging.summarize()
    return found[0]


def _check(stores: Sequence[Path], into: Path, *, separate: bool) -> int:
    """Refuse what cannot be joined, before anything is written, and count the rows that are to be read."""
    parts: list[ShardPart] = []
    total = 0
    if into.exists():
        with Store(into, reading=True) as store:
            check_version(store)
            refuse_living(store)
            parts += parts_of(store)
    elif left := next((log for end in ("-wal", "-journal") if (log := Path(f"{into}{end}")).exists()), None):
        raise StoreError(f"`{left}` was left by a store that is gone", "move it away, or give another place to --into")
    for path in stores:
        with Store(path, reading=True) as store:
            check_version(store)
            refuse_living(store)
            refuse_open_batches(store)
            parts += parts_of(store)
            # Traces are read once more for what summaries count.
            total += sum(store.value(f"select count(*) from {table}") for table in (*_READ, "traces"))
    check_cuts(parts)
    if not separate:
        check_same_settings(parts)
    return total


@contextmanager
def _opened(into: Path, dry: bool) -> Iterator[Store]:
    """Open the store to join into; a new one is made beside its place and put there when it is whole."""
    if into.exists():
        with Store(into) as store:
            yield store
    elif dry:
        with folder_beside(into) as folder, Store(folder / "tried.sqlite", journal="delete") as store:
            yield store
    else:
        with replacing(into, False) as part:
            with Store(part, journal="delete") as store:
                # Nobody sees the file before it is whole and on the disk.
                store.db.execute("pragma synchronous = off").close()
                yield store
            if into.exists():
                raise StoreError(f"another process has made `{into}` meanwhile", "the same command joins into that one")


class _Merging:
    """One merge: what it found so far, and how far it is."""

    def __init__(self, target: Store, total: int, progress: Progress) -> None:
        self.target, self._total, self._progress = target, total, progress
        self._done = self._conflicting = 0
        self._conflicts: list[MergeConflict] = []

    def join(self, path: Path) -> MergedStore:
        """Put one store into the target."""

        def conflict(run: str, problem: str, what: str) -> None:
            self._conflicting += 1
            if len(self._conflicts) < MOST_CONFLICTS:
                self._conflicts.append(MergeConflict(str(path), run, problem, what))

        with Store(path, reading=True) as source:
            source.db.execute("begin")  # all of it as it is at one moment
            check_version(source)
            refuse_living(source)
            refuse_open_batches(source)
            rows = RowMerge(source, self.target, conflict, self._advance)
            graders = merge_runs(rows)
            rows.problems()
            rows.calls()
            rows.server_faults()
            rows.traces()
            rows.grades()
            merge_people(rows)
            merge_shards(rows)
            book_lost_calls(rows)
            rows.added["lost_calls"] += copy_lost_calls(source, self.target, rows.names)
            rows.added["labels"] += merge_labels(source, self.target, rows.names, conflict)
            settle_graders(rows, graders)
            source.db.execute("rollback")
        return MergedStore(str(path), {table: rows.added[table] for table in sorted(rows.added)}, rows.twice)

    def summarize(self) -> None:
        """Make the summaries that reports of the runs read."""
        for run in self.target.runs():
            for block in blocks_of(self.target, run.id):
                self._advance((refresh(self.target, run.id, only=(block,)) > 0) << BLOCK_BITS)

    def _advance(self, rows: int) -> None:
        self._done = min(self._total, self._done + rows)
        self._progress(self._done, self._total)

    def result(self, into: Path, stores: tuple[MergedStore, ...], *, dry: bool) -> MergeResult:
        """Return what was found, and what the target holds now."""
        return MergeResult(
            into=str(into),
            stores=stores,
            rows={table: self.target.value(f"select count(*) from {table}") for table in ("runs", *_READ)},
            runs=tuple(self._cut_runs()),
            conflicts=tuple(self._conflicts),
            conflicting=self._conflicting,
            dry_run=dry,
        )

    def _cut_runs(self) -> Iterator[MergedRun]:
        for run in self.target.runs():
            if found := shards_of(run):
                yield MergedRun(
                    run=run.id,
                    shards=len(found.numbers),
                    of=found.of,
                    missing=found.missing,
                    problems=problems_here(self.target, run.id),
                    total=found.total,
                )
