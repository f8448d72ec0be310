"""Opening the store's file: to write, or to read wherever it lies, which never needs to write."""

import os
import shutil
import sqlite3
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from stepdown.errors import StoreError
from stepdown.store.connection import MEND, StoreConnection, Unwritable
from stepdown.store.filesystem import check_file
from stepdown.store.schema import APPLICATION_ID, MIGRATIONS, PRAGMAS, READABLE, SCHEMA_VERSION

PATIENCE = 60  # seconds a locked file is waited for
_TABLES = frozenset({"problems", "calls", "runs", "traces", "grades", "edits"})
_ELSEWHERE = "give another place with --store PATH or STEPDOWN_STORE"


def open_to_write(path: Path, journal: str) -> StoreConnection:
    """Open a store, made now if it is not there, in this journal mode (`wal` or `delete`). Raises `StoreError`."""
    check_file(path)
    db = connect(path, "rwc")
    try:
        version = _version(db, path)
        for pragma in (f"journal_mode = {journal}", *PRAGMAS):
            db.execute(f"pragma {pragma}").close()
        if version < SCHEMA_VERSION:
            migrate(db)
        _check_tables(db, path)
    except BaseException:
        db.close()
        raise
    return db


def open_to_read(path: Path) -> tuple[StoreConnection, TemporaryDirectory[str] | None]:
    """Open a store that is there so that nothing of it is changed, and return with it what goes when it is closed.

    A file whose folder cannot be written, read-only or full, is read as it lies; where a log of commits lies beside it
    that could not be taken in there, a copy of both is. An older file is read as if it were of today.
    """
    check_file(path)
    if not path.exists():
        raise StoreError(f"there is no store `{path}`", "make one with `stepdown run` or `stepdown demo`")
    if not path.stat().st_size:
        raise StoreError(f"`{path}` is empty, and no store yet", _ELSEWHERE)
    try:
        return _checked(connect(path, "rw"), path), None
    except Unwritable as refused:
        logs = [log for end in ("-wal", "-journal") if _size(log := path.with_name(path.name + end))]
        if not logs:
            return _checked(connect(path, "ro&immutable=1"), path), None
        return _copied(path, logs, refused)


def _copied(path: Path, logs: list[Path], refused: Unwritable) -> tuple[StoreConnection, TemporaryDirectory[str]]:
    try:
        folder = TemporaryDirectory(prefix="stepdown-")
        for file in (path, *logs):
            shutil.copyfile(file, Path(folder.name, file.name))
    except OSError as error:
        raise refused from error
    try:
        return _checked(connect(Path(folder.name, path.name), "rw", named=path), path), folder
    except BaseException:
        folder.cleanup()
        raise


def _checked(db: StoreConnection, path: Path) -> StoreConnection:
    """Return a connection that may read and whose file is a store; to a copy in memory where the file is too old."""
    try:
        db.execute("pragma query_only = 1").close()
        version = _version(db, path)
        if not version:
            raise StoreError(f"`{path}` is not a store: it is empty", _ELSEWHERE)
        if version >= READABLE:
            _check_tables(db, path)
            return db
        copy = connect(Path(":memory:"), "", named=path)
        db.backup(copy)
        db.close()
        migrate(copy)
        return copy
    except sqlite3.Error as error:
        db.close()
        raise StoreError(f"the store `{path}` is damaged: {error}", MEND) from error
    except BaseException:
        db.close()
        raise


def connect(path: Path, mode: str, *, named: Path | None = None) -> StoreConnection:
    """Return a connection to a file in one of SQLite's open modes. Raises `StoreError`."""
    address = f"file:{quote(os.path.abspath(path))}?mode={mode}" if mode else str(path)
    try:
        db = sqlite3.connect(
            address, uri=bool(mode), isolation_level=None, timeout=PATIENCE, check_same_thread=False,
            cached_statements=64, factory=StoreConnection,
        )  # fmt: skip
    except sqlite3.Error as error:
        raise Unwritable(f"cannot open the store `{named or path}`: {error}", _ELSEWHERE) from error
    db.path = str(named or path)
    return db


def _version(db: StoreConnection, path: Path) -> int:
    """Return the schema of a store, 0 for an empty file. Raises `StoreError` for what is not a store of ours."""
    # In this order: another process may make the tables, together with the owner's mark, at any moment.
    empty = not _value(db, "select count(*) from sqlite_master")
    owner, version = _value(db, "pragma application_id"), _value(db, "pragma user_version")
    if owner != APPLICATION_ID and not empty:
        raise StoreError(f"`{path}` is a database of another program", _ELSEWHERE)
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"`{path}` has schema version {version}, this stepdown knows {SCHEMA_VERSION}",
            f"upgrade stepdown, or {_ELSEWHERE}",
        )
    if version < 0 or (not version and not empty):
        raise StoreError(f"the store `{path}` is damaged: its schema version is {version}", MEND)
    return version


def _check_tables(db: StoreConnection, path: Path) -> None:
    missing = _TABLES - {name for (name,) in db.execute("select name from sqlite_master where type = 'table'")}
    if missing:
        raise StoreError(f"the store `{path}` is damaged: it has no table `{min(missing)}`", MEND)


def migrate(db: StoreConnection) -> None:
    """Make an older schema, or an empty file, today's."""
    try:
        db.execute("begin immediate")
        # Read under the lock: another process may have migrated in between.
        for step in MIGRATIONS[_value(db, "pragma user_version") :]:
            step(db)
        db.execute(f"pragma application_id = {APPLICATION_ID}")
        db.execute(f"pragma user_version = {SCHEMA_VERSION}")
        db.execute("commit")
    except BaseException:
        if db.in_transaction:
            db.execute("rollback")
        raise


def _value(db: StoreConnection, statement: str) -> int:
    return int(db.execute(statement).fetchone()[0])


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
