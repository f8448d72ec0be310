"""Which server of a fleet the next call goes to, and in what order calls wait for one."""

import asyncio
from collections import deque

import msgspec

from stepdown.models.http.fleets.fleet_server import FleetServer


class _Waiting(msgspec.Struct, eq=False):
    turn: "asyncio.Future[FleetServer]"
    avoid: FleetServer | None


class Turns:
    """Gives each call the server with the least under way; a call that failed at one server goes first, elsewhere."""

    def __init__(self) -> None:
        self.servers: list[FleetServer] = []
        self._waiting: deque[_Waiting] = deque()

    @property
    def usable(self) -> list[FleetServer]:
        """The servers that take part now."""
        return [one for one in self.servers if one.usable]

    @property
    def waiting(self) -> int:
        """How many calls wait for a server."""
        return len(self._waiting)

    async def take(self, avoid: FleetServer | None = None) -> FleetServer:
        """Return a server that has room, which this call takes up; `avoid` is where it failed."""
        server = None if self._waiting and avoid is None else self._least(avoid)
        if server is not None:
            server.in_flight += 1
            return server
        one = _Waiting(asyncio.get_running_loop().create_future(), avoid)
        if avoid is None:
            self._waiting.append(one)
        else:
            self._waiting.appendleft(one)
        try:
            return await one.turn
        except asyncio.CancelledError:
            if one.turn.done() and not one.turn.cancelled() and one.turn.exception() is None:
                self.give_back(one.turn.result())
            elif one in self._waiting:
                self._waiting.remove(one)
            raise

    def give_back(self, server: FleetServer) -> None:
        """Free the room that a call took up, for whoever waits."""
        server.in_flight -= 1
        self.fill(server)

    def fill(self, server: FleetServer) -> None:
        """Give the server's room to calls that wait."""
        while self._waiting and server.room > 0 and self._fill_one(server):
            pass

    def _fill_one(self, server: FleetServer) -> bool:
        one = self._next(server)
        if one is not None:
            server.in_flight += 1
            one.turn.set_result(server)
        return one is not None

    def fill_all(self) -> None:
        """Give all room there is to calls that wait, a call a server in turn."""
        while self._waiting:
            before = len(self._waiting)
            for server in self.servers:
                if server.room > 0 and self._waiting:
                    self._fill_one(server)
            if len(self._waiting) == before:
                return

    def refuse(self, error: Exception) -> None:
        """Let all calls that wait fail."""
        while self._waiting:
            one = self._waiting.popleft()
            if not one.turn.done():
                one.turn.set_exception(error)

    def forget_loop(self) -> None:
        """Start anew in another event loop."""
        self._waiting.clear()
        for server in self.servers:
            server.forget_loop()

    def _least(self, avoid: FleetServer | None) -> FleetServer | None:
        least, found = (1 << 30, 0.0), None
        for one in self.servers:
            if one.load < least and one.room > 0 and not (one is avoid and self._has_other(one)):
                least, found = one.load, one
        return found

    def _next(self, server: FleetServer) -> _Waiting | None:
        for index, one in enumerate(self._waiting):
            if one.turn.done():
                del self._waiting[index]
                return self._next(server)
            if one.avoid is not server or not self._has_other(server):
                del self._waiting[index]
                return one
        return None

    def _has_other(self, server: FleetServer) -> bool:
        return any(one.usable and one is not server for one in self.servers)
