"""Some runs of a store as a store of its own: with their traces and calls, without anything of the others."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from stepdown.store.run import Store
from stepdown.store.summaries import refresh

_PAGE, _AT_ONCE = 1_000, 500
# What is somebody's work in progress, or of the machine alone, or made again: none of it is a run's.
_LEFT_OUT = frozenset({"claims", "summaries", "commands", "queue_marks", "reviews", "calls"})
# Notes are for those who work on a study; names, tags and study files are for who reads of it too, and so is that a
# comparison ended a run early, without which its intervals would be those of another.
_KINDS = ("name", "tag", "study", "until")


def extract_runs(source: Store, runs: Sequence[str], into: Path) -> None:
    """Write these runs, by their ids, into a new store at `into`.

    Of calls it has those that their traces are of, and those that they paid for. Notes on runs, plans that wait for a
    person and marks of the teachers' queue are left out.
    """
    with Store(into, journal="delete") as target:
        with target.writing():
            _copy(source, target, "runs", "id", runs)
            for table in _tables_of_runs(source):
                _copy(source, target, table, "run", runs)
            if _columns(target, "labels"):
                marks = ", ".join("?" * len(_KINDS))
                target.db.execute(f"delete from labels where kind not in ({marks})", _KINDS)
            problems = (key for (key,) in target.db.execute("select distinct problem from traces").fetchall())
            _copy(source, target, "problems", "key", problems)
            _copy(source, target, "calls", "run", runs)
            _copy(source, target, "calls", "key", _keys(target))
        for run in runs:
            refresh(target, run)


def _tables_of_runs(store: Store) -> list[str]:
    names = [name for (name,) in store.db.execute("select name from sqlite_master where type = 'table'").fetchall()]
    return [name for name in names if name not in _LEFT_OUT and "run" in _columns(store, name)]


def _columns(store: Store, table: str) -> list[str]:
    return [row[1] for row in store.db.execute(f"pragma table_info({table})").fetchall()]


def _keys(store: Store) -> Iterator[bytes]:
    rows = store.db.execute(
        "select distinct json_extract(value, '$[2]') from traces, json_each(cast(calls as text))"
    ).fetchall()
    return (bytes.fromhex(key) for (key,) in rows)


def _copy(source: Store, target: Store, table: str, column: str, values: Iterable[Any]) -> None:
    """Put the rows that have one of these values into the other store; what is there already stays."""
    known = _columns(target, table)
    shared = [name for name in _columns(source, table) if name in known]
    listed, marks = ", ".join(shared), ", ".join("?" * len(shared))
    wanting = iter(values)
    while some := list(islice(wanting, _AT_ONCE)):
        wanted = ", ".join("?" * len(some))
        rows = iter(source.db.execute(f"select {listed} from {table} where {column} in ({wanted})", some))
        while page := list(islice(rows, _PAGE)):
            target.db.executemany(f"insert or ignore into {table} ({listed}) values ({marks})", page)
