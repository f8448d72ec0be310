"""How many calls an endpoint gets at once, and how often a call that went wrong is asked again."""

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable
from math import ceil
from typing import Literal, TypeVar

from stepdown.errors import CallFailed, EndpointRefused, PromptTooLong, StepdownError
from stepdown.models.http.concurrency import MOST, START, AdaptiveConcurrency
from stepdown.types import Backoff

T = TypeVar("T")

ATTEMPTS = 10
PATIENCE = 300.0

_SILENT_ATTEMPTS = 3
_PAID_ATTEMPTS = 3
_BUSY_ATTEMPTS = 60
# So often a call takes the pauses that an endpoint asks for at its word. Shorter ones than its trouble lasts (`0`, a
# date that is past) would use up the attempts in seconds.
_HEEDED = 10
_UNREACHABLE_ATTEMPTS = 4
_IDENTICAL_ERRORS = 5
_ALIKE_BEFORE_ANY_ANSWER = 5
_ALIKE_SINCE_LAST_ANSWER = 64
_FIRST_WAIT, _LONGEST_WAIT = 0.25, 30.0
_BETWEEN_CUTS = 8
_AGAIN = "the same command asks only for what is missing"


class RetryableError(Exception):
    """One attempt failed, and another may succeed.

    `kind` is `busy` (429, 503), `silent` (time-out), `unreachable` (no connection) or `broken`.
    `pause` is the wait in seconds the endpoint asked for. `mark` tells identical server errors
    from different ones; empty where that means nothing. `status` is the HTTP status, 0 for none. `paid` says that
    each attempt cost money, so that there are few.
    """

    def __init__(
        self,
        reason: str,
        *,
        kind: Literal["busy", "broken", "silent", "unreachable"] = "broken",
        pause: float | None = None,
        mark: str = "",
        hint: str = "",
        status: int = 0,
        paid: bool = False,
    ) -> None:
        super().__init__(reason)
        self.reason, self.kind, self.pause, self.mark, self.hint = reason, kind, pause, mark, hint
        self.status, self.paid = status, paid


class Limits:
    """The limits of one endpoint and model; use one per endpoint, from one event loop at a time.

    Without `concurrency` the width starts at 16 and climbs by half while calls fill it and the rate
    of replies climbs along; it falls to 80 % on 429, 503 and time-outs, once per window in flight
    (and once per 8 attempts, so that stray faults do not bring it to nothing).
    A call is given up after 10 attempts (3 time-outs, 3 answers that were paid for, 5 identical server errors) or
    300 s of waiting between them. A pause that the endpoint asks for holds all calls; one that is too short ten times
    is doubled like any other wait. `clock`, `sleep` and `chance` are for tests.
    """

    def __init__(
        self,
        name: str,
        *,
        concurrency: int | None = None,
        attempts: int = ATTEMPTS,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.name, self.attempts, self.patience = name, attempts, patience
        self.width = concurrency or START
        self._adaptive = AdaptiveConcurrency(self.width) if concurrency is None else None
        self._clock, self._sleep, self._chance = clock, sleep, chance
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: deque[asyncio.Future[int]] = deque()
        self._in_flight = self._cuts = self._alike = 0
        self._since_cut = _BETWEEN_CUTS
        self._until = 0.0
        self._answered = False
        self._reason = ""
        self._late: set[_Retries] = set()

    @property
    def widest(self) -> int:
        """How many calls it may come to allow at once."""
        return MOST if self._adaptive else self.width

    @property
    def backoff(self) -> Backoff | None:
        """What keeps calls waiting now, of the one that is asked again first; None since the last answer."""
        late = min(self._late, key=lambda one: one.until, default=None)
        if late is None:
            return None
        seconds = max(0, ceil(late.until - self._clock()))
        return Backoff(self.name, late.reason, late.status, seconds, late.count)

    async def call(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Return what `attempt` returns, in turn and retried while it raises `RetryableError`.

        Raises `CallFailed` when the call is given up and `EndpointRefused` when every call fails alike.
        """
        retries: _Retries | None = None
        try:
            while True:
                cuts = await self._enter(ahead=retries is not None)
                try:
                    value = await attempt()
                except RetryableError as fault:
                    self._slow_down(fault, cuts)
                    retries = retries or _Retries(self)
                    wait = self._next_wait(retries, fault)
                    retries.until = max(self._until, self._clock() + wait)
                    self._late.add(retries)
                except PromptTooLong:
                    raise
                except CallFailed as failure:
                    raise self._count_failure(failure, failure.what, retried=False) from None
                else:
                    self._count_answer()
                    return value
                finally:
                    self._leave()
                if wait > 0:
                    await self._sleep(wait)
        finally:
            if retries is not None:
                self._late.discard(retries)

    async def once(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Return what `attempt` returns, in turn; whoever asks decides what follows its `RetryableError`."""
        cuts = await self._enter(ahead=False)
        try:
            value = await attempt()
        except RetryableError as fault:
            self._slow_down(fault, cuts)
            raise
        else:
            self._count_answer()
            return value
        finally:
            self._leave()

    @property
    def is_fixed(self) -> bool:
        """Whether the width was given, and stays."""
        return self._adaptive is None

    def narrow(self) -> None:
        """Take a fifth off the width, unless it is fixed: what is in flight waits too long."""
        if self._adaptive:
            self._cuts, self._since_cut = self._cuts + 1, 0
            self.width = self._adaptive.cut(self.width)

    @property
    def pause(self) -> float:
        """The seconds for which the endpoint has asked to be left alone; 0 for none."""
        return max(0.0, self._until - self._clock())

    async def _enter(self, *, ahead: bool) -> int:
        """Wait for a turn and for the end of a pause; return how often the width had been cut when the turn came."""
        self._start_in_loop()
        if self._waiting or self._in_flight >= self.width:
            cuts = await self._queue(ahead=ahead)
        else:
            self._in_flight += 1
            cuts = self._cuts
        if self._adaptive:
            self._adaptive.note(self._in_flight, self._clock)
        while self._until and (pause := self._until - self._clock()) > 0:
            try:
                await self._sleep(pause)
            except asyncio.CancelledError:
                self._leave()
                raise
        return cuts

    def _start_in_loop(self) -> None:
        """Forget the turns of an event loop that has ended."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._in_flight = loop, 0
            self._waiting.clear()
            self._late.clear()

    async def _queue(self, *, ahead: bool) -> int:
        turn: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        if ahead:
            self._waiting.appendleft(turn)
        else:
            self._waiting.append(turn)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave()
            elif turn in self._waiting:
                self._waiting.remove(turn)
            raise

    def _leave(self) -> None:
        self._in_flight -= 1
        self._since_cut += 1
        while self._waiting and self._in_flight < self.width:
            turn = self._waiting.popleft()
            if not turn.done():
                self._in_flight += 1
                turn.set_result(self._cuts)

    def _count_answer(self) -> None:
        self._answered = True
        self._alike = 0
        self._late.clear()
        if self._adaptive:
            self.width = self._adaptive.count(self.width, self._clock)

    def _slow_down(self, fault: RetryableError, cuts: int) -> None:
        if fault.pause is not None:
            self._until = max(self._until, self._clock() + min(fault.pause, self.patience))
        fresh = cuts == self._cuts and self._since_cut >= _BETWEEN_CUTS
        if fresh and fault.kind in {"busy", "silent"}:
            self.narrow()

    def _next_wait(self, retries: "_Retries", fault: RetryableError) -> float:
        if fault.pause is not None and fault.pause > self.patience:
            raise EndpointRefused(
                f"`{self.name}` asks for a pause of {fault.pause:.0f} s: {fault.reason}",
                f"run again after it; {_AGAIN}",
            )
        wait = retries.wait_after(fault, answered=self._answered)
        if wait is not None:
            return wait
        if fault.kind == "unreachable" and not self._answered:
            raise EndpointRefused(fault.reason, fault.hint)
        what = f"`{self.name}` gave no usable reply in {retries.count} attempts; the last: {fault.reason}"
        raise self._count_failure(CallFailed(what, fault.hint or _AGAIN), fault.reason, retried=True)

    def _count_failure(self, failure: CallFailed, reason: str, *, retried: bool) -> StepdownError:
        """Return the failure, or the end of the run where the endpoint fails alike again and again."""
        self._alike = self._alike + 1 if reason == self._reason else 1
        self._reason = reason
        # A call that is refused by itself (400) costs little, and those that failed before may come first.
        few = retried and not self._answered
        enough = _ALIKE_BEFORE_ANY_ANSWER if few else _ALIKE_SINCE_LAST_ANSWER
        if self._alike < enough or (self._answered and not retried):
            return failure
        hint = f"mend the endpoint; {_AGAIN}" if failure.hint == _AGAIN else failure.hint
        return EndpointRefused(f"`{self.name}` failed {self._alike} calls in a row alike: {reason}", hint)


class _Retries:
    """The faults of one call so far: `reason` and `status` are the last one's, `until` (by the clock) ends its wait."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.count = self._silent = self._busy = self._identical = self._paid = 0
        self._mark = self.reason = ""
        self._waited = self.until = 0.0
        self.status = 0

    def wait_after(self, fault: RetryableError, *, answered: bool) -> float | None:
        """Return the seconds to wait before the next attempt, None when there shall be none."""
        self._count(fault)
        if self._exhausted(fault, answered=answered):
            return None
        asked, tries = fault.pause, self.count
        if asked is not None:
            tries -= _HEEDED
        elif not answered and fault.kind == "unreachable":
            tries = 1
        longest = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** (tries - 1)) if tries > 0 else 0.0
        wait = self._limits._chance() * longest
        self._waited += max(wait, asked or 0.0)
        return wait if self._waited <= self._limits.patience else None

    def _count(self, fault: RetryableError) -> None:
        self.count += 1
        self.reason, self.status = fault.reason, fault.status
        self._silent += fault.kind == "silent"
        self._busy += fault.kind == "busy"
        self._paid += fault.paid
        self._identical = self._identical + 1 if fault.mark and fault.mark == self._mark else 1
        self._mark = fault.mark

    def _exhausted(self, fault: RetryableError, *, answered: bool) -> bool:
        return (
            self.count - self._busy >= self._limits.attempts
            or self._busy >= _BUSY_ATTEMPTS
            or self._silent >= _SILENT_ATTEMPTS
            or self._paid >= _PAID_ATTEMPTS
            or (bool(fault.mark) and self._identical >= _IDENTICAL_ERRORS)
            or (fault.kind == "unreachable" and not answered and self.count >= _UNREACHABLE_ATTEMPTS)
        )
