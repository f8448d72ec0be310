"""Copies of a store: whole while it is written, or what can be read of a damaged one; and a store made smaller."""

import sqlite3
import time
from pathlib import Path

import msgspec

from stepdown.errors import StoreError
from stepdown.files import replacing
from stepdown.store.call_claims import Claims
from stepdown.store.connection import MEND, WAIT, Locked, StoreConnection
from stepdown.store.filesystem import check_file
from stepdown.store.integrity import ROWS, fault_of, faults
from stepdown.store.opening import connect, open_to_read, open_to_write
from stepdown.store.owners import lives
from stepdown.store.run import Store
from stepdown.store.summaries import SummaryCheck, mend

_STEP = 512  # pages a backup copies before it lets writers in
# Beside the tables that are looked at: what people said of them, which nothing names.
_PLAIN = ("reviews", "annotations", "lost_calls", "labels", "commands", "queue_marks")


class StoreSummary(msgspec.Struct, frozen=True):
    """What a store holds: the rows of each table, its bytes with the log beside it, its schema."""

    store: str
    rows: dict[str, int]
    bytes: int
    schema: int


class CheckResult(msgspec.Struct, frozen=True):
    """What `check` found: the rows of each table, and what is wrong.

    `summaries` counts the blocks' summaries that were `sound`, missing and `made`, or wrong and `mended`; it is empty
    where the store is damaged or cannot be written.
    """

    store: str
    sound: bool
    rows: dict[str, int]
    faults: tuple[str, ...]
    summaries: dict[str, int] = {}


class CopyResult(msgspec.Struct, frozen=True):
    """What `copy` wrote; of a damaged store only the rows that could be read and are whole, `lost` the others met."""

    store: str
    out: str
    rows: dict[str, int]
    damaged: bool = False
    lost: int = 0


class CompactResult(msgspec.Struct, frozen=True):
    """What `compact` dropped, or would: rows that nothing names, by table; bytes of the file before and after."""

    store: str
    dropped: dict[str, int]
    before: int
    after: int | None


def summarize_store(path: Path) -> StoreSummary:
    """Count a store's rows. Raises `StoreError`."""
    with Store(path, reading=True) as store:
        size = sum(file.stat().st_size for end in ("", "-wal") if (file := path.with_name(path.name + end)).is_file())
        return StoreSummary(str(path), _counts(store.db), size, store.value("pragma user_version"))


def check(path: Path) -> CheckResult:
    """Look through a whole store, and make its summaries anew. Raises `StoreError` for a file that is none."""
    try:
        store = Store(path, reading=True)
    except StoreError as error:
        if error.hint != MEND:
            raise
        # Too damaged to be opened: that is what is to be said, and no way out leads back here.
        return CheckResult(str(path), sound=False, rows={}, faults=(error.what,))
    with store:
        found = tuple(faults(store.db))
        result = CheckResult(str(path), not found, _counts(store.db), found)
    return result if found else msgspec.structs.replace(result, summaries=_mended(path))


def _mended(path: Path) -> dict[str, int]:
    try:
        with Store(path) as store:
            found = [mend(store, run.id)._asdict() for run in store.runs()]
    except StoreError:
        return {}
    return {name: sum(one[name] for one in found) for name in SummaryCheck._fields}


def _counts(db: StoreConnection) -> dict[str, int]:
    counts = {}
    for table in ROWS:
        try:
            counts[table] = int(db.execute(f"select count(*) from {table}").fetchone()[0])
        except StoreError:
            continue
    return counts


def copy(path: Path, out: Path, *, force: bool = False) -> CopyResult:
    """Copy a store, also while others write it, or what can be read of a damaged one, to a file.

    Raises `StoreError` where nothing can be read, `UsageError` for a place that cannot be written.
    """
    with replacing(out, force) as part:
        try:
            rows = _backup(path, part)
        except StoreError as error:
            if isinstance(error, Locked):
                raise
            part.unlink(missing_ok=True)
            rows, lost = _salvage(path, part)
            return CopyResult(str(path), str(out), rows, damaged=True, lost=lost)
        return CopyResult(str(path), str(out), rows)


def _backup(path: Path, part: Path) -> dict[str, int]:
    db, folder = open_to_read(path)
    try:
        copied = connect(part, "rwc")
        try:
            db.backup(copied, pages=_STEP)
            copied.execute("pragma journal_mode = delete").close()
            if fault := next(faults(copied), ""):
                raise StoreError(f"the store `{path}` is damaged: {fault}", MEND)
            return _counts(copied)
        except sqlite3.Error as error:
            raise StoreError(f"cannot copy the store `{path}`: {error}", MEND) from error
        finally:
            copied.close()
    finally:
        db.close()
        if folder is not None:
            folder.cleanup()


def _salvage(path: Path, part: Path) -> tuple[dict[str, int], int]:
    """Copy every whole row that can be reached from either end of its table."""
    check_file(path)
    source, target, lost = connect(path, "ro"), open_to_write(part, "delete"), 0
    # Else SQLite reads nothing of a file that is shorter than its first page says.
    source.execute("pragma writable_schema = 1").close()
    try:
        target.execute("begin")
        for table in (*ROWS, *_PLAIN):
            lost += _rescue(source, target, table)
        target.execute("commit")
        rows = _counts(target)
    finally:
        source.close()
        target.close()
    if not any(rows.values()):
        raise StoreError(f"nothing of the store `{path}` can be read", "take it from an earlier copy")
    return rows, lost


def _rescue(source: StoreConnection, target: StoreConnection, table: str) -> int:
    """Copy what can be read of a table, and return how many rows that were met are not whole."""
    try:
        columns = [name for _, name, *_ in source.execute(f"pragma table_info({table})")]
    except StoreError:
        return 0
    known = {name for _, name, *_ in target.execute(f"pragma table_info({table})")}
    columns = [name for name in columns if name in known]
    if not columns:
        return 0
    named, marks = ", ".join(columns), ", ".join("?" * len(columns))
    seen = [columns.index(name) for name in ROWS[table][0].split(", ")] if table in ROWS else []
    order = {
        "problems": "key",
        "traces": "run",
        "grades": "run",
        "reviews": "run",
        "labels": "run",
        "commands": "run",
    }.get(table, "rowid")
    lost: set[int] = set()
    for way in ("asc", "desc"):
        try:
            for row in source.execute(f"select {named} from {table} order by {order} {way}"):
                if seen and fault_of(target, table, [row[column] for column in seen]):
                    lost.add(hash(row))
                    continue
                target.execute(f"insert or ignore into {table} ({named}) values ({marks})", row)
        except StoreError:
            continue
        break
    return len(lost)


# Rows that nothing names, by what selects them. Calls stay, whoever asked them: what was paid is not paid again.
_UNNAMED = {
    "problems": "key not in (select problem from traces)",
    "traces": "run not in (select id from runs)",
    "grades": """run not in (select id from runs) or not exists (select 1 from traces where traces.run = grades.run
                 and traces.ordinal = grades.ordinal and traces.sample = grades.sample)""",
    "edits": "run not in (select id from runs)",
    "reviews": "run not in (select id from runs)",
    "annotations": "run not in (select id from runs)",
    "labels": "run not in (select id from runs)",
    "commands": "run not in (select id from runs)",
    "queue_marks": "run not in (select id from runs)",
}


def compact(path: Path, *, dry: bool = False) -> CompactResult:
    """Drop what nothing names, and give the space back; `dry` only counts it.

    That is problems of no trace, what an interrupted copy of a run left, grades without their trace, remarks on runs
    that are gone, and claims of processes that are. Raises `StoreError` while another process has the store open.
    """
    before = path.stat().st_size if path.exists() else 0
    with Store(path, reading=dry) as store:
        if dry:
            return CompactResult(str(path), _unnamed(store.db), before, None)
        dropped = _drop(store)
    return CompactResult(str(path), dropped, before, path.stat().st_size)


def _unnamed(db: StoreConnection) -> dict[str, int]:
    known = {name for (name,) in db.execute("select name from sqlite_master where type = 'table'")}
    counts = {
        table: int(db.execute(f"select count(*) from {table} where {where}").fetchone()[0])
        for table, where in _UNNAMED.items()
        if table in known
    }
    return counts | ({"claims": len(_abandoned(db))} if "claims" in known else {})


def _abandoned(db: StoreConnection) -> list[tuple[str]]:
    rows = db.execute("select distinct owner, expires from claims").fetchall()
    return [(owner,) for owner, expires in rows if not lives(owner, expires, time.time())]


def _drop(store: Store) -> dict[str, int]:
    db = store.db
    _be_alone(store)
    db.execute("pragma locking_mode = exclusive").close()
    dropped = {}
    with store.writing():
        # Traces first: what only they named goes with them.
        for table in ("traces", *(one for one in _UNNAMED if one != "traces")):
            dropped[table] = db.execute(f"delete from {table} where {_UNNAMED[table]}").rowcount
        dropped["claims"] = len(_abandoned(db))
        Claims(store).bury_all()
    db.execute("vacuum").close()
    return dropped


def _be_alone(store: Store) -> None:
    """Raise `StoreError` where another process has the file open: it may be about to name what nothing names yet."""
    db = store.db
    db.execute("pragma busy_timeout = 1000").close()
    try:
        # Only the last connection can leave the write-ahead log.
        alone = db.execute("pragma journal_mode = delete").fetchone()[0] == "delete"
    except Locked:
        alone = False
    if not alone:
        raise StoreError(f"the store `{store.path}` is open in another process", WAIT)
