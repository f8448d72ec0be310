"""Which calls are under way, in whichever process, so that none is asked twice and a budget counts them all."""

import time
from collections.abc import Iterable, Sequence
from hashlib import blake2b

import msgspec

from stepdown.store.owners import Owner, lives
from stepdown.store.records import AbandonedReply, encode
from stepdown.store.run import Store
from stepdown.types import GREEDY, Usage

LEASE = 60.0  # seconds a claim holds unless it is renewed
BEAT = 10.0

_TAKE = """insert or ignore into claims (key, owner, expires, run, model, input, output)
           select ?1, ?2, ?3, ?4, ?5, ?6, ?7 where not exists (select 1 from calls where key = ?1)
           and not exists (select 1 from batch_calls where key = ?1)"""
_BOOK = """insert or ignore into calls (key, model, source, request, sample, reply, run, created)
           values (?, ?, '', ?, 0, ?, ?, ?)"""
_NOTHING_ASKED = encode(((), GREEDY))


class Claim(msgspec.Struct, frozen=True):
    """A call that is to be sent, and who pays."""

    key: bytes
    run: str
    model: str


class Claims:
    """The claims of one user of the store. All that writes wants an open transaction, `Store.writing`."""

    def __init__(self, store: Store) -> None:
        self.store, self._living = store, Owner()
        self.owner = self._living.name

    def end(self) -> None:
        """Let others take over what is still claimed here."""
        self._living.end()

    def take(self, claims: Sequence[Claim], bound: Usage) -> set[bytes]:
        """Claim the draws of one request and return the keys that are ours: not answered, nor under way by the living.

        `bound` is what one draw may use at most; the first of ours carries it for all.
        """
        if self.take_all([(claims, bound)]):
            return {claim.key for claim in claims}
        ours = self._ours(claims)
        if dead := self._dead(claim.key for claim in claims if claim.key not in ours):
            self.bury(dead)
            self.take_all([([claim for claim in claims if claim.key not in ours], bound)])
            ours = self._ours(claims)
        self.store.db.executemany(
            "update claims set input = ?, output = ? where key = ?",
            [(*_share(bound, index, len(ours)), key) for index, key in enumerate(ours)],
        )
        return ours

    def take_all(self, requests: Sequence[tuple[Sequence[Claim], Usage]]) -> bool:
        """Claim the draws of requests, each with what one draw may use; whether all of them were free."""
        expires = time.time() + LEASE
        rows = [
            (claim.key, self.owner, expires, claim.run, claim.model, *_share(bound, index, len(claims)))
            for claims, bound in requests
            for index, claim in enumerate(claims)
        ]
        return self.store.db.executemany(_TAKE, rows).rowcount == len(rows)

    def _ours(self, claims: Sequence[Claim]) -> set[bytes]:
        held = self.holders([claim.key for claim in claims])
        return {key for key, (owner, _) in held.items() if owner == self.owner}

    def _dead(self, keys: Iterable[bytes]) -> set[str]:
        now = time.time()
        holders = set(self.holders(list(keys)).values())
        return {owner for owner, expires in holders if owner != self.owner and not lives(owner, expires, now)}

    def holders(self, keys: Sequence[bytes]) -> dict[bytes, tuple[str, float]]:
        """Return who has these calls under way, and until when the claim holds (unix seconds)."""
        marks = ",".join("?" * len(keys))
        rows = self.store.db.execute(f"select key, owner, expires from claims where key in ({marks})", keys)
        return {key: (owner, expires) for key, owner, expires in rows}

    def is_free(self, key: bytes) -> bool:
        """Whether nobody alive has this call under way."""
        owner, expires = self.holders([key]).get(key, ("", 0.0))
        return not owner or (owner != self.owner and not lives(owner, expires, time.time()))

    def drop(self, keys: Sequence[bytes]) -> int:
        """Give claims up and return how many there were; fewer than given where another took some over."""
        return self.store.db.executemany(
            "delete from claims where key = ? and owner = ?", [(key, self.owner) for key in keys]
        ).rowcount

    def renew(self) -> None:
        """Hold all our claims for another `LEASE`."""
        self.store.db.execute("update claims set expires = ? where owner = ?", (time.time() + LEASE, self.owner))

    def held(self, runs: Sequence[str]) -> list[tuple[bytes, str, int, int, int]]:
        """Return (key, model, input, output, 1 if a batch has it) of every call under way that these runs pay for."""
        marks = ",".join("?" * len(runs))
        return self.store.db.execute(
            f"""select key, model, input, output, 0 from claims where run in ({marks})
                union all select key, model, input, output, 1 from batch_calls where run in ({marks})""",
            (*runs, *runs),
        ).fetchall()

    def batch_of(self, key: bytes) -> str:
        """Return the id of the batch that has this call under way, "" for none."""
        found = self.store.db.execute("select batch from batch_calls where key = ?", (key,)).fetchone()
        return str(found[0]) if found else ""

    def bury_all(self) -> None:
        """Give up the claims of everybody who is dead."""
        now = time.time()
        owners = self.store.db.execute("select owner, max(expires) from claims group by owner").fetchall()
        self.bury({owner for owner, expires in owners if owner != self.owner and not lives(owner, expires, now)})

    def bury(self, owners: set[str]) -> None:
        """Give up the claims of owners that are dead, and book what their calls may have cost.

        A call in flight when its process died is answered and billed, for all anyone knows.
        """
        db = self.store.db
        for owner in owners:
            rows = db.execute(
                "select key, owner, model, run, input, output from claims where owner = ?", (owner,)
            ).fetchall()
            book_dead(self.store, rows)
            db.execute("delete from claims where owner = ?", (owner,))

    def rise(self, keys: Sequence[bytes]) -> None:
        """Take back what others booked for calls of ours, which were thought lost and are answered after all."""
        self.store.db.executemany("delete from calls where key = ?", [(_estimate(key, self.owner),) for key in keys])


def book_dead(store: Store, claims: Iterable[tuple[bytes, str, str, str, int, int]]) -> int:
    """Book what calls may have cost that were in flight when their process died, given as (key, owner, model, run,
    input, output), each once, however often it is told; return how many are new.
    """
    rows = [
        (
            _estimate(key, owner),
            model,
            _NOTHING_ASKED,
            encode(AbandonedReply("", model, Usage(*bound))),
            run,
            time.time(),
        )
        for key, owner, model, run, *bound in claims
        if sum(bound) > 0
    ]
    return store.db.executemany(_BOOK, rows).rowcount if rows else 0


def _share(bound: Usage, index: int, draws: int) -> tuple[int, int]:
    """Return what the draw at a place carries of a request's bound: the first one all, as a price is of a request."""
    return (0, 0) if index else (bound.input, bound.output * draws)


def _estimate(key: bytes, owner: str) -> bytes:
    return blake2b(key + owner.encode(), digest_size=16).digest()
