"""Looking through a store's rows for what this program did not write so."""

import time
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from itertools import chain, islice
from typing import Any, get_args

import msgspec

from stepdown.errors import StoreError
from stepdown.store.connection import StoreConnection
from stepdown.store.records import (
    AbandonedReply,
    decode_call_entries,
    decode_plan,
    decode_problem,
    decode_reply,
    decode_request,
    decode_settings,
)
from stepdown.types import Verdict

Values = Sequence[Any]
_VERDICTS = get_args(Verdict)
_decode_left = msgspec.json.Decoder(AbandonedReply).decode


def _problem(db: StoreConnection, row: Values) -> str:
    key, name, body = row
    problem = decode_problem(body)
    if blake2b(body, digest_size=16).digest() != key or problem.id != name:
        return "it is not the problem its key says"
    return ""


def _call(db: StoreConnection, row: Values) -> str:
    key, model, source, request, reply, run, created = row
    decode_request(request)
    try:
        decode_reply(reply)
    except StoreError:
        _decode_left(reply)
    return "" if len(key) == 16 and _texts(model, source, run) and isinstance(created, float) else "a value is no such"


def _run(db: StoreConnection, row: Values) -> str:
    run, settings, created, grader = row
    decode_settings(settings)
    return "" if _texts(run, grader) and isinstance(created, float) else "a value is no such"


def _trace(db: StoreConnection, row: Values) -> str:
    run, ordinal, sample, problem, plan, calls, solution, error, usage = row
    if plan is not None:
        decode_plan(plan)
    msgspec.json.decode(usage)
    keys = [bytes.fromhex(entry[2]) for entry in decode_call_entries(calls)]
    if not all(isinstance(number, int) for number in (ordinal, sample)) or not _texts(run, solution, error):
        return "a value is no such"
    if not _has(db, "problems", problem):
        return "its problem is not there"
    return "" if all(_has(db, "calls", key) for key in keys) else "a call of it is not there"


def _grade(db: StoreConnection, row: Values) -> str:
    run, ordinal, sample, verdict, found, why = row
    if verdict not in _VERDICTS or not _texts(found, why):
        return "its verdict is none"
    entry = db.execute(
        "select 1 from traces where run = ? and ordinal = ? and sample = ?", (run, ordinal, sample)
    ).fetchone()
    return "" if entry else "its trace is not there"


def _edit(db: StoreConnection, row: Values) -> str:
    run, problem, plan, created = row
    decode_plan(plan)
    return "" if _texts(run, problem) and isinstance(created, float) else "a value is no such"


def _has(db: StoreConnection, table: str, key: bytes) -> bool:
    return db.execute(f"select 1 from {table} where key = ?", (key,)).fetchone() is not None


def _texts(*values: object) -> bool:
    return all(value is None or isinstance(value, str) for value in values)


# What is looked at of each table, in an order in which what a row names comes before it.
ROWS: dict[str, tuple[str, Callable[[StoreConnection, Values], str]]] = {
    "problems": ("key, id, body", _problem),
    "calls": ("key, model, source, request, reply, run, created", _call),
    "runs": ("id, settings, created, grader", _run),
    "traces": ("run, ordinal, sample, problem, plan, calls, solution, error, usage", _trace),
    "grades": ("run, ordinal, sample, verdict, found, why", _grade),
    "edits": ("run, problem, plan, created", _edit),
}


def fault_of(db: StoreConnection, table: str, row: Values) -> str:
    """Return what is wrong with a row's columns, given as `ROWS` names them; "" where nothing is."""
    try:
        return ROWS[table][1](db, row)
    except StoreError as error:
        return error.what
    except Exception as error:  # whatever a damaged value does to who reads it
        return f"{type(error).__name__}: {error}"


def faults(db: StoreConnection, *, most: int = 20, seconds: float | None = None) -> Iterator[str]:
    """Stream what is wrong with a store, at most so many faults, for so long: its pages first, then each row."""
    ends = time.monotonic() + seconds if seconds is not None else None
    yield from islice(chain(_pages(db, most), _rows(db, ends)), most)


def _pages(db: StoreConnection, most: int) -> list[str]:
    try:
        messages = [str(line) for (line,) in db.execute(f"pragma integrity_check({most:d})")]
    except StoreError as error:
        return [error.what]
    return [] if messages == ["ok"] else messages


def _rows(db: StoreConnection, ends: float | None) -> Iterator[str]:
    for table, (columns, _) in ROWS.items():
        try:
            for number, row in enumerate(db.execute(f"select {columns} from {table}")):
                if fault := fault_of(db, table, row):
                    yield f"row {number} of `{table}`: {fault}"
                if ends is not None and time.monotonic() > ends:
                    return
        except StoreError as error:
            yield f"`{table}`: {error.what}"
