"""The server: a bound address, connections that end when they come to nothing, and an orderly end."""

import asyncio
import errno
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import h11
import msgspec
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from stepdown.errors import UsageError
from stepdown.runner import rare_collections
from stepdown.web.app import make_app
from stepdown.web.errors.objects import error_body
from stepdown.web.jobs.command_jobs import GRACE
from stepdown.web.security.guards import HEADERS
from stepdown.web.security.rules import AccessRules
from stepdown.web.server.transport import CoalescingTransport
from stepdown.web.state import State

_BUSY = "too many connections"
_FILES = 8192
_STDERR = 2


class ConnectionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How long a connection may be of no use.

    Seconds: `head_seconds` until a request's headers are here, `request_seconds` until its body is,
    `idle_seconds` between requests, `reader_seconds` for reading the next `reader_rate` bytes a second, and
    `grace_seconds` for answers under way when the server ends. `head_bytes` bounds a request's headers and
    `connections` how many are open at once.
    """

    head_seconds: float = 10.0
    request_seconds: float = 30.0
    idle_seconds: int = 15
    reader_seconds: float = 20.0
    reader_rate: int = 1000
    grace_seconds: int = 5
    head_bytes: int = 32 << 10
    connections: int = 1000


class Connection(H11Protocol):
    """One connection: slow heads, bodies and readers lose it, which uvicorn alone would wait for without end."""

    limits = ConnectionLimits()

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._awaited = ""
        self._arrival: asyncio.TimerHandle | None = None
        self._reading: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for the first request; one connection too many is told so and closed."""
        assert isinstance(transport, asyncio.Transport), "sockets have both directions"
        transport = CoalescingTransport(transport, self.loop)
        super().connection_made(transport)
        # Whatever the client has not read counts as waiting, also the last bytes of an answer.
        transport.set_write_buffer_limits(high=0)
        if len(self.connections) > self.limits.connections:
            self._refuse(503, _BUSY)
        else:
            self._await("head")

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timers."""
        self._await("")
        self._stop_watching_reader()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, and see what is still to come."""
        super().data_received(data)
        self._see_what_is_missing()

    def on_response_complete(self) -> None:
        """Go on with what has arrived behind the request."""
        super().on_response_complete()
        self._see_what_is_missing()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request."""
        self._refuse(400, msg)

    def pause_writing(self) -> None:
        """Watch how the client reads, from the moment it does not keep up."""
        super().pause_writing()
        self._watch_reader(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """Stop watching: everything was read."""
        super().resume_writing()
        self._stop_watching_reader()

    def _refuse(self, status: int, what: str) -> None:
        # As a program reads it: what was no request has not said who asks.
        words = error_body(status, what)
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            length = (b"content-length", str(len(words)).encode())
            headers = [*HEADERS, (b"content-type", b"application/json"), length, (b"connection", b"close")]
            for event in (h11.Response(status_code=status, headers=headers), h11.Data(words), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _see_what_is_missing(self) -> None:
        state = self.conn.their_state
        if state is h11.IDLE and self.conn.trailing_data[0]:
            self._await("head")
        else:
            self._await("body" if state is h11.SEND_BODY else "")

    def _await(self, part: str) -> None:
        """Give a part of a request its time, once: bytes that drip in do not prolong it."""
        if part == self._awaited:
            return
        self._awaited = part
        if self._arrival is not None:
            self._arrival.cancel()
            self._arrival = None
        if part:
            seconds = self.limits.head_seconds if part == "head" else self.limits.request_seconds
            self._arrival = self.loop.call_later(seconds, self.transport.abort)

    def _watch_reader(self, before: int) -> None:
        self._stop_watching_reader()
        self._reading = self.loop.call_later(self.limits.reader_seconds, self._check_reader, before)

    def _stop_watching_reader(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _check_reader(self, before: int) -> None:
        now = self.transport.get_write_buffer_size()
        if before - now < self.limits.reader_rate * self.limits.reader_seconds:
            self.transport.abort()
        else:
            self._watch_reader(now)


class Server(uvicorn.Server):
    """A server that says when it listens, and tells endless answers of its end."""

    def __init__(self, config: uvicorn.Config, state: State, listening: Callable[[], None]) -> None:
        super().__init__(config)
        self.state, self.listening = state, listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, then say so."""
        await super().startup(sockets)
        self.listening()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End endless answers, let others finish, and end."""
        self.state.leaving.set()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Heed Ctrl-C and SIGTERM inside the `with`: the first ends orderly, the second at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Note the wish to end."""
        # Not through the stream: the signal may have come in the middle of a write to it.
        os.write(
            _STDERR, b"" if self.should_exit else b"ending: answers under way may finish; once more ends at once\n"
        )
        self.force_exit = self.should_exit
        self.should_exit = True


def bind(host: str, port: int) -> socket.socket:
    """Return a socket bound to an address; port 0 is any free one. Raises `UsageError`."""
    try:
        address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        # Named as TCP, or asyncio leaves small packets waiting for the client's acknowledgement (40 ms).
        bound = socket.socket(address[0], address[1], socket.IPPROTO_TCP)
    except (OSError, OverflowError) as error:
        raise UsageError(f"cannot bind to `{host}` port `{port}`: {error}", "try --host 127.0.0.1") from error
    try:
        if sys.platform != "win32":
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address[4])
        bound.listen(2048)
    except OSError as error:
        bound.close()
        used = error.errno == errno.EADDRINUSE
        what = f"port {port} of `{host}` is in use" if used else f"cannot serve at `{host}` port {port}: {error}"
        raise UsageError(what, f"choose another port, such as --port {port + 1}; 0 takes any free one") from error
    return bound


def address_of(bound: socket.socket, host: str) -> str:
    """Return the address a browser here is given, such as `http://127.0.0.1:8765`."""
    port = bound.getsockname()[1]
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{name}:{port}"


def allow_many_files() -> None:
    """Raise this process's limit of open files as far as it may, for a socket per stream on either side."""
    try:
        import resource
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def serve(
    state: State,
    bound: socket.socket,
    *,
    rules: AccessRules | None = None,
    limits: ConnectionLimits | None = None,
    listening: Callable[[], None] = lambda: None,
) -> None:
    """Serve pages and endpoint on a bound socket until a signal ends it; the state is closed then."""
    allow_many_files()
    server = make_server(make_app(state, rules=rules), state, limits=limits or ConnectionLimits(), listening=listening)
    try:
        with rare_collections():
            await server.serve([bound])
    finally:
        await state.close(grace=0.0 if server.force_exit else GRACE)


def make_server(app: ASGIApp, state: State, *, limits: ConnectionLimits, listening: Callable[[], None]) -> Server:
    """Return a server of an application, which has not begun."""
    kind = type("LimitedConnection", (Connection,), {"limits": limits})
    config = uvicorn.Config(
        app,
        loop="asyncio",
        http=kind,
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=limits.idle_seconds,
        timeout_graceful_shutdown=limits.grace_seconds,
        h11_max_incomplete_event_size=limits.head_bytes,
    )
    return Server(config, state, listening)
