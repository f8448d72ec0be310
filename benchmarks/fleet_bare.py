"""What a client reaches on a fleet of local servers that stores and grades nothing: the ceiling of this machine.

python benchmarks/fleet_bare.py [--rounds 20] [--ms 200] [--json]

64 servers with 16 calls in flight at each, as in fleet.py, asked by a bare loop over aiohttp and by a client that only
writes a ready-made request and waits for the bytes of the reply. `client_us` and `servers_us` are microseconds of
processor time a call.
"""

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import aiohttp
from all import free_ports, wait_for
from rows import print_row

from stepdown.loops import run_loop

SERVERS, FLIGHT = 64, 16
HERE = Path(__file__).parent
MESSAGE = {"role": "user", "content": "What is 1000 plus 1001? Give the answer at the end as `Answer: N`."}
BODY = json.dumps({"model": "m", "messages": [MESSAGE], "max_tokens": 16, "temperature": 0.0}).encode()
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n"
Client = Callable[[list[int], int], Awaitable[None]]


@contextmanager
def server(log: Path, *ports: int, slots: int, ms: float) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process that is a server at each port."""
    command = [sys.executable, str(HERE / "fleet_server.py"), str(log), *map(str, ports)]
    process = subprocess.Popen([*command, "--slots", str(slots), "--ms", str(ms)])
    try:
        wait_for(ports[-1])
        yield process
    finally:
        process.kill()
        process.wait()


class Line(asyncio.Protocol):
    """One connection on which a request follows each reply, `left` times."""

    def __init__(self, left: int, done: Callable[[], None]) -> None:
        self.left, self.done, self.data = left, done, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(HEAD % len(BODY) + BODY)

    def data_received(self, data: bytes) -> None:
        self.data += data
        head, mark, body = self.data.partition(b"\r\n\r\n")
        if not mark or len(body) < int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0]):
            return
        self.data, self.left = b"", self.left - 1
        if self.left:
            self.transport.write(HEAD % len(BODY) + BODY)
        else:
            self.transport.close()
            self.done()


async def by_bytes(ports: list[int], rounds: int) -> None:
    """Ask without reading what comes."""
    loop, left = asyncio.get_running_loop(), len(ports) * FLIGHT
    over = loop.create_future()

    def done() -> None:
        nonlocal left
        left -= 1
        if not left:
            over.set_result(None)

    for port in ports:
        lines = (loop.create_connection(lambda: Line(rounds, done), "127.0.0.1", port) for _ in range(FLIGHT))
        await asyncio.gather(*lines)
    await over


async def by_aiohttp(ports: list[int], rounds: int) -> None:
    """Ask by `aiohttp`, and read each reply as JSON."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def work(port: int) -> None:
            url = f"http://127.0.0.1:{port}/v1/chat/completions"
            for _ in range(rounds):
                async with session.post(url, data=BODY, headers={"content-type": "application/json"}) as reply:
                    assert json.loads(await reply.read())["choices"]

        await asyncio.gather(*(work(port) for port in ports for _ in range(FLIGHT)))


CLIENTS: dict[str, Client] = {"bytes": by_bytes, "aiohttp": by_aiohttp}


def bare(name: str, folder: Path, ms: int, rounds: int) -> dict[str, object]:
    """Let a client ask all servers, so many calls for each place in flight."""

    async def work() -> None:
        await CLIENTS[name](ports, rounds)

    ports, ideal, count = free_ports(SERVERS), SERVERS * FLIGHT / ms * 1000, SERVERS * FLIGHT * rounds
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with server(folder / f"{name}.txt", *ports, slots=FLIGHT, ms=ms):
        began, cpu = time.perf_counter(), time.process_time()
        run_loop(work())
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    servers = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "benchmark": "fleet-bare", "client": name, "servers": SERVERS, "flight": FLIGHT, "latency_ms": ms,
        "calls": count, "ideal": round(ideal), "rate": round(count / took), "share": round(count / took / ideal, 3),
        "client_us": round(cpu / count * 1e6), "servers_us": round(servers / count * 1e6),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--ms", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name in CLIENTS:
            print_row(bare(name, Path(folder), chosen.ms, chosen.rounds), as_json=chosen.json)


if __name__ == "__main__":
    main()
