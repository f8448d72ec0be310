"""The list of batches: which were sent where, and which calls each of them has under way.

A call is in the store from before its batch is sent until its answer is stored, or none will come: whoever dies in
between, the next process knows what was bought.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any, Literal

import msgspec

from stepdown.store.call_claims import LEASE, Claims
from stepdown.store.owners import lives
from stepdown.store.records import StoredCall, decode_request, encode
from stepdown.store.run import Store
from stepdown.store.schema import BATCHES_SINCE
from stepdown.types import Messages, Sampling

# `prepared`: nobody knows yet whether the provider has it; `sent`: it does; `ended`: all it answered is stored.
BatchState = Literal["prepared", "sent", "ended"]
_COLUMNS = "id, model, source, remote, state, note, owner, created, ended, requests, calls, answered, failed"
_TAKE = """insert or ignore into batch_calls
           (key, batch, line, place, model, source, request, sample, run, input, output)
           select ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11
           where not exists (select 1 from calls where key = ?1) and not exists (select 1 from claims where key = ?1)"""


class Batch(msgspec.Struct, frozen=True):
    """A batch: its own `id`, by which the provider is asked for it too, and `remote`, the provider's, "" where unknown.

    `note` says how it ended, or what it waits for. `requests` are its lines, each for one or more of its `calls`; of
    these `answered` brought a reply and `failed` an error. `created` and `ended` are unix seconds.
    """

    id: str
    model: str
    source: str
    remote: str
    state: BatchState
    note: str
    owner: str
    created: float
    ended: float | None
    requests: int
    calls: int
    answered: int
    failed: int

    @property
    def open(self) -> bool:
        """Whether answers may still come of it."""
        return self.state != "ended"


class BatchedCall(msgspec.Struct, frozen=True):
    """A call in a batch: what is asked, under which key its answer is found, who pays, and its most in tokens."""

    key: bytes
    model: str
    source: str
    messages: Messages
    sampling: Sampling
    sample: int
    run: str
    input: int
    output: int


class BatchLine(msgspec.Struct, frozen=True):
    """One request of a batch and the calls that its replies answer, in their order: draws of one prompt."""

    number: int
    calls: tuple[BatchedCall, ...]


class Batches:
    """The list of one user of the store; what writes makes a transaction of its own."""

    def __init__(self, store: Store, claims: Claims) -> None:
        self.store, self._claims = store, claims

    def begin(self, batch: str, lines: Sequence[Sequence[BatchedCall]], *, fits: Callable[[], bool]) -> int:
        """Enter a batch that is about to be sent, in our hands; return its calls, 0 where it has none or is too dear.

        A call that was answered meanwhile, or that others have under way, is left out. `fits` is asked once all are in.
        """
        now, first = time.time(), lines[0][0]
        with self.store.writing() as db:
            self._claims.bury_all()
            rows = [(number, place, one) for number, line in enumerate(lines) for place, one in enumerate(line)]
            db.executemany(_TAKE, [_row(batch, *row) for row in rows])
            calls = int(db.execute("select count(*) from batch_calls where batch = ?", (batch,)).fetchone()[0])
            if not calls or not fits():
                db.execute("delete from batch_calls where batch = ?", (batch,))
                return 0
            counted = db.execute("select count(distinct line) from batch_calls where batch = ?", (batch,)).fetchone()
            known = (batch, first.model, first.source, "", "prepared", "", self._claims.owner, now, None)
            db.execute(
                f"insert into batches ({_COLUMNS}, expires) values ({', '.join('?' * 14)})",
                (*known, counted[0], calls, 0, 0, now + LEASE),
            )
        return calls

    def all(self, *, only_open: bool = False) -> list[Batch]:
        """Return the batches, the oldest first."""
        if self.store.value("pragma user_version") < BATCHES_SINCE:
            return []  # an older file that is only read
        where = "where state != 'ended'" if only_open else ""
        rows = self.store.db.execute(f"select {_COLUMNS} from batches {where} order by created, id")
        return [Batch(*row) for row in rows]

    def find(self, batch: str) -> Batch:
        """Return a batch that is there."""
        return Batch(*self.store.db.execute(f"select {_COLUMNS} from batches where id = ?", (batch,)).fetchone())

    def tokens(self, model: str, batch: str = "") -> int:
        """Return the most tokens that a model's batches, or this one, may still use."""
        summed = "select coalesce(sum(input + output), 0) from batch_calls where model = ? and ? in ('', batch)"
        return int(self.store.db.execute(summed, (model, batch)).fetchone()[0])

    def take(self, batch: str) -> bool:
        """Take a batch into our hands; False where a living process has it. Held for `LEASE`, and renewed by this."""
        now, ours = time.time(), self._claims.owner
        with self.store.writing() as db:
            chosen = "select owner, expires from batches where id = ? and state != 'ended'"
            row = db.execute(chosen, (batch,)).fetchone()
            if row is None or (row[0] not in ("", ours) and lives(row[0], row[1], now)):
                return False
            db.execute("update batches set owner = ?, expires = ? where id = ?", (ours, now + LEASE, batch))
        return True

    def let_go(self, batch: str) -> None:
        """Give a batch out of our hands."""
        with self.store.writing() as db:
            db.execute("update batches set owner = '' where id = ? and owner = ?", (batch, self._claims.owner))

    def mark(self, batch: str, state: BatchState, *, remote: str = "", note: str = "") -> None:
        """Say how a batch is; one that has `ended` frees the calls that it brought no answer to."""
        with self.store.writing() as db:
            db.execute(
                """update batches set state = ?1, remote = case when ?2 = '' then remote else ?2 end, note = ?3,
                   ended = case when ?1 = 'ended' then ?4 end where id = ?5""",
                (state, remote, note, time.time(), batch),
            )
            if state == "ended":
                db.execute("delete from batch_calls where batch = ?", (batch,))

    def lines(self, batch: str) -> Iterator[BatchLine]:
        """Stream the requests of a batch that are not answered, by number."""
        rows = self.store.db.execute(
            """select line, key, model, source, request, sample, run, input, output from batch_calls
               where batch = ? order by line, place""",
            (batch,),
        ).fetchall()
        for number, some in groupby(rows, key=lambda row: int(row[0])):
            yield BatchLine(number, tuple(_call(row) for row in some))

    def keep(self, batch: str, calls: Sequence[StoredCall], keys: Sequence[bytes], failed: int = 0) -> None:
        """Store what a batch answered and take these keys out of it, all or nothing."""
        with self.store.writing() as db:
            self.store.put_calls(calls, paid=True)
            gone = db.executemany("delete from batch_calls where key = ?", [(key,) for key in keys]).rowcount
            db.execute(
                "update batches set answered = answered + ?, failed = failed + ? where id = ?",
                (gone - failed, failed, batch),
            )


def _row(batch: str, number: int, place: int, one: BatchedCall) -> tuple[object, ...]:
    asked = encode((one.messages, one.sampling))
    return (
        one.key, batch, number, place, one.model, one.source, asked, one.sample, one.run, one.input, one.output,
    )  # fmt: skip


def _call(row: Any) -> BatchedCall:
    _, key, model, source, request, *rest = row
    return BatchedCall(key, model, source, *decode_request(request), *rest)
