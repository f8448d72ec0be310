"""One server of a fleet: how many calls it has and may have, and how it has fared lately."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from stepdown.models.http.addresses import bare_address
from stepdown.models.http.endpoint_model import EndpointModel
from stepdown.models.http.limits import PATIENCE, RetryableError

T = TypeVar("T")

NOT_ASKED = "not asked yet"  # why a server that is new gets no calls
MOST_FAULTS = 3  # one after another, and a server is set aside
_SOONEST, _LATEST = 0.5, 30.0
_LONGEST_REST = 30.0
# Seconds of silence after which a server is asked whether it lives: one that has answered before, one that never has.
_SUSPECT, _SUSPECT_AT_FIRST = 10.0, 60.0
_RECENT = 8  # answers over which the usual time is taken


class FleetServer:
    """A server behind an endpoint model of its own, whose limiter finds how much it takes.

    Set aside, it gets no calls: `why` says for what reason, `refused` that it refused key or model. It is tried again
    after a tenth of the time it has been away (0.5 to 30 s), at first with one call. `leaving`: it is no longer on the
    list, and finishes what it has. `usual` and `slowest` are seconds of its recent answers, 0 before the first.
    """

    def __init__(self, model: EndpointModel, clock: Callable[[], float]) -> None:
        self.model, self.address = model, bare_address(model.endpoint.base)
        self.in_flight = self.streams = 0
        self.why, self.refused, self.leaving, self.checking = NOT_ASKED, False, False, False
        self.usual = self.slowest = 0.0
        self.reported = 0.0  # when a person was last told of it
        self._clock, self._trial, self._faults = clock, False, 0
        self._since = self._again = self._rest = 0.0
        self._sign = self._came = 0.0
        self._answers = self._judged = 0
        self._leashes: set[asyncio.Timeout] = set()

    @property
    def aside(self) -> bool:
        """Whether it is set aside."""
        return bool(self.why)

    @property
    def usable(self) -> bool:
        """Whether it takes part: on the list and not set aside."""
        return not self.why and not self.leaving

    @property
    def room(self) -> int:
        """How many more calls it may have now."""
        if self.why or self.leaving or self.rest > 0:
            return 0
        return (1 if self._trial else self.model.width) - self.in_flight

    @property
    def load(self) -> tuple[int, float]:
        """What the least of is asked next: calls and streams under way, then the usual time of an answer."""
        return self.in_flight + self.streams, self.usual

    @property
    def rest(self) -> float:
        """The seconds for which it has asked to be left alone."""
        return max(0.0, self._rest - self._clock()) if self._rest else 0.0

    @property
    def is_due(self) -> bool:
        """Whether it is set aside and to be tried again now."""
        return bool(self.why) and not self.checking and not self.leaving and self._clock() >= self._again

    @property
    def next_try(self) -> float:
        """The seconds until it is tried again."""
        return max(0.0, self._again - self._clock())

    @property
    def silence(self) -> float:
        """The seconds for which calls have been under way and nothing came; 0 where none are."""
        return self._clock() - self._sign if self._leashes else 0.0

    @property
    def stall(self) -> float:
        """The seconds for which calls have been under way and none was answered; 0 where none are."""
        return self._clock() - self._came if self._leashes else 0.0

    @property
    def is_silent(self) -> bool:
        """Whether it has been silent for longer than its own answers explain."""
        least = _SUSPECT if self.usual else _SUSPECT_AT_FIRST
        return self.silence > max(least, 4 * self.slowest)

    async def ask(self, work: Callable[[EndpointModel], Awaitable[T]]) -> T:
        """Return what one attempt brings; raises `RetryableError` for a call lost as it was abandoned, too."""
        if not self._leashes:
            self._sign = self._came = self._clock()
        leash = asyncio.timeout(None)
        self._leashes.add(leash)
        try:
            async with leash:
                return await self.model.limits.once(lambda: work(self.model))
        except TimeoutError:
            if not leash.expired():
                raise
            raise RetryableError(f"it stopped answering ({self.why})") from None
        finally:
            self._leashes.discard(leash)

    def note_answer(self, seconds: float | None) -> None:
        """Take in an answer, and how long it took where that says how fast the server is."""
        self._sign = self._clock()
        self._came, self._answers = self._sign, self._answers + 1
        if seconds is not None:
            self.usual += (seconds - self.usual) / (_RECENT if self.usual and not self._trial else 1)
            self.slowest = max(seconds, self.slowest * 0.98)
        self._faults, self._trial, self._since = 0, False, 0.0

    def is_judged(self) -> bool:
        """Whether it has answered since this was last asked, and often enough to be compared."""
        fresh, self._judged = self._answers > max(self._judged, _RECENT // 2), self._answers
        return fresh

    def note_sign(self) -> None:
        """Take in that it answers, if not a call."""
        self._sign = self._clock()

    def note_fault(self, fault: RetryableError) -> bool:
        """Take in a failed attempt; return whether it is to be set aside for it."""
        now = self._sign = self._came = self._clock()
        self._faults += 1
        if fault.kind == "busy":
            longest = min(_LONGEST_REST, 0.25 * 2 ** min(self._faults, 10))
            pause = random.uniform(longest / 2, longest) if fault.pause is None else fault.pause
            self._rest = max(self._rest, now + min(pause, PATIENCE))
            return pause > PATIENCE
        return fault.kind in {"unreachable", "silent"} or self._trial or self._faults >= MOST_FAULTS

    def set_aside(self, why: str, *, refused: bool = False, seconds: float = 0.0) -> None:
        """Give it no calls for a while, of so many seconds at least."""
        now = self._clock()
        self._since = self._since or now
        self.why, self.refused = why, refused
        self._again = now + max(seconds, min(_LATEST, max(_SOONEST, (now - self._since) / 10)))

    def rejoin(self) -> None:
        """Give it calls, at first one alone where it was set aside before."""
        self.why, self.refused, self._trial, self._faults = "", False, bool(self._since), 0

    def abandon(self) -> None:
        """Take its calls back: each raises `RetryableError`, and is asked elsewhere."""
        now = asyncio.get_running_loop().time()
        for leash in list(self._leashes):
            if not leash.expired():
                leash.reschedule(now)

    def forget_loop(self) -> None:
        """Start anew in another event loop."""
        self.in_flight = self.streams = 0
        self.checking = False
        self._leashes.clear()
