"""What is looked at before stores are joined: their versions, who still writes to them, and whether shards fit."""

import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from pathlib import Path

import msgspec

from stepdown.errors import StoreError, UsageError
from stepdown.settings import in_words
from stepdown.store.connection import WAIT
from stepdown.store.owners import lives, process_of
from stepdown.store.run import Run, Store
from stepdown.store.schema import SCHEMA_VERSION
from stepdown.text import counted
from stepdown.types import Sampling, Settings

_MOST_NAMED = 3


class ShardPart(msgspec.Struct, frozen=True):
    """One shard of a run, or of its grading by `work`, that a store has."""

    store: Path
    run: str
    settings: Settings
    work: str
    number: int
    of: int
    problems: int


def distinct_stores(sources: Iterable[Path], into: Path) -> list[Path]:
    """Return the stores to be joined, each once, without the one they go into. Raises `UsageError` where none is."""
    found = {path.resolve(): path for path in sources}
    found.pop(into.resolve(), None)
    if not found:
        raise UsageError("there is no store to merge", f"name one or more beside `{into}`")
    return list(found.values())


def check_version(store: Store) -> None:
    """Refuse a store that an earlier version wrote. Raises `StoreError`; a newer one is refused where it is opened."""
    # A file too old to be read as it is was read into memory, and made today's there.
    in_memory = not store.db.execute("pragma database_list").fetchone()[2]
    version = store.value("pragma user_version")
    if in_memory or version < SCHEMA_VERSION:
        was = "an early schema" if in_memory else f"schema version {version}"
        raise StoreError(
            f"the store `{store.path}` has {was}, and this stepdown writes {SCHEMA_VERSION}",
            f"`stepdown store compact --store {store.path}` makes it today's; keep a copy for older versions",
        )


def refuse_living(store: Store) -> None:
    """Raise `StoreError` where a process that lives has calls of this store under way."""
    rows = store.db.execute("select owner, max(expires), count(*) from claims group by owner").fetchall()
    now = time.time()
    living = [(owner, count) for owner, expires, count in rows if lives(owner, expires, now)]
    if living:
        owner, count = living[0]
        raise StoreError(f"the store `{store.path}` has {count} calls under way in {process_of(owner)}", WAIT)


def refuse_open_batches(store: Store) -> None:
    """Raise `StoreError` where calls of this store are in batches: whoever has the joined one would buy them again."""
    if calls := store.value("select count(*) from batch_calls"):
        raise StoreError(
            f"the store `{store.path}` waits for {counted(calls, 'answer')} of a batch, and the joined store would ask "
            "for them again",
            f"`stepdown batches wait --store {store.path}` takes up what comes, `stepdown batches cancel` ends them",
        )


def parts_of(store: Store) -> Iterator[ShardPart]:
    """Stream the shards that a store has."""
    rows = store.db.execute("select run, work, number, shards, problems from shards order by 1, 2, 4, 3").fetchall()
    runs: dict[str, Run] = {run.id: run for run in store.runs()} if rows else {}
    for run, work, number, of, problems in rows:
        if run in runs:
            yield ShardPart(store.path, run, runs[run].settings, work, number, of, problems)


def check_cuts(parts: Sequence[ShardPart]) -> None:
    """Raise `UsageError` where two shards of one run are parts of different cuts."""
    first: dict[tuple[str, str], ShardPart] = {}
    for part in parts:
        other = first.setdefault((part.run, part.work), part)
        if other.of != part.of:
            raise UsageError(
                f"`{other.store}` has shard {other.number}/{other.of} of run `{part.run}`, and `{part.store}` "
                f"{part.number}/{part.of}: parts of different cuts leave problems out and solve others twice",
                f"merge the shards of one cut, then the same command without --shard does what is missing "
                f"of run `{part.run}`",
            )


def check_same_settings(parts: Sequence[ShardPart]) -> None:
    """Raise `UsageError` where what looks like shards of one run was made by other settings.

    That is two runs which are both incomplete, of as many shards, whose shards and whose stores differ.
    """
    runs: dict[str, list[ShardPart]] = {}
    for part in parts:
        if not part.work:
            runs.setdefault(part.run, []).append(part)
    short = [some for some in runs.values() if not _whole(some)]
    for one, other in combinations(short, 2):
        numbers = {part.number for part in one} & {part.number for part in other}
        stores = {part.store for part in one} & {part.store for part in other}
        if one[0].of == other[0].of and not numbers and not stores:
            a, b = one[0], other[0]
            raise UsageError(
                f"`{a.store}` has shard {a.number}/{a.of} of run `{a.run}` and `{b.store}` shard {b.number}/{b.of} of "
                f"run `{b.run}`, which differ in {_differences(a.settings, b.settings)}",
                "run all shards by the same command on the same data; --separate joins them as two runs",
            )


def _whole(parts: Sequence[ShardPart]) -> bool:
    held = {part.number: part.problems for part in parts}
    return sum(held.values()) >= parts[0].settings.count


def _differences(one: Settings, other: Settings) -> str:
    """Say in what two settings differ, the first few."""
    found = []
    for name in one.__struct_fields__:
        values = getattr(one, name), getattr(other, name)
        if values[0] != values[1]:
            found.append(f"`{name}`: `{_as_text(values[0])}` and `{_as_text(values[1])}`")
    return "; ".join(found[:_MOST_NAMED]) or "how they are written"


def _as_text(value: object) -> str:
    return in_words(value) if isinstance(value, Sampling) else f"{value}"[:60]
