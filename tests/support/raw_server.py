"""A server that sends exactly the bytes it is given, well-formed or not, for tests of faulty endpoints."""

import asyncio
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from faulty_server import serving

END = object()  # in a list of bytes: wait until the server is stopped, with the connection open


class RawServer:
    """Sends the next of `responses` to each request, and the last one from then on; `bodies` keeps what was asked.

    A response is bytes, or a list of bytes sent one after another, after which the connection is closed.
    """

    def __init__(self, responses: Sequence[bytes | list[Any]]) -> None:
        self.responses = list(responses)
        self.bodies: list[dict[str, Any]] = []
        self.heads: list[bytes] = []
        self.url = ""
        self.stopping = asyncio.Event()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                (int(line[15:]) for line in head.split(b"\r\n") if line[:15].lower() == b"content-length:"), 0
            )
            self.heads.append(head)
            self.bodies.append(json.loads(await reader.readexactly(length) or b"{}"))
            response = self.responses.pop(0) if len(self.responses) > 1 else self.responses[0]
            for part in response if isinstance(response, list) else [response]:
                if part is END:
                    await self.stopping.wait()
                    break
                writer.write(part)
                await writer.drain()
        writer.close()

    async def run(self, started: threading.Event) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        self.loop = asyncio.get_running_loop()
        started.set()
        await self.stopping.wait()
        server.close()
        await asyncio.sleep(0)

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.stopping.set)


@contextmanager
def raw_server(*responses: bytes | list[Any]) -> Iterator[RawServer]:
    """Serve in a thread of its own."""
    with serving(RawServer(responses)) as server:
        yield server


def http(body: bytes, *heads: str, status: str = "200 OK", kind: str = "application/json") -> bytes:
    """Return a whole response with an honest length unless a head says another."""
    own = () if any(head.lower().startswith(("content-length", "transfer")) for head in heads) else (len(body),)
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", *heads, *(f"Content-Length: {size}" for size in own)]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body


def said(content: Any = "It is 4.", finish: Any = "stop", usage: Any = None, **more: Any) -> dict[str, Any]:
    """Return a completion; `more` goes into its choice."""
    choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": finish} | more
    return {"model": "m", "choices": [choice], "usage": usage}


def as_json(value: Any) -> bytes:
    """Return a whole response with this JSON."""
    return http(json.dumps(value).encode())


def events(*lines: str | dict[str, Any], end: bytes = b"\n\n") -> bytes:
    """Return an event stream of these data lines."""
    words = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    return b"".join(b"data: " + word.encode() + end for word in words)
