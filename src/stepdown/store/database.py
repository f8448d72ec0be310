"""The store's file: opening it safely, its transactions, and the calls and problems that all runs share."""

import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self, TypeVar

from stepdown.errors import StepdownError, StoreError
from stepdown.store.connection import AGAIN, MEND, Locked, StoreConnection
from stepdown.store.filesystem import WriterLock, file_identity, network_of
from stepdown.store.integrity import faults
from stepdown.store.opening import PATIENCE, open_to_read, open_to_write
from stepdown.store.records import StoredCall, decode_reply, encode, key_of_body, signed_reply, unfindable_key
from stepdown.store.schema import PAGE, SCHEMA_VERSION
from stepdown.types import Problem, Reply, Usage

T = TypeVar("T")
_LOOK = 10.0  # seconds for finding out whether an error comes of damage
_PUT_CALL = """insert or ignore into calls (key, model, source, request, sample, reply, run, created, server)
               values (?, ?, ?, ?, ?, ?, ?, ?, ?)"""


def default_path() -> Path:
    """Return `STEPDOWN_STORE`, or `stepdown.sqlite` in the working directory."""
    return Path(os.environ.get("STEPDOWN_STORE") or "stepdown.sqlite")


class Database:
    """An open file of the store; use it in a `with`, or close it. Raises `StoreError` for a file it must not touch.

    `reading` opens one that is there, wherever it lies, and never changes it. `journal` is `wal`, or on a network file
    system, whose locks are not to be relied on, `delete`, with one process that writes at a time.
    """

    def __init__(self, path: str | Path | None = None, *, reading: bool = False, journal: str = "") -> None:
        self.path, self.reading = Path(path) if path is not None else default_path(), reading
        self._copy: TemporaryDirectory[str] | None = None
        self._lock: WriterLock | None = None
        self.journal = journal
        if reading:
            self.db, self._copy = open_to_read(self.path)
        else:
            network = network_of(self.path)
            self.journal = self.journal or ("delete" if network else "wal")
            if self.journal == "delete":
                self._lock = WriterLock(self.path, network or "a network file system")
            try:
                self.db = open_to_write(self.path, self.journal)
            except BaseException:
                self._unlock()
                raise
        self._files = [os.path.abspath(self.path)]
        self._identity: list[tuple[int, int] | None] = [file_identity(file) for file in self._files]
        self._gone: StoreError | None = None
        # Whether what is written here is summarized here; of several processes in one block the last one to end has to.
        self.summarizes = True
        # The runs that were begun here, and up to which call it is known that there are no others'.
        self.begun: set[str] = set()
        self._opened, self._last_call = time.time(), 0
        self._own_since: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        try:
            self.explain(error)
        finally:
            self.close()

    def explain(self, error: BaseException | None) -> None:
        """Raise `StoreError` for what went wrong unforeseen where the file's damage can be why."""
        if isinstance(error, Exception) and not isinstance(error, StepdownError) and self.is_damaged():
            raise StoreError(f"the store `{self.path}` is damaged: {type(error).__name__}: {error}", MEND) from error

    def is_damaged(self) -> bool:
        """Whether a look of some seconds finds a fault in the file."""
        try:
            return next(faults(self.db, seconds=_LOOK), None) is not None
        except sqlite3.Error:
            return False

    def is_writable(self) -> bool:
        """Whether the file can be written, by this process or by the one that holds it at the moment."""
        try:
            self._begin(False)
            self.db.execute("rollback")
        except Locked:
            return True
        except StoreError:
            return False
        return True

    def is_current(self) -> bool:
        """Whether the file's schema is today's, so that opening it to write changes nothing."""
        return self.value("pragma user_version") == SCHEMA_VERSION

    def close(self) -> None:
        """Close the file; everything committed stays."""
        self.db.close()
        self._unlock()
        if self._copy is not None:
            self._copy.cleanup()

    async def apart(self, work: Callable[[Self], T]) -> T:
        """Return what some work returns that is done in a thread, on a connection of its own.

        A file that another process holds makes the thread wait, and not the event loop.
        """

        def there() -> T:
            with type(self)(self.path, reading=self.reading, journal=self.journal) as database:
                return work(database)

        # Most commands only read, and can do without its import.
        import asyncio

        return await asyncio.to_thread(there)

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def value(self, statement: str, *values: object) -> int:
        """Return the one whole number a statement selects."""
        try:
            return int(self.db.execute(statement, values).fetchone()[0])
        except (TypeError, ValueError) as error:
            raise StoreError(f"the store `{self.path}` is damaged: {error}", MEND) from error

    def version(self) -> tuple[int, int]:
        """Return numbers that change whenever anybody, this connection included, has written to the file."""
        return self.value("pragma data_version"), self.db.total_changes

    @contextmanager
    def writing(self, *, wait: bool = True) -> Iterator[StoreConnection]:
        """One transaction: all of it is kept or none. Joins a transaction that is already open.

        Raises `StoreError` where the file cannot be written: disk full, gone, opened to read, or locked for a minute;
        without `wait`, `Locked` at once where another process is writing.
        """
        if self.db.in_transaction:
            yield self.db
            return
        self._begin(wait)
        try:
            yield self.db
            self.db.execute("commit")
        except BaseException as error:
            # A full disk has ended the transaction already; a commit that failed has not.
            if self.db.in_transaction:
                self.db.execute("rollback")
            if isinstance(error, sqlite3.Error):
                raise StoreError(f"cannot write to the store `{self.path}`: {error}", AGAIN) from error
            raise
        self.check_same_file()

    def _begin(self, wait: bool) -> None:
        if self.reading:
            raise StoreError(
                f"the store `{self.path}` is open to be read only", "give a place that can be written with --store PATH"
            )
        if self._gone is not None:
            self.check_same_file()
        if not wait:
            self.db.execute("pragma busy_timeout = 0")
        try:
            self.db.execute("begin immediate")
        finally:
            if not wait:
                self.db.execute(f"pragma busy_timeout = {PATIENCE * 1000}")

    def check_same_file(self) -> None:
        """Refuse to go on where the file is no longer the one under its name. Raises `StoreError`."""
        if self.reading:
            return
        if len(self._files) == 1 and self.journal == "wal":
            # The log is there from the first commit on, until all have closed the file.
            self._files.append(f"{self._files[0]}-wal")
            self._identity.append(file_identity(self._files[1]))
        if [file_identity(file) for file in self._files] == self._identity:
            self._gone = None
            return
        if self._gone is None:
            self._gone = StoreError(
                f"the store `{self.path}` was deleted, moved or replaced while it was open", self._save()
            )
        raise self._gone

    def _save(self) -> str:
        """Write what this connection still holds beside the place it was at, and return the hint that says so."""
        path = self.path.with_name(f"{self.path.name}.saved-{os.getpid()}")
        try:
            with sqlite3.connect(path) as copy:
                self.db.backup(copy)
            copy.close()
        except (sqlite3.Error, OSError) as error:
            return f"put it back, then run the same command again; it could not be saved to `{path}`: {error}"
        return f"everything it held is saved in `{path}`: move that to its place, then run the same command again"

    # -- calls

    def replies(self, keys: Sequence[bytes]) -> dict[bytes, Reply]:
        """Return the stored replies of those keys that were ever answered."""
        return {key: decode_reply(body) for key, body in self.calls("key, reply", keys)}

    def has_other_words(self) -> bool:
        """Whether calls may be kept under another key than the usual one of their settings.

        They are not where there were none, and only runs that were begun here have written since, by whichever process.
        """
        if self._own_since == -1:
            return True
        version = self.value("pragma data_version")
        if self._own_since is None:
            self._own_since = -1 if self.value("select exists (select 1 from calls)") else version
        elif self._own_since != version:
            self._own_since = -1 if self._has_others() else version
        return self._own_since == -1

    def _has_others(self) -> bool:
        """Whether calls came in that are older than this connection, or of runs that were not begun here."""
        marks = ",".join("?" * len(self.begun))
        last, others = self.db.execute(
            f"""select max(rowid), coalesce(sum(created < ? or run not in ({marks})), 0) from calls where rowid > ?""",
            (self._opened, *self.begun, self._last_call),
        ).fetchone()
        self._last_call = last or self._last_call
        return bool(others)

    def calls(self, columns: str, keys: Sequence[bytes]) -> Iterator[Any]:
        """Stream these columns of the calls with these keys."""
        for start in range(0, len(keys), PAGE):
            some = keys[start : start + PAGE]
            marks = ",".join("?" * len(some))
            yield from self.db.execute(f"select {columns} from calls where key in ({marks})", some)

    def put_calls(self, calls: Iterable[StoredCall], *, paid: bool = False) -> int:
        """Keep answered calls and return how many are new; a key that is already there keeps its first reply.

        Of calls that were `paid` for just now the later reply is booked too, under a key by which nobody finds it.
        """
        now = time.time()
        rows = [
            (p.key, p.model, p.source, encode((p.messages, p.sampling)), p.sample, *signed_reply(p.reply, p.run, now))
            for p in calls
        ]
        if not paid:
            self._own_since = -1
        with self.writing() as db:
            new = db.executemany(_PUT_CALL, rows).rowcount
            if paid and new < len(rows):
                kept = {key: (reply, at) for key, reply, at in self.calls("key, reply, created", [r[0] for r in rows])}
                late = [row for row in rows if kept[row[0]] != (row[5], now)]
                db.executemany(_PUT_CALL, [(unfindable_key(), *row[1:]) for row in late])
        return new

    def paid(self, runs: Sequence[str]) -> Iterator[tuple[str, Usage]]:
        """Stream the model and usage of each call these runs paid for; a price may depend on one call's length.

        Where an endpoint gave no usage, or an impossible one, bytes stand for tokens: an upper bound, so that a
        budget holds.
        """
        return ((model, usage) for _, model, usage in self.payments(runs))

    def payments(self, runs: Sequence[str], *, after: int = 0) -> Iterator[tuple[int, str, Usage]]:
        """Stream what `paid` does, with each call's place in the books: of those `after` a place."""
        marks = ",".join("?" * len(runs))
        rows = self.db.execute(
            f"""select rowid, model, json_type(reply, '$.usage') is null,
                       coalesce(json_extract(reply, '$.usage.input'), 0),
                       coalesce(json_extract(reply, '$.usage.output'), 0),
                       coalesce(json_extract(reply, '$.usage.cached'), 0),
                       coalesce(json_extract(reply, '$.usage.batched'), 0), length(request), length(reply)
                from calls where run in ({marks}) and rowid > ?""",
            (*runs, after),
        )
        for path, model, unsaid, given, written, cached, batched, asked, answered in rows:
            usage = Usage(given, written, cached, batched=batched)
            yield path, model, usage if usage.possible and not unsaid else Usage(asked, answered)

    # -- problems

    def put_problems(self, problems: Iterable[Problem]) -> list[bytes]:
        """Keep problems by their content, and return their keys."""
        bodies = [(problem.id, encode(problem)) for problem in problems]
        rows = [(key_of_body(body), name, body) for name, body in bodies]
        with self.writing() as db:
            db.executemany("insert or ignore into problems (key, id, body) values (?, ?, ?)", rows)
        return [key for key, _, _ in rows]
