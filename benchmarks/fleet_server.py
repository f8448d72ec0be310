"""Small OpenAI-compatible servers of a known speed, for measuring a fleet.

python benchmarks/fleet_server.py LOG PORT... [--slots 8] [--ms 100]

Each port is a server that works on `slots` requests at once, each for `ms` milliseconds; others wait their turn. Every
request that was answered is a line of LOG: port, seconds since 1970, the prompt's digest, seconds of work. On a busy
machine a server's timers are late, and it is slower than it was told to be.
"""

import argparse
import asyncio
import hashlib
import json
import os
import time
from collections import deque
from functools import partial
from typing import cast

from stepdown.loops import run_loop

MODEL = "m"
TOKENS = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}


def _response(body: object) -> bytes:
    raw = json.dumps(body).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(raw), raw)


MODELS = _response({"object": "list", "data": [{"id": MODEL, "object": "model"}]})
_MESSAGE = {"role": "assistant", "content": "Let us add the parts.\n\nAnswer: 42"}
_CHOICE = {"index": 0, "message": _MESSAGE, "finish_reason": "stop"}
REPLY = _response({"object": "chat.completion", "model": MODEL, "choices": [_CHOICE], "usage": TOKENS})


class Server:
    """One server: its turns, and where it writes what it answered."""

    def __init__(self, port: int, log: int, slots: int, seconds: float) -> None:
        self.port, self.log, self.slots, self.seconds = port, log, slots, seconds
        self.working = 0
        self.waiting: deque[tuple[Connection, bytes]] = deque()

    def take(self, connection: "Connection", body: bytes) -> None:
        if self.working >= self.slots:
            self.waiting.append((connection, body))
            return
        self.working += 1
        loop = asyncio.get_running_loop()
        loop.call_later(self.seconds, self.answer, connection, body, loop.time())

    def answer(self, connection: "Connection", body: bytes, began: float) -> None:
        self.working -= 1
        if not connection.transport.is_closing():
            digest = hashlib.blake2b(body, digest_size=12).hexdigest()
            took = asyncio.get_running_loop().time() - began
            os.write(self.log, f"{self.port} {time.time():.4f} {digest} {took:.4f}\n".encode())
            connection.transport.write(REPLY)
        while self.waiting and self.working < self.slots:
            self.take(*self.waiting.popleft())


class Connection(asyncio.Protocol):
    """One client, which sends a request after the answer to the one before."""

    def __init__(self, server: Server) -> None:
        self.server, self.data = server, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.data += data
        head, mark, body = self.data.partition(b"\r\n\r\n")
        if not mark:
            return
        if head.startswith(b"GET"):
            self.data = b""
            self.transport.write(MODELS)
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) >= length:
            self.data = b""
            self.server.take(self, body)


async def serve(chosen: argparse.Namespace) -> None:
    log = os.open(chosen.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    loop = asyncio.get_running_loop()
    for port in chosen.ports:
        server = Server(port, log, chosen.slots, chosen.ms / 1000)
        await loop.create_server(partial(Connection, server), "127.0.0.1", port, backlog=1024)
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log")
    parser.add_argument("ports", type=int, nargs="+")
    parser.add_argument("--slots", type=int, default=8)
    parser.add_argument("--ms", type=float, default=100)
    run_loop(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
