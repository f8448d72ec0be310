"""A model behind several servers, each with its own limits and health."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from time import perf_counter
from typing import TypeVar

import msgspec

from stepdown.errors import BudgetReached, CallFailed, EndpointRefused, StepdownError
from stepdown.models.http.endpoint_model import TIMEOUT, EndpointModel
from stepdown.models.http.endpoints import Endpoint, find_endpoint, provider_of
from stepdown.models.http.fleets.fleet_server import FleetServer
from stepdown.models.http.fleets.server_lists import ServerList
from stepdown.models.http.fleets.tending import Tending
from stepdown.models.http.limits import Limits, RetryableError
from stepdown.models.http.lost_replies import report_server_fault
from stepdown.types import Backoff, Capabilities, HiddenProgress, Messages, Reply, Sampling, ToolCallPiece

T = TypeVar("T")
_UNBOUNDED = 1 << 30
# How long the width stands that was added up over all servers: a run asks for it with every problem.
_WIDTH_SECONDS = 0.1


class ServerLook(msgspec.Struct, frozen=True):
    """What is known of one server: `models` is None where it did not answer, and `why` says why; `seconds` it took."""

    address: str
    models: tuple[str, ...] | None = None
    seconds: float | None = None
    why: str = ""


class FleetModel:
    """A model that several servers answer: each call goes to the one with the least under way.

    It is known by its provider and model, never by an address, so that servers may come and go. `concurrency` is per
    server, `timeout` in seconds per request. A call whose attempt fails is asked at another server. One event loop
    uses it at a time; another one may follow.
    """

    def __init__(
        self,
        name: str,
        listed: ServerList,
        *,
        concurrency: int | None = None,
        timeout: float = TIMEOUT,
        logprobs: bool = False,
    ) -> None:
        def make(address: str) -> FleetServer:
            at = find_endpoint(name, address)
            model = EndpointModel(at, concurrency=concurrency, timeout=timeout, logprobs=logprobs)
            return FleetServer(model, time.monotonic)

        endpoint = find_endpoint(name, listed.addresses[0])
        self.name, self.endpoint = name, endpoint
        self.capabilities = Capabilities(
            source=fleet_source(endpoint),
            local=endpoint.local,
            completes=endpoint.dialect.completes,
            streams=True,
            connects=True,
            takes=endpoint.dialect.takes,
        )
        self.tending = Tending(name, endpoint.model, listed, make)
        self._turns = self.tending.turns
        # Gives up a call that fails wherever it is asked; how many are under way is each server's affair.
        self._retries = Limits(name, concurrency=_UNBOUNDED)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._joining: asyncio.Future[None] | None = None
        self._joined = False
        self._width = 0.0, 0

    def __repr__(self) -> str:
        return f"FleetModel(name={self.name!r}, servers={len(self.servers)})"

    @property
    def servers(self) -> list[FleetServer]:
        """All servers, those set aside and those drained included."""
        return self._turns.servers

    @property
    def waiting(self) -> int:
        """How many calls wait for a server that has room."""
        return self._turns.waiting

    @property
    def width(self) -> int:
        """How many calls the servers may have at once now."""
        now = time.monotonic()
        if now > self._width[0]:
            servers = self._turns.usable if self._joined else self.servers
            self._width = now + _WIDTH_SECONDS, sum(one.model.width for one in servers) or 1
        return self._width[1]

    @property
    def backoff(self) -> Backoff | None:
        """What keeps all calls waiting now; None where a server takes them."""
        if not self._joined or any(one.usable and not one.rest for one in self.servers):
            return None
        next_up = min(self.servers, key=lambda one: one.next_try if one.aside else one.rest)
        seconds = next_up.next_try if next_up.aside else next_up.rest
        return Backoff(self.name, next_up.why or "all servers are busy", 0 if next_up.aside else 429, round(seconds))

    async def prepare(self) -> None:
        """Ask all servers whether they answer. Raises `EndpointRefused` where none does, or two serve other models."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._joined, self._joining = loop, False, None
            self.tending.forget_loop()
        if self._joined:
            return
        if self._joining is None or self._joining.done():
            self._joining = asyncio.ensure_future(self.tending.join())
        await asyncio.shield(self._joining)
        self._joined = True

    async def reply(self, messages: Messages, sampling: Sampling, n: int = 1) -> list[Reply]:
        """Return up to n replies, at least one, all of one server.

        Raises `CallFailed` when this call is given up, `EndpointRefused` when no server is left.
        """

        async def ask(model: EndpointModel) -> list[Reply]:
            return await model.attempt(messages, sampling, n)

        server, replies = await self._call(ask)
        return [signed(reply, server) for reply in replies]

    async def stream(
        self, messages: Messages, sampling: Sampling
    ) -> AsyncGenerator[str | HiddenProgress | ToolCallPiece | Reply, None]:
        """Yield what an endpoint's `stream` does, of one server; opening it is tried elsewhere, not what follows."""
        started = perf_counter()
        server, response = await self._call(lambda model: model.open_stream(messages, sampling), timed=False)
        server.streams += 1
        try:
            async with aclosing(server.model.read_stream(response, sampling, started)) as pieces:
                async for piece in pieces:
                    yield signed(piece, server) if isinstance(piece, Reply) else piece
        except CallFailed as failure:
            report_server_fault(server.address, failure.what)
            raise
        finally:
            server.streams -= 1

    async def look(self, seconds: float) -> list[ServerLook]:
        """Return what each server answers within so many seconds, in the list's order; asks none for a reply."""
        return list(await asyncio.gather(*(_look(server, seconds) for server in self.servers)))

    async def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        self._joined, self._joining = False, None
        if asyncio.get_running_loop() is not self._loop:
            self.tending.forget_loop()
        await self.tending.close()

    async def _call(
        self, work: Callable[[EndpointModel], Awaitable[T]], *, timed: bool = True
    ) -> tuple[FleetServer, T]:
        """Return what a server brings, and which; asked again elsewhere as long as an attempt fails.

        `timed`: how long it takes says how fast the server is, as the opening of a stream does not.
        """
        await self.prepare()
        failed: FleetServer | None = None

        async def attempt() -> tuple[FleetServer, T]:
            nonlocal failed
            server = failed = await self._turns.take(failed)
            return server, await self._attempt(server, work, timed=timed)

        return await self._retries.call(attempt)

    async def _attempt(self, server: FleetServer, work: Callable[[EndpointModel], Awaitable[T]], *, timed: bool) -> T:
        """Return what one attempt at a server brings; what goes wrong is counted as the server's, and raised."""
        started = perf_counter()
        try:
            found = await server.ask(work)
            server.note_answer(perf_counter() - started if timed else None)
            return found
        except RetryableError as fault:
            self._note_fault(server, fault)
            raise self._elsewhere(server, fault) from None
        except BudgetReached:
            report_server_fault(server.address, "an answer that was paid for and gave no reply")
            raise
        except CallFailed as failure:
            report_server_fault(server.address, failure.what)
            server.note_sign()
            raise
        except EndpointRefused as refusal:
            report_server_fault(server.address, refusal.what)
            self.tending.set_aside(server, refusal.what, refused=True)
            if not self._turns.usable and all(one.refused for one in self.servers):
                raise self.tending.none_left() from None
            raise self._elsewhere(server, RetryableError(refusal.what, hint=refusal.hint)) from None
        finally:
            self._turns.give_back(server)

    def _note_fault(self, server: FleetServer, fault: RetryableError) -> None:
        report_server_fault(server.address, fault.reason)
        blameless = fault.kind in {"unreachable", "silent"} and self.tending.has_stalled
        if server.usable and not blameless and server.note_fault(fault):
            self.tending.set_aside(server, fault.reason)
        elif server.rest:
            asyncio.get_running_loop().call_later(server.rest + 0.001, self._turns.fill, server)

    def _elsewhere(self, server: FleetServer, fault: RetryableError) -> RetryableError:
        """Return a server's fault as the call's: it is asked elsewhere at once, and waiting is the server's affair.

        Where no other server takes part it waits as at one endpoint. What a server fails at that is set aside for it
        says nothing of the call.
        """
        kind = fault.kind if fault.kind in {"busy", "silent"} else "broken"
        others = any(one is not server for one in self._turns.usable)
        return RetryableError(
            f"{fault.reason} (`{server.address}`)",
            kind=kind,
            pause=0.0 if others else None,
            mark=fault.mark if server.usable else "",
            hint=fault.hint,
            status=fault.status,
            paid=fault.paid,
        )


async def _look(server: FleetServer, seconds: float) -> ServerLook:
    started = perf_counter()
    try:
        async with asyncio.timeout(seconds):
            names = await server.model.probe()
    except RetryableError as fault:
        return ServerLook(server.address, why=fault.reason)
    except StepdownError as error:
        return ServerLook(server.address, why=error.what)
    except TimeoutError:
        return ServerLook(server.address, why=f"no answer within {seconds:g} s")
    return ServerLook(server.address, tuple(names or ()), round(perf_counter() - started, 4))


def signed(reply: Reply, server: FleetServer) -> Reply:
    """Return a reply that says which server it is from."""
    return msgspec.structs.replace(reply, server=server.address)


def fleet_source(endpoint: Endpoint) -> str:
    """Return where a fleet answers from, part of its calls' identity: its name in place of an address."""
    bare = msgspec.structs.replace(endpoint, base="")
    return f"fleet/{provider_of(endpoint.name)}{bare.source}"
