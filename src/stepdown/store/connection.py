"""A connection to the store's file whose every error is one of ours, with a way out."""

import sqlite3
from collections.abc import Iterable
from typing import Any, Self

from stepdown.errors import StoreError

# What SQLite says of a file whose bytes are not as it wrote them; the last is of a table, column or JSON that is gone.
_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_FORMAT", "SQLITE_ERROR", "SQLITE_MISMATCH")
# What the words of a damaged file's error may raise instead: they quote its bytes.
_ERRORS = (sqlite3.Error, UnicodeDecodeError)
_LOCKED = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_PROTOCOL")
# Where the folder or disk, not the file, is what SQLite cannot write to.
_UNWRITABLE = ("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_IOERR", "SQLITE_FULL", "SQLITE_PERM", "SQLITE_AUTH")

# To Python, SQLite's numbered placeholders are names: from 3.12 on it warns of values that have none.
_NUMBERED = "?1"

MEND = (
    "`stepdown store check` says what is damaged, `stepdown store copy NEW` saves what can be read; "
    "or give another place with --store PATH or STEPDOWN_STORE"
)
WAIT = "wait for the other process, or end it; the same command goes on from what was kept"
AGAIN = "mend that, then run the same command again; what was committed is kept"


class Locked(StoreError):
    """Another process holds the file."""


class Unwritable(StoreError):
    """The file could not be written, or not be read without writing beside it."""


class StoreCursor(sqlite3.Cursor):
    """A cursor that raises `StoreError` where the file is at fault."""

    def execute(self, statement: str, values: Any = ()) -> Self:  # noqa: D102
        try:
            return super().execute(statement, _by_number(values) if _NUMBERED in statement else values)
        except _ERRORS as error:
            raise explained(error, self.connection) from error

    def executemany(self, statement: str, rows: Iterable[Any]) -> Self:  # noqa: D102
        try:
            return super().executemany(statement, map(_by_number, rows) if _NUMBERED in statement else rows)
        except _ERRORS as error:
            raise explained(error, self.connection) from error

    def __next__(self) -> Any:
        try:
            return super().__next__()
        except _ERRORS as error:
            raise explained(error, self.connection) from error

    def fetchone(self) -> Any:  # noqa: D102
        try:
            return super().fetchone()
        except _ERRORS as error:
            raise explained(error, self.connection) from error

    def fetchall(self) -> list[Any]:  # noqa: D102
        try:
            return super().fetchall()
        except _ERRORS as error:
            raise explained(error, self.connection) from error


class StoreConnection(sqlite3.Connection):
    """A connection whose cursors are `StoreCursor`; `path` is what its errors name."""

    path: str = ""

    def cursor(self, factory: Any = StoreCursor) -> Any:  # noqa: D102
        return super().cursor(factory)

    def execute(self, statement: str, values: Any = ()) -> StoreCursor:  # noqa: D102
        return StoreCursor(self).execute(statement, values)

    def executemany(self, statement: str, rows: Iterable[Any]) -> StoreCursor:  # noqa: D102
        return StoreCursor(self).executemany(statement, rows)


def _by_number(values: Iterable[Any]) -> dict[str, Any]:
    """Return values by their number from 1."""
    return {str(number): value for number, value in enumerate(values, 1)}


def explained(error: Exception, db: sqlite3.Connection) -> Exception:
    """Return the error as it is to be raised: ours, but for a mistake of this program's own."""
    if isinstance(error, sqlite3.ProgrammingError | sqlite3.InterfaceError):
        return error
    name = getattr(error, "sqlite_errorname", None) or "SQLITE_CORRUPT"
    path = getattr(db, "path", "")
    if name.startswith(_LOCKED):
        return Locked(f"the store `{path}` is held by another process: {error}", WAIT)
    if name.startswith("SQLITE_NOTADB"):
        return StoreError(
            f"cannot open the store `{path}`: it does not begin as an SQLite file does",
            "give another place with --store PATH or STEPDOWN_STORE; a damaged store is mended from a copy",
        )
    if name.startswith(_DAMAGED):
        return StoreError(f"the store `{path}` is damaged: {error}", MEND)
    doing = "write to" if _in_transaction(db) else "read"
    kind = Unwritable if name.startswith(_UNWRITABLE) else StoreError
    return kind(f"cannot {doing} the store `{path}`: {error}", AGAIN)


def _in_transaction(db: sqlite3.Connection) -> bool:
    try:
        return db.in_transaction
    except sqlite3.ProgrammingError:
        return False
