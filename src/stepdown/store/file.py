"""The store's file: opening it safely, its transactions, calls and runs."""

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stepdown.errors import StoreError, UnknownName, UsageError
from stepdown.store.rows import Paid, decode_reply, decode_settings, encode, problem_key
from stepdown.store.run import Run
from stepdown.store.schema import APPLICATION_ID, MIGRATIONS, PAGE, PRAGMAS, SCHEMA_VERSION
from stepdown.types import Problem, Reply, Settings, Usage


@contextmanager
def closing_on_failure(db: sqlite3.Connection) -> Iterator[None]:
    """Close a connection if the `with` ends in an error."""
    try:
        yield
    except BaseException:
        db.close()
        raise


def default_path() -> Path:
    """Return `STEPDOWN_STORE`, or `stepdown.sqlite` in the working directory."""
    return Path(os.environ.get("STEPDOWN_STORE") or "stepdown.sqlite")


class Store:
    """An open store; use it in a `with`, or close it. Raises `StoreError` for a file it must not touch."""

    def __init__(self, path: str | Path | None = None) -> None:
        self.path = Path(path) if path is not None else default_path()
        try:
            self.db = sqlite3.connect(
                self.path, isolation_level=None, timeout=60, check_same_thread=False, cached_statements=64
            )
            with closing_on_failure(self.db):
                self._prepare()
        except sqlite3.Error as error:
            raise StoreError(
                f"cannot open the store `{self.path}`: {error}",
                "give another place with --store PATH or STEPDOWN_STORE",
            ) from error

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; everything committed stays."""
        self.db.close()

    def _prepare(self) -> None:
        # In this order: another process may make the tables, together with the owner's mark, at any moment.
        empty = not self.value("select count(*) from sqlite_master")
        owner = self.value("pragma application_id")
        version = self.value("pragma user_version")
        if owner != APPLICATION_ID and not empty:
            self._refuse("is a database of another program")
        if version > SCHEMA_VERSION:
            self._refuse(f"has schema version {version}, this stepdown knows {SCHEMA_VERSION}")
        for pragma in PRAGMAS:
            self.db.execute(f"pragma {pragma}")
        if version < SCHEMA_VERSION:
            self._migrate()

    def _refuse(self, why: str) -> None:
        raise StoreError(
            f"`{self.path}` {why}", "upgrade stepdown, or give another place with --store PATH or STEPDOWN_STORE"
        )

    def _migrate(self) -> None:
        with self.writing() as db:
            # Read again under the lock: another process may have migrated in between.
            for statements in MIGRATIONS[self.value("pragma user_version") :]:
                for statement in statements:
                    db.execute(statement)
            db.execute(f"pragma application_id = {APPLICATION_ID}")
            db.execute(f"pragma user_version = {SCHEMA_VERSION}")

    def value(self, statement: str, *values: object) -> int:
        """Return the one whole number a statement selects."""
        return int(self.db.execute(statement, values).fetchone()[0])

    def version(self) -> tuple[int, int]:
        """Return numbers that change whenever anybody, this connection included, has written to the file."""
        return self.value("pragma data_version"), self.db.total_changes

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it is kept or none. Joins a transaction that is already open.

        Raises `StoreError` where the file cannot be written: disk full, locked for a minute, gone.
        """
        if self.db.in_transaction:
            yield self.db
            return
        try:
            self.db.execute("begin immediate")
            yield self.db
            self.db.execute("commit")
        except BaseException as error:
            # A full disk has ended the transaction already; a commit that failed has not.
            if self.db.in_transaction:
                self.db.execute("rollback")
            if isinstance(error, sqlite3.Error):
                raise StoreError(
                    f"cannot write to the store `{self.path}`: {error}",
                    "mend that, then run the same command again; what was committed is kept",
                ) from error
            raise

    # -- calls

    def replies(self, keys: Sequence[bytes]) -> dict[bytes, Reply]:
        """Return the stored replies of those keys that were ever answered."""
        return {key: decode_reply(body) for key, body in self.calls("key, reply", keys)}

    def calls(self, columns: str, keys: Sequence[bytes]) -> Iterator[Any]:
        """Stream these columns of the calls with these keys."""
        for start in range(0, len(keys), PAGE):
            some = keys[start : start + PAGE]
            marks = ",".join("?" * len(some))
            yield from self.db.execute(f"select {columns} from calls where key in ({marks})", some)

    def put_calls(self, calls: Iterable[Paid]) -> int:
        """Keep answered calls and return how many are new; a key that is already there keeps its first reply."""
        now = time.time()
        rows = (
            (p.key, p.model, p.source, encode((p.messages, p.sampling)), p.sample, encode(p.reply), p.run, now)
            for p in calls
        )
        with self.writing() as db:
            return db.executemany("insert or ignore into calls values (?, ?, ?, ?, ?, ?, ?, ?)", rows).rowcount

    def paid(self, runs: Sequence[str]) -> Iterator[tuple[str, Usage]]:
        """Stream the model and usage of each call these runs paid for; a price may depend on one call's length.

        Where an endpoint did not say, or said what cannot be true, bytes stand for tokens: an upper bound, so that a
        budget holds.
        """
        marks = ",".join("?" * len(runs))
        rows = self.db.execute(
            f"""select model, json_type(reply, '$.usage') is null, coalesce(json_extract(reply, '$.usage.input'), 0),
                       coalesce(json_extract(reply, '$.usage.output'), 0),
                       coalesce(json_extract(reply, '$.usage.cached'), 0), length(request), length(reply)
                from calls where run in ({marks})""",
            runs,
        )
        for model, unsaid, *counts, asked, answered in rows:
            usage = Usage(*counts)
            yield model, usage if usage.possible and not unsaid else Usage(asked, answered)

    # -- runs

    def open_run(self, settings: Settings) -> "Run":
        """Return the run of these settings, made now if it is new."""
        with self.writing() as db:
            db.execute(
                "insert or ignore into runs (id, settings, created) values (?, ?, ?)",
                (settings.id, encode(settings), time.time()),
            )
        return self.run(settings.id)

    def runs(self) -> list["Run"]:
        """Return every run, oldest first."""
        rows = self.db.execute("select id, settings, created from runs order by created, id")
        return [Run(self, run, decode_settings(body), created) for run, body, created in rows]

    def run(self, name: str) -> "Run":
        """Return the run with this id, or the only one whose id begins so. Raises `UnknownName`."""
        found = [run for run in self.runs() if run.id.startswith(name)] if name else []
        if len(found) > 1:
            raise UsageError(f"`{name}` begins {len(found)} runs' ids", "give more of the id; see `stepdown runs`")
        if not found:
            raise UnknownName("run", name, [run.id for run in self.runs()])
        return found[0]

    def put_problems(self, problems: Iterable[Problem]) -> None:
        """Keep problems by their content."""
        rows = ((problem_key(problem), problem.id, encode(problem)) for problem in problems)
        with self.writing() as db:
            db.executemany("insert or ignore into problems values (?, ?, ?)", rows)
