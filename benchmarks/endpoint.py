"""What the OpenAI-compatible endpoint adds to the calls behind it, and how many streams it holds at once.

python benchmarks/endpoint.py MOCK [--requests 200] [--latency 50] [--flight 64] [--streams 500] [--json]

MOCK is the path of a mock server in JavaScript, run by node as `MOCK --port P --latency MS`. The server under test is
`stepdown serve` in a process of its own. A request of trace-of-thought is two calls, one after the other; beside it
stands a bare aiohttp client that makes the same two calls, turn by turn, so that both meet the same machine.
"""

import argparse
import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
from all import free_port, wait_for
from rows import print_row

MODEL = "trace-of-thought/openai/teacher->openai/student"
Ask = Callable[[str], Awaitable[tuple[float, float]]]


@contextmanager
def process(command: list[str], port: int, **environment: str) -> Iterator[tuple[str, int]]:
    """Run a server and give its base URL and process id."""
    child = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, **environment}
    )
    try:
        wait_for(port)
        yield f"http://127.0.0.1:{port}/v1", child.pid
    finally:
        child.send_signal(signal.SIGINT)
        child.wait(30)


@contextmanager
def servers(mock: Path, latency: int) -> Iterator[tuple[str, str, int]]:
    """Give the base URLs of a mock that answers after so many milliseconds and of the endpoint over it, and its id."""
    upstream, port = free_port(), free_port()
    command = ["node", str(mock), "--port", str(upstream), "--latency", str(latency)]
    with process(command, upstream) as (bare, _), tempfile.TemporaryDirectory() as folder:
        own = [sys.executable, "-m", "stepdown", "serve", "--port", str(port)]
        own += ["--store", str(Path(folder) / "endpoint.sqlite")]
        with process(own, port, OPENAI_BASE_URL=bare, OPENAI_API_KEY="none") as (served, child):
            yield bare, served, child


def cpu_ms(process: int) -> float:
    """Return the CPU time a process has used: what it adds on a machine that nobody else uses. Linux only."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return 1000 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def body_of(question: str, model: str, *, stream: bool) -> bytes:
    said = {"model": model, "messages": [{"role": "user", "content": question}], "max_tokens": 1024}
    return json.dumps({**said, "stream": True} if stream else said).encode()


async def post(session: aiohttp.ClientSession, url: str, body: bytes) -> tuple[float, float, bytes]:
    """Return the seconds to the first byte of the body and to its end, and the body."""
    began = time.perf_counter()
    async with session.post(f"{url}/chat/completions", data=body) as reply:
        first = await reply.content.readany()
        at = time.perf_counter() - began
        rest = await reply.read()
        assert reply.status == 200, (first + rest)[:300]
    return at, time.perf_counter() - began, first + rest


def asker(session: aiohttp.ClientSession, bare: str, served: str, *, stream: bool) -> dict[str, Ask]:
    """Return the two ways to have a question answered, each with (seconds to the first byte, seconds in all)."""

    async def directly(question: str) -> tuple[float, float]:
        first, planned, _ = await post(session, bare, body_of(f"{question} Do not solve it.", "teacher", stream=stream))
        _, solved, _ = await post(session, bare, body_of(f"{question} Follow the plan.", "student", stream=stream))
        return first, planned + solved

    async def through(question: str) -> tuple[float, float]:
        first, whole, _ = await post(session, served, body_of(question, MODEL, stream=stream))
        return first, whole

    return {"bare": directly, "served": through}


async def latencies(bare: str, served: str, child: int, count: int, *, stream: bool) -> dict[str, object]:
    """Ask one question after the other, by turns, and return medians in milliseconds."""
    taken: dict[str, list[tuple[float, float]]] = {"bare": [], "served": []}
    began = 0.0
    async with aiohttp.ClientSession() as session:
        ways = asker(session, bare, served, stream=stream)
        for number in range(count + 10):
            began = cpu_ms(child) if number == 10 else began
            for name, ask in ways.items():
                spent = await ask(f"What is {number} plus {name} {stream}?")
                taken[name] += [spent] if number >= 10 else []
    first, whole = ({name: 1000 * statistics.median(one[part] for one in spent) for name, spent in taken.items()}
                    for part in (0, 1))  # fmt: skip
    return {
        "benchmark": "endpoint", "stream": stream, "requests": count,
        "bare_ms": round(whole["bare"], 2), "served_ms": round(whole["served"], 2),
        "added_ms": round(whole["served"] - whole["bare"], 2),
        "first_byte_bare_ms": round(first["bare"], 2), "first_byte_served_ms": round(first["served"], 2),
        "first_byte_added_ms": round(first["served"] - first["bare"], 2),
        "server_cpu_ms": round((cpu_ms(child) - began) / count, 2),
    }  # fmt: skip


async def rates(bare: str, served: str, count: int, flight: int, *, stream: bool) -> dict[str, object]:
    """Ask with `flight` workers and return requests (of two calls) per second for both ways."""
    found: dict[str, float] = {}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        for name, ask in asker(session, bare, served, stream=stream).items():
            waiting = iter(range(count))

            async def work(name: str = name, ask: Ask = ask, waiting: Iterator[int] = waiting) -> None:
                for number in waiting:
                    await ask(f"How much is {number} and {name} {stream}?")

            began = time.perf_counter()
            await asyncio.gather(*(work() for _ in range(flight)))
            found[name] = round(count / (time.perf_counter() - began), 1)
    return {"benchmark": "endpoint-rate", "stream": stream, "flight": flight, "requests": count, **found}


async def held(served: str, count: int) -> dict[str, object]:
    """Open so many streams at once and return how many came to their end, and how long it took."""
    began = time.perf_counter()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        bodies = (body_of(f"What is {number} and one?", MODEL, stream=True) for number in range(count))
        replies = await asyncio.gather(*(post(session, served, body) for body in bodies))
    whole = sum(body.endswith(b"data: [DONE]\n\n") and b'"error"' not in body for _, _, body in replies)
    seconds = round(time.perf_counter() - began, 2)
    return {"benchmark": "endpoint-held", "streams": count, "whole": whole, "seconds": seconds}


def measure(mock: Path, chosen: argparse.Namespace) -> Iterator[dict[str, object]]:
    with servers(mock, chosen.latency) as (bare, served, child):
        for stream in (False, True):
            yield asyncio.run(latencies(bare, served, child, chosen.requests, stream=stream))
            yield asyncio.run(rates(bare, served, 5 * chosen.requests, chosen.flight, stream=stream))
    # Slow enough that all streams are under way before the first one ends.
    with servers(mock, 5000) as (_, served, _):
        yield asyncio.run(held(served, chosen.streams))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mock", type=Path)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--latency", type=int, default=50)
    parser.add_argument("--flight", type=int, default=64)
    parser.add_argument("--streams", type=int, default=500)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    for row in measure(chosen.mock, chosen):
        print_row(row, as_json=chosen.json)


if __name__ == "__main__":
    main()
