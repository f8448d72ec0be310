"""Care for a fleet while it is used: servers are checked, set aside, tried again, added and drained."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from statistics import median
from typing import Any

from stepdown.errors import EndpointRefused, StepdownError, UsageError
from stepdown.models.http.fleets.fleet_server import NOT_ASKED, FleetServer
from stepdown.models.http.fleets.server_lists import ServerList, read_servers
from stepdown.models.http.fleets.turns import Turns
from stepdown.models.http.limits import PATIENCE, RetryableError
from stepdown.text import counted

LOG = logging.getLogger("stepdown.fleet")
TICK = 0.25
PROBE_SECONDS = 5.0
_POLL = 1.0
_BETWEEN_LINES = 5.0
# A server that takes so many times as long as the others is narrowed, then set aside; so is one that answers no call
# for so many times as long as any answer took.
_SLOW, _STALLED = 10, 10
_SLOW_SECONDS, _SLOW_AWAY, _STALL_SECONDS = 1.0, 10.0, 60.0
_LISTED = 8
# This process was not on its processor for so long: what timed out then, and for a while after, is no server's fault.
_STALL, _AFTER_STALL = 1.0, 20.0
# Lines about servers that a person is told within some seconds; of a flood the rest are counted.
_MOST_LINES, _LINE_SECONDS = 10, 10.0


class Tending:
    """Looks after the servers of a fleet in one event loop; `name` is its model string, `model` as servers list it."""

    def __init__(
        self,
        name: str,
        model: str,
        listed: ServerList,
        make: Callable[[str], FleetServer],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self.model, self.listed, self.turns = name, model, listed, Turns()
        self._make, self._clock = make, clock
        self._known = {address: make(address) for address in listed.addresses}
        self.turns.servers = list(self._known.values())
        self._tasks: set[asyncio.Task[None]] = set()
        self._none_since: float | None = None
        self._stalled_until = 0.0
        self._lines: deque[float] = deque(maxlen=_MOST_LINES)
        self._left_out = 0
        self._polled, self._read, self._seen = 0.0, _signature(listed), _signature(listed)

    # -- at the start and at the end

    async def join(self) -> None:
        """Ask every server for its models. Raises `EndpointRefused` where none answers, or two serve other models."""
        servers = self.turns.servers
        answers = await asyncio.gather(*(self._probe(one) for one in servers))
        if not self.turns.usable:
            # Perhaps it is this machine that is slow.
            answers = await asyncio.gather(*(self._probe(one, 3 * PROBE_SECONDS) for one in servers))
        offered = {one: names for one, names in zip(servers, answers, strict=True) if one.usable and names is not None}
        if offered and not all(self.model in names for names in offered.values()):
            raise self._different(offered)
        if not self.turns.usable:
            raise self.none_left()
        for one in servers:
            if not one.usable:
                self._tell_left_out(one)
        self._start(self._tend())

    async def close(self) -> None:
        """Stop looking after the fleet, and drop all connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for server in self.turns.servers:
            await server.model.close()

    def forget_loop(self) -> None:
        """Start anew in another event loop."""
        self._tasks.clear()
        self._none_since = None
        self.turns.forget_loop()

    # -- while calls go on

    def set_aside(self, server: FleetServer, why: str, *, refused: bool = False, seconds: float = 0.0) -> None:
        """Give a server no calls for a while, and say so. Where it was the last one, calls wait for any to be back."""
        was = server.usable
        server.set_aside(why, refused=refused, seconds=seconds)
        if was:
            self._tell(server, f"`{server.address}` is set aside: {why} ({self._left()})")
        if not self.turns.usable and all(one.refused for one in self.turns.servers):
            self.turns.refuse(self.none_left())

    @property
    def has_stalled(self) -> bool:
        """Whether this process was held up a moment ago, so that a time-out says nothing of a server."""
        return self._clock() < self._stalled_until

    def none_left(self) -> EndpointRefused:
        """Return the error of a fleet none of whose servers answers, with each one's reason."""
        away = [one for one in self.turns.servers if not one.leaving]
        reasons = "; ".join(f"`{one.address}`: {one.why}" for one in away[:_LISTED])
        more = f"; and {len(away) - _LISTED} more" if len(away) > _LISTED else ""
        return EndpointRefused(
            f"no server of the fleet `{self.name}` answers: {reasons}{more}",
            f"start one, or mend the list in {self.listed.origin}; the same command asks only for what is missing",
        )

    def look(self) -> None:
        """Do what is due: probe what is silent or away, narrow what is slow, read the list again."""
        self._read_again()
        scale = max((one.slowest for one in self.turns.servers), default=0.0)
        for server in self.turns.servers:
            if server.is_due or (server.is_silent and server.usable and not server.checking):
                self._start(self._check(server))
            elif server.usable and scale and server.stall > max(_STALL_SECONDS, _STALLED * scale):
                self.set_aside(server, f"no call was answered for {server.stall:.0f} s")
        self._slow_down()
        self._drain()
        self.turns.fill_all()
        self._note_left()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        # In a context of its own: what it does is nobody's call.
        task = asyncio.get_running_loop().create_task(work, context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tend(self) -> None:
        while True:
            began = self._clock()
            await asyncio.sleep(TICK)
            if (now := self._clock()) - began > TICK + _STALL:
                self._stalled_until = now + _AFTER_STALL
            try:
                self.look()
            except Exception as error:  # whatever it is: calls must go on
                LOG.warning("fleet `%s`: %s: %s", self.name, type(error).__name__, error)

    async def _check(self, server: FleetServer) -> None:
        """Find out whether a server answers: one that is away comes back, one that is silent loses its calls."""
        away, first, before = server.aside, server.why == NOT_ASKED, server.why
        names = await self._probe(server)
        if server.aside:
            if first:
                self._tell_left_out(server)
            elif not away:
                self._tell(server, f"`{server.address}` is set aside: {server.why} ({self._left()})")
            elif server.is_silent and self.turns.usable:
                # Silent twice: its calls are asked elsewhere.
                server.abandon()
            return
        if names is not None and self.model not in names:
            server.set_aside(f"it does not serve `{self.model}`, but {_some(names)}", refused=True)
            if server.why != before:
                self._tell(server, f"`{server.address}` is left out: {server.why}")
        elif away:
            self._tell(server, f"`{server.address}` takes part ({self._left()})")
        self.turns.fill(server)

    async def _probe(self, server: FleetServer, seconds: float | None = None) -> list[str] | None:
        """Return the models a server lists, None where it lists none; one that does not answer is set aside."""
        server.checking, seconds = True, PROBE_SECONDS if seconds is None else seconds
        try:
            async with asyncio.timeout(seconds):
                names = await server.model.probe()
        except TimeoutError:
            if server.aside or not self.has_stalled:
                server.set_aside(f"no answer within {seconds:g} s")
        except RetryableError as fault:
            server.set_aside(fault.reason)
        except StepdownError as error:
            server.set_aside(error.what, refused=True)
        else:
            server.note_sign()
            if server.aside:
                server.rejoin()
            return names
        finally:
            server.checking = False
        return None

    def _slow_down(self) -> None:
        """Narrow a server that takes far longer than the others, and set it aside once it has one call at a time."""
        known = [one for one in self.turns.usable if one.usual]
        if len(known) < 3:
            return
        longest = max(_SLOW_SECONDS, _SLOW * median(one.usual for one in known))
        for server in known:
            if server.usual <= longest or not server.is_judged():
                continue
            if server.model.width > 1 and not server.model.limits.is_fixed:
                server.model.limits.narrow()
            else:
                why = f"it takes {server.usual:.1f} s, over {_SLOW} times as long as the others"
                self.set_aside(server, why, seconds=max(_SLOW_AWAY, 5 * server.usual))

    def _note_left(self) -> None:
        """Give up on a fleet none of whose servers has answered for long."""
        if self.turns.usable:
            self._none_since = None
            return
        self._none_since = self._none_since or self._clock()
        if self._clock() - self._none_since > PATIENCE or all(one.refused for one in self.turns.servers):
            self.turns.refuse(self.none_left())

    # -- the list

    def _read_again(self) -> None:
        """Follow a file that has changed and has rested since; a wrong one leaves the list as it was."""
        file, now = self.listed.file, self._clock()
        if file is None or now - self._polled < _POLL:
            return
        self._polled, before = now, self._seen
        self._seen = _signature(self.listed)
        if self._seen == self._read or self._seen != before:
            return
        self._read = self._seen
        try:
            self._follow(read_servers(file))
        except UsageError as error:
            LOG.warning("fleet `%s`: %s; it goes on with the last good list (%s)", self.name, error.what, self._left())

    def _follow(self, listed: ServerList) -> None:
        added = [one for one in listed.addresses if one not in self._known or self._known[one].leaving]
        gone = [one for address, one in self._known.items() if address not in listed.addresses and not one.leaving]
        self.listed = listed
        for address in added:
            server = self._known.get(address)
            if server is None:
                server = self._known[address] = self._make(address)
                self.turns.servers.append(server)
            server.leaving = False
        for server in gone:
            server.leaving = True
        if added or gone:
            news = f"{counted(len(added), 'server')} added, {len(gone)} drained ({self._left()})"
            LOG.warning("fleet `%s`: %s", self.name, news)

    def _drain(self) -> None:
        for address, server in list(self._known.items()):
            if server.leaving and not server.in_flight and not server.streams and not server.checking:
                del self._known[address]
                self.turns.servers.remove(server)
                self._start(server.model.close())

    # -- what a person is told

    def _left(self) -> str:
        listed = sum(not one.leaving for one in self.turns.servers)
        return f"{len(self.turns.usable)} of {listed} servers answer"

    def _tell_left_out(self, server: FleetServer) -> None:
        self._tell(server, f"`{server.address}` is left out: {server.why}; it is tried again")

    def _tell(self, server: FleetServer, text: str) -> None:
        now = self._clock()
        if server.reported and now - server.reported < _BETWEEN_LINES:
            return
        server.reported = now
        if len(self._lines) == _MOST_LINES and now - self._lines[0] < _LINE_SECONDS:
            self._left_out += 1
            return
        self._lines.append(now)
        more = f"; {self._left_out} more such lines were left out" if self._left_out else ""
        self._left_out = 0
        LOG.warning("fleet `%s`: %s%s", self.name, text, more)

    def _different(self, offered: dict[FleetServer, list[str]]) -> EndpointRefused:
        wrong = [f"`{one.address}` has {_some(names)}" for one, names in offered.items() if self.model not in names]
        more = f"; and {len(wrong) - _LISTED} more" if len(wrong) > _LISTED else ""
        return EndpointRefused(
            f"{len(wrong)} of {len(offered)} servers of the fleet `{self.name}` do not serve `{self.model}`: "
            f"{'; '.join(wrong[:_LISTED])}{more}",
            f"servers of a fleet serve one model by one name; mend the list in {self.listed.origin}",
        )


def _some(names: list[str]) -> str:
    shown = ", ".join(f"`{name[:80]}`" for name in names[:3])
    return (shown + (", ..." if len(names) > 3 else "")) or "none"


def _signature(listed: ServerList) -> tuple[int, int, int] | None:
    """Return what changes when a list's file is written, None where it cannot be read or there is none."""
    if listed.file is None:
        return None
    try:
        stat = listed.file.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
