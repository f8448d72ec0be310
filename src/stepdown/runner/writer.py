"""Groups what is to be stored into one transaction per turn of the event loop, and never makes the loop wait."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from stepdown.errors import StoreError
from stepdown.models.http import ServerFault
from stepdown.runner.accounts import Account, Room
from stepdown.store import (
    BEAT,
    PATIENCE,
    Claim,
    Claims,
    Locked,
    LostCall,
    Run,
    Store,
    StoredCall,
    StoredTrace,
    put_lost_calls,
    put_server_faults,
)
from stepdown.types import Grade, Usage

# Seconds between two tries at a file that another process is writing to.
_PAUSES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
# A commit of a fast run changes some 10 MB of pages: a cache of SQLite's usual 2 MB writes them out before it is over,
# and reads them again.
_CACHE_KIB = 16_384


class ClaimRequest(msgspec.Struct):
    """Claims asked for together; `ours` are the keys that were got, `room` says whether the budget allows them."""

    claims: Sequence[Claim]
    bound: Usage
    account: Account | None
    ours: set[bytes] = set()
    room: Room = "fits"


class Writer:
    """The only writer of a run. `put_calls` and `claim` return when they are committed; traces and grades follow soon.

    Where a commit fails, whoever waits for it is told why, and what was answered waits for the next: a writer outlives
    a full disk and a locked file, and nothing new is sent in the meantime, for its claim cannot be committed either.
    """

    def __init__(self, store: Store) -> None:
        self._store, self._claims = store, Claims(store)
        store.db.execute(f"pragma cache_size = -{_CACHE_KIB}").close()
        self._calls: list[StoredCall] = []
        self._rows: list[tuple[Run, StoredTrace, Grade]] = []
        self._dropped: list[bytes] = []
        self._faults: Counter[tuple[str, str, str]] = Counter()
        self._lost: list[LostCall] = []
        self._claim_requests: list[ClaimRequest] = []
        self._held: set[bytes] = set()
        self._waiting: list[asyncio.Future[bool]] = []
        self._loop: asyncio.AbstractEventLoop | None = None  # where a commit is due
        self._beat = 0.0
        self._heartbeat: asyncio.TimerHandle | None = None

    @property
    def claims(self) -> Claims:
        """Who has which call under way."""
        return self._claims

    async def claim(self, claims: Sequence[Claim], bound: Usage, account: Account | None = None) -> ClaimRequest:
        """Claim the draws of a request, each of which uses `bound` at most.

        Nothing may be sent before this returns, and only what is `ours`.
        """
        wanted = ClaimRequest(claims, bound, account)
        self._claim_requests.append(wanted)
        try:
            await self._commits()
        except asyncio.CancelledError:
            self._claim_requests = [one for one in self._claim_requests if one is not wanted]
            self.drop(list(wanted.ours))
            raise
        self._start_heartbeat()
        return wanted

    async def put_calls(self, calls: list[StoredCall]) -> bool:
        """Keep answered calls; nothing may depend on them before this returns. False: the store had some already."""
        self._calls += calls
        return await self._commits()

    def put_aborted(self, call: StoredCall) -> None:
        """Store the partial reply of an aborted call, with the next transaction."""
        self._calls.append(call)
        self._soon()

    def put_failed(self, call: StoredCall, account: Account | None) -> None:
        """Store what an attempt cost that gave no reply, before the next one; at once where a budget counts it.

        Raises `BudgetReached` where the budget, as all processes have spent it, allows no further attempt.
        """
        if account is None:
            self.put_aborted(call)
            return
        with self._store.writing():
            self._store.put_calls([call])
            room = account.room(set())
        if room != "fits":
            raise account.reached()

    def drop(self, keys: Sequence[bytes]) -> None:
        """Give up claims of calls that will have no reply, with the next transaction."""
        if held := self._held.intersection(keys):
            self._dropped += held
            self._soon()

    def put_server_fault(self, run: str, fault: ServerFault) -> None:
        """Count an attempt that failed at a server of a fleet, with the next transaction."""
        self._faults[run, fault.server, fault.reason] += 1
        self._soon()

    def put_lost(self, call: LostCall) -> None:
        """Keep with the next transaction that a call was sent of which nothing came back."""
        self._lost.append(call)
        self._soon()

    def put_trace(self, run: Run, row: StoredTrace, grade: Grade) -> None:
        """Keep a graded trace with the next transaction."""
        self._rows.append((run, row, grade))
        self._soon()

    async def close(self) -> None:
        """Commit everything that waits and give up every claim. Raises `StoreError`."""
        self._dropped = list(self._held)
        if self._heartbeat is not None:
            self._heartbeat.cancel()
            self._heartbeat = None
        try:
            if self._has_news or self._loop is not None:
                await self._commits()
            self._store.check_same_file()
        except StoreError:
            self._claims.end()
            raise

    @property
    def _has_news(self) -> bool:
        """Whether anything waits for the next transaction."""
        waiting = (self._calls, self._rows, self._dropped, self._claim_requests, self._faults, self._lost)
        return any(waiting)

    def _commits(self) -> asyncio.Future[bool]:
        """Return what is done once everything queued so far is committed; each who waits has one of their own."""
        self._soon()
        committed = asyncio.get_running_loop().create_future()
        self._waiting.append(committed)
        return committed

    def _soon(self) -> None:
        loop = asyncio.get_running_loop()
        if self._loop is loop:
            return
        if self._loop is not None:
            # That loop has ended, and its timers and those who waited in it.
            self._waiting, self._heartbeat = [], None
        self._loop = loop
        loop.call_soon(self._commit, time.monotonic(), 0)

    def _commit(self, began: float, tries: int) -> None:
        try:
            new = self._flush()
        except Locked as error:
            if time.monotonic() - began < PATIENCE:
                pause = _PAUSES[min(tries, len(_PAUSES) - 1)]
                asyncio.get_running_loop().call_later(pause, self._commit, began, tries + 1)
                return
            self._report(error)
        except StoreError as error:
            self._report(error)
        except Exception as error:  # one thing that cannot be written must not stop what can
            self._flush_singly()
            self._report(error)
        else:
            self._report(new)

    def _report(self, outcome: bool | Exception) -> None:
        """Let those who wait for a commit know what came of it."""
        waiting, self._waiting, self._loop = self._waiting, [], None
        for one in waiting:
            if one.done():
                continue
            if isinstance(outcome, Exception):
                one.set_exception(outcome)
            else:
                one.set_result(outcome)
        if isinstance(outcome, Exception):
            self._claim_requests = []

    def _flush(self) -> bool:
        """Commit everything that waits, or nothing; False if the store had some of the calls already."""
        if not self._has_news:
            return True
        with self._store.writing(wait=False):
            new = self._store.put_calls(self._calls, paid=True)
            self._settle([call.key for call in self._calls if call.key in self._held])
            self._claim_all()
            self._put_rows()
            if self._faults:
                put_server_faults(self._store, self._faults)
            if self._lost:
                put_lost_calls(self._store, self._lost)
        every = new == len(self._calls)
        self._held.difference_update([call.key for call in self._calls], self._dropped)
        self._held.update(*(wanted.ours for wanted in self._claim_requests))
        self._calls, self._rows, self._dropped, self._claim_requests = [], [], [], []
        self._faults.clear()
        self._lost = []
        return every

    def _settle(self, answered: list[bytes]) -> None:
        """Give up the claims of what was answered and of what never will be, and renew the others where it is time."""
        if answered and self._claims.drop(answered) < len(answered):
            self._claims.rise(answered)
        if self._dropped:
            self._claims.drop(self._dropped)
        now = time.monotonic()
        if self._held and now - self._beat > BEAT / 2:
            self._claims.renew()
            self._beat = now

    def _claim_all(self) -> None:
        """Make the claims: at once, for hardly ever has anybody else one of them, or are they too much together."""
        for account in dict.fromkeys(wanted.account for wanted in self._claim_requests):
            some = [wanted for wanted in self._claim_requests if wanted.account is account]
            if not self._claim_together(some, account):
                for wanted in some:
                    self._claim_one(wanted)

    def _claim_together(self, some: Sequence[ClaimRequest], account: Account | None) -> bool:
        """Make all these claims; False where one of them must be looked at alone."""
        free = self._claims.take_all([(wanted.claims, wanted.bound) for wanted in some])
        if not free or (account is not None and not account.fits()):
            # What one may take must not wait for what the next ones hold.
            self._claims.drop([claim.key for wanted in some for claim in wanted.claims])
            return False
        for wanted in some:
            wanted.ours, wanted.room = {claim.key for claim in wanted.claims}, "fits"
        return True

    def _claim_one(self, wanted: ClaimRequest) -> None:
        wanted.ours, wanted.room = self._claims.take(wanted.claims, wanted.bound), "fits"
        if wanted.ours and wanted.account is not None:
            wanted.room = wanted.account.room(wanted.ours)
        if wanted.room != "fits":
            self._claims.drop(list(wanted.ours))
            wanted.ours = set()

    def _put_rows(self) -> None:
        for run in {id(run): run for run, _, _ in self._rows}.values():
            run.put_graded([(row, grade) for one, row, grade in self._rows if one is run])

    def _flush_singly(self) -> None:
        """Commit what can be, one by one, keep what the file refuses for now, and let go of the rest."""
        queued = [*(([call], []) for call in self._calls), *(([], [row]) for row in self._rows)]
        calls: list[StoredCall] = []
        rows: list[tuple[Run, StoredTrace, Grade]] = []
        self._claim_requests = []
        for self._calls, self._rows in queued:
            try:
                self._flush()
            except StoreError:
                calls += self._calls
                rows += self._rows
            except Exception:
                continue
        self._calls, self._rows = calls, rows

    def _start_heartbeat(self) -> None:
        """Renew the claims while there are any, also when a reply takes minutes."""
        if self._heartbeat is None or self._heartbeat.cancelled():
            self._heartbeat = asyncio.get_running_loop().call_later(BEAT, self._renew)

    def _renew(self) -> None:
        self._heartbeat = None
        if self._held:
            self._start_heartbeat()
            with suppress(StoreError):
                self._soon()
