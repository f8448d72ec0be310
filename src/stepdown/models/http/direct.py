"""Connections to plain HTTP addresses without what most of aiohttp's time goes into; httptools reads the responses.

For calls to servers of one's own, by the thousand a second: no TLS, no proxy, no redirects, no cookies, one response
at a time on each connection. It raises what aiohttp raises, so that whoever asks need not know which it is.
"""

import asyncio
import socket
import time
import zlib
from base64 import b64encode
from collections import deque
from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import cast

from aiohappyeyeballs import start_connection
from aiohttp import ClientPayloadError, ConnectionTimeoutError, ServerDisconnectedError
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser
from multidict import CIMultiDict
from yarl import URL

# A head longer than this is none. Of a body that nobody reads so much waits here, then the sender has to.
_MOST_HEAD, _MOST_WAITING = 64 << 10, 256 << 10
_PIECE = 1 << 20  # bytes that are decompressed at a time
# Seconds of silence after which a host's next address is tried too, as aiohttp does: one of two may lead nowhere.
_NEXT_ADDRESS = 0.25
_FRAMES = {b"content-length", b"transfer-encoding"}
_COMPRESSED = {b"gzip", b"x-gzip", b"deflate"}


class DirectSession:
    """Kept-alive connections to one address, in one event loop; `timeout`, `connect` and `idle` are in seconds."""

    def __init__(self, headers: Mapping[str, str], *, timeout: float, connect: float, idle: float) -> None:
        self._headers = headers
        self._timeout, self._connect, self._idle = timeout, connect, idle
        self._loop = asyncio.get_running_loop()
        self._free: deque[_Connection] = deque()
        self._all: set[_Connection] = set()
        self._due = _Due(self._loop)
        self.closed = False

    async def post(self, url: str, data: bytes) -> "DirectResponse":
        """Return a response whose body is still to be read."""
        return await self._sent("POST", url, data)

    async def get(self, url: str) -> "DirectResponse":
        """Return a response whose body is still to be read."""
        return await self._sent("GET", url, b"")

    async def close(self) -> None:
        """Close the connections."""
        self.closed = True
        self._due.end()
        if not self._loop.is_closed():
            for connection in list(self._all):
                connection.abort()
            await asyncio.sleep(0)
        self._free.clear()

    @cached_property
    def _lines(self) -> str:
        """What every head has. Raises `ValueError` for a header that would end its line, and begin another."""
        lines = [f"{name}: {value}" for name, value in self._headers.items()]
        if any(one in line for line in lines for one in "\r\n\0"):
            raise ValueError("a line end in a header")
        return "".join(f"{line}\r\n" for line in lines)

    async def _sent(self, method: str, url: str, data: bytes) -> "DirectResponse":
        target, opening = _target(method, url)
        head = f"{opening}{self._lines}Content-Length: {len(data)}\r\n\r\n".encode()
        until = self._loop.time() + self._timeout
        connection = self._kept() or await self._connected(target)
        response = connection.begin(until)
        connection.write(head + data)
        try:
            await response.opened()
        except BaseException:
            connection.abort()
            raise
        return response

    def _kept(self) -> "_Connection | None":
        oldest = time.monotonic() - self._idle
        while self._free and self._free[0].since < oldest:
            self._free.popleft().abort()
        while self._free:
            connection = self._free.pop()
            if connection.is_open:
                return connection
        return None

    async def _connected(self, target: URL) -> "_Connection":
        if target.raw_host is None or target.port is None:
            raise ValueError("an address without a host")
        try:
            async with asyncio.timeout(min(self._connect, self._timeout)):
                places = await self._loop.getaddrinfo(target.raw_host, target.port, type=socket.SOCK_STREAM)
                opened = await start_connection(places, happy_eyeballs_delay=_NEXT_ADDRESS)
                opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                _, connection = await self._loop.create_connection(
                    lambda: _Connection(self._free, self._all, self._due), sock=opened
                )
        except TimeoutError:
            raise ConnectionTimeoutError() from None
        except socket.gaierror:
            raise
        except (OSError, RuntimeError) as error:
            # Whatever the system or uvloop calls it: there is no connection, and so nothing was sent.
            raise ConnectionRefusedError(str(error)) from None
        return connection


class _Due:
    """When each response under way is to be whole: one timer for all, as thousands would be set and cancelled a second.

    It is set for the earliest moment there was, and looks then which is the earliest there is.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._moments: dict[DirectResponse, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, response: "DirectResponse", until: float) -> None:
        """Let a response fail that is not whole at a moment by the loop's clock."""
        self._moments[response] = until
        if self._timer is None or until < self._timer.when():
            self._set(until)

    def drop(self, response: "DirectResponse") -> None:
        """Take in that nobody waits for a response any more."""
        self._moments.pop(response, None)

    def end(self) -> None:
        """Set no timer any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _set(self, until: float) -> None:
        self.end()
        self._timer = self._loop.call_at(until, self._look)

    def _look(self) -> None:
        now, self._timer = self._loop.time(), None
        for response in [one for one, until in self._moments.items() if until <= now]:
            self.drop(response)
            response.fail(TimeoutError())
        if self._moments and self._timer is None:
            self._set(min(self._moments.values()))


@lru_cache(maxsize=4096)
def _target(method: str, url: str) -> tuple[URL, str]:
    """Return where a request goes, and the first lines of its head. Raises `ValueError`."""
    target = URL(url)
    opening = f"{method} {target.raw_path_qs} HTTP/1.1\r\nHost: {target.host_port_subcomponent}\r\nAccept: */*\r\n"
    if target.user is not None or target.password is not None:
        named = b64encode(f"{target.user or ''}:{target.password or ''}".encode()).decode()
        opening += f"Authorization: Basic {named}\r\n"
    return target, f"{opening}Accept-Encoding: gzip\r\n"


class DirectResponse:
    """A response whose body is still to be read."""

    def __init__(self, connection: "_Connection", due: _Due, until: float) -> None:
        self.status = 0
        self._head: list[tuple[bytes, bytes]] = []
        self._connection: _Connection | None = connection
        self._loop = asyncio.get_running_loop()
        self._parts: deque[bytes] = deque()
        self._waiting, self._over = 0, False
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._inflate: zlib._Decompress | None = None
        self._due = due
        due.add(self, until)

    @property
    def headers(self) -> CIMultiDict[str]:
        """The head, by names in any case; hardly any response is asked for it."""
        return CIMultiDict((name.decode("latin-1"), value.decode(errors="replace")) for name, value in self._head)

    async def opened(self) -> None:
        """Return once the head has come."""
        while not self.status:
            if self._error is not None:
                raise self._error
            await self._more()

    async def read(self) -> bytes:
        """Return the next bytes of the body, none at its end."""
        if self._inflate is None:
            return await self._next()
        while chunk := self._inflate.unconsumed_tail or await self._next():
            # What comes after the end of the compressed bytes is read, to the end of the body, and dropped.
            if not self._inflate.eof and (piece := self._inflated(chunk)):
                return piece
        return b""

    def close(self) -> None:
        """Drop the connection, whatever more comes."""
        self._due.drop(self)
        if self._connection is not None:
            self._connection.abort()

    async def _next(self) -> bytes:
        while not self._parts:
            if self._error is not None:
                raise self._error
            if self._over:
                return b""
            await self._more()
        part = self._parts.popleft()
        self._waiting -= len(part)
        if self._connection is not None and self._waiting < _MOST_WAITING:
            self._connection.resume()
        return part

    def _inflated(self, chunk: bytes) -> bytes:
        assert self._inflate is not None, "the body is compressed"
        try:
            return self._inflate.decompress(chunk, _PIECE)
        except zlib.error as error:
            raise ClientPayloadError(str(error)) from None

    async def _more(self) -> None:
        self._waiter = self._loop.create_future()
        await self._waiter

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # -- called by the connection

    def begin(self, status: int, head: list[tuple[bytes, bytes]], coding: bytes) -> None:
        """Take in the head, and how the body is compressed."""
        self.status, self._head = status, head
        if coding.lower() in _COMPRESSED:
            self._inflate = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
        self._wake()

    def add(self, part: bytes) -> bool:
        """Take in bytes of the body; return whether the sender should wait."""
        self._parts.append(part)
        self._waiting += len(part)
        self._wake()
        return self._waiting > _MOST_WAITING

    def end(self) -> None:
        """Take in that the body is whole: its connection is another's."""
        self._over, self._connection = True, None
        self._due.drop(self)
        self._wake()

    def fail(self, error: Exception) -> None:
        """Take in that no more will come."""
        connection, self._connection = self._connection, None
        if not self._over:
            self._over, self._error = True, error
            self._due.drop(self)
            self._wake()
        if connection is not None:
            connection.abort()


class _Connection(asyncio.Protocol):
    """One connection with at most one response under way; `since` is when it last became free (`time.monotonic`)."""

    def __init__(self, free: "deque[_Connection]", every: "set[_Connection]", due: _Due) -> None:
        self._free, self._every, self._due = free, every, due
        self._parser = HttpResponseParser(self)
        # As aiohttp reads what servers send: lines that end in LF alone or go on in the next, blanks behind a size.
        self._parser.set_dangerous_leniencies(
            lenient_headers=True, lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )
        self._transport: asyncio.Transport | None = None
        self._response: DirectResponse | None = None
        self.since = 0.0
        self._paused = self._stray = False
        self._reset()

    def _reset(self) -> None:
        self._head: list[tuple[bytes, bytes]] = []
        self._coding = b""
        self._size, self._in_head, self._framed = 0, True, False

    @property
    def is_open(self) -> bool:
        """Whether it can be written to."""
        return self._transport is not None and not self._transport.is_closing()

    def begin(self, until: float) -> DirectResponse:
        """Return the response to the request that is written next, to be whole until a moment by the loop's clock."""
        self._reset()
        self._response = DirectResponse(self, self._due, until)
        return self._response

    def write(self, data: bytes) -> None:
        """Send a request."""
        assert self._transport is not None, "it is connected"
        self._transport.write(data)

    def resume(self) -> None:
        """Let more of the body come."""
        if self._paused and self._transport is not None and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    def abort(self) -> None:
        """Drop it."""
        if self._transport is not None:
            self._transport.abort()

    # -- called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own are no subclass
        self._every.add(self)

    def data_received(self, data: bytes) -> None:
        self._size += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self._break(str(error))
            return
        if self._stray:
            self.abort()
        elif self._in_head and self._size > _MOST_HEAD:
            self._break("a head without end")

    def connection_lost(self, error: Exception | None) -> None:
        self._every.discard(self)
        self._transport = None
        response = self._response
        if response is None:
            return
        if not self._in_head and not self._framed:
            self._response = None
            response.end()
        else:
            self._break("closed")

    def _break(self, why: str) -> None:
        response, self._response = self._response, None
        if response is not None:
            response.fail(ServerDisconnectedError(why) if self._in_head else ClientPayloadError(why))
        self.abort()

    # -- called by the parser

    def on_message_begin(self) -> None:
        self._stray = self._response is None  # something that nobody asked for

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head.append((name, value))
        low = name.lower()
        if low in _FRAMES:
            self._framed = True
        elif low == b"content-encoding":
            self._coding = value.strip()

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            self._head = []
        elif self._response is not None:
            self._in_head = False
            self._response.begin(status, self._head, self._coding)

    def on_body(self, body: bytes) -> None:
        if self._response is not None and self._response.add(body) and self.is_open and not self._paused:
            assert self._transport is not None, "it is open"
            self._paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        if self._in_head or self._response is None:  # a status before the one that counts, such as 100, or stray bytes
            return
        response, self._response = self._response, None
        response.end()
        self.resume()
        if self._parser.should_keep_alive() and self.is_open:
            self.since = time.monotonic()
            self._free.append(self)
        else:
            self.abort()
