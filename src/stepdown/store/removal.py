"""Runs taken out of a store: what goes with them, and what stays."""

import time
from collections.abc import Sequence

import msgspec

from stepdown.errors import StoreError
from stepdown.store.connection import WAIT, StoreConnection
from stepdown.store.owners import lives, process_of
from stepdown.store.run import Run, Store

# What goes with a run, by what a person calls it; its summaries first, as a trigger looks for them with every trace.
_OF_RUN = {
    "summaries": "", "grades": "grades", "traces": "traces", "edits": "edits", "reviews": "reviews",
    "annotations": "remarks", "shards": "", "labels": "", "commands": "", "queue_marks": "",
}  # fmt: skip
_PAID = ("lost_calls", "server_faults")


class Removed(msgspec.Struct, frozen=True, kw_only=True):
    """What goes with some runs, or went: their rows by what they are, and their calls.

    `calls` counts what they paid for, `shared` those of them that other runs use too and that stay in any case;
    `calls_go` is whether the others go. `needed_by` are ids of runs that stay and solve by plans or replies of these.
    """

    runs: tuple[str, ...]
    rows: dict[str, int]
    calls: int
    shared: int
    calls_go: bool
    needed_by: tuple[str, ...]


def removal_of(store: Store, runs: Sequence[Run], *, calls: bool = False) -> Removed:
    """Return what would go with these runs; nothing is changed."""
    ids = tuple(run.id for run in runs)
    rows = {words: _count(store, table, ids) for table, words in _OF_RUN.items() if words}
    marks = _marks(ids)
    others = store.db.execute(f"select id, settings from runs where id not in ({marks}) order by created, id", ids)
    needed = tuple(str(run) for run, body in others if any(name.encode() in bytes(body) for name in ids))
    shared = len(_shared(store.db, ids)) if calls else 0
    return Removed(
        runs=ids, rows=rows, calls=_count(store, "calls", ids), shared=shared, calls_go=calls, needed_by=needed
    )


def remove_runs(store: Store, runs: Sequence[Run], *, calls: bool = False) -> Removed:
    """Take these runs out, in one transaction, and return what went.

    What they paid for stays in the books and is found again by who asks the same, but with `calls`; calls that other
    runs use stay also then. Problems stay until the store is compacted. Raises `StoreError` while a process is at work
    on one of them.
    """
    with store.writing() as db:
        found = removal_of(store, runs, calls=calls)
        _refuse_living(store, found.runs)
        marks = _marks(found.runs)
        if calls:
            spared = _shared(db, found.runs)
            keys = [(key,) for (key,) in db.execute(f"select key from calls where run in ({marks})", found.runs)]
            db.executemany("delete from calls where key = ?", [key for key in keys if key[0] not in spared])
            for table in _PAID:
                db.execute(f"delete from {table} where run in ({marks})", found.runs)
        for table in _OF_RUN:
            db.execute(f"delete from {table} where run in ({marks})", found.runs)
        db.execute(f"delete from runs where id in ({marks})", found.runs)
    return found


def _shared(db: StoreConnection, ids: tuple[str, ...]) -> set[bytes]:
    """Return the keys of calls that these runs paid for and that traces of others name."""
    marks = _marks(ids)
    paid = {key for (key,) in db.execute(f"select key from calls where run in ({marks})", ids)}
    named = db.execute(
        f"""select json_extract(value, '$[2]') from traces, json_each(cast(calls as text))
            where run not in ({marks})""",
        ids,
    )
    return {key for (name,) in named if isinstance(name, str) and (key := bytes.fromhex(name)) in paid}


def _refuse_living(store: Store, ids: tuple[str, ...]) -> None:
    claims = store.db.execute(f"select run, owner, expires from claims where run in ({_marks(ids)})", ids)
    for run, owner, expires in claims.fetchall():
        if lives(owner, expires, time.time()):
            raise StoreError(f"run `{run}` has calls under way in {process_of(owner)}", WAIT)


def _count(store: Store, table: str, ids: tuple[str, ...]) -> int:
    known = store.value("select count(*) from sqlite_master where type = 'table' and name = ?", table)
    return store.value(f"select count(*) from {table} where run in ({_marks(ids)})", *ids) if known else 0


def _marks(ids: Sequence[str]) -> str:
    return ",".join("?" * len(ids))
