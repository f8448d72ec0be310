"""A server that is killed while it streams: the store is sound, and what was answered before is there."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from faulty_server import Body, FaultyServer, faulty_server
from stepdown.store import Store

pytestmark = pytest.mark.slow

MODEL = "trace-of-thought/openai-api/here/teacher->openai-api/here/student"
FINISHED, STREAMS, ANSWERED = 8, 50, 25


def speak(body: Body) -> str:
    return "1. Add them." if body["model"] == "teacher" else "Answer: 4"


class Asker:
    """Streams answers from a server; `begun` and `ended` count them, and a cut one is no error."""

    def __init__(self, session: aiohttp.ClientSession, address: str) -> None:
        self.session, self.address = session, address
        self.begun = self.ended = 0

    async def stream(self, question: str) -> None:
        said = {"model": MODEL, "stream": True, "messages": [{"role": "user", "content": question}]}
        heard = b""
        try:
            async with self.session.post(f"{self.address}/v1/chat/completions", json=said) as answer:
                async for part in answer.content.iter_any():
                    self.begun += not heard
                    heard += part
        except aiohttp.ClientError:
            return
        self.ended += b"[DONE]" in heard and b'"error"' not in heard

    async def stream_all(self, name: str, count: int) -> None:
        await asyncio.gather(*(self.stream(f"{name} {number}: 2 plus 2?") for number in range(count)))


async def until(condition: Callable[[], object]) -> None:
    """Wait until something is so, 30 s at most."""
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


async def ask_and_kill(address: str, endpoint: FaultyServer, server: "subprocess.Popen[str]") -> int:
    """Have some answers finished, kill the server while fifty more stream, and return how many were finished."""
    async with aiohttp.ClientSession() as session:
        asker = Asker(session, address)
        await asker.stream_all("first", FINISHED)
        assert asker.ended == FINISHED
        # No fault for as many calls, then endpoints that never answer.
        endpoint.faults = [*[""] * ANSWERED, *["hang"] * 200]
        more = asyncio.create_task(asker.stream_all("more", STREAMS))
        await until(lambda: asker.begun == FINISHED + STREAMS and len(endpoint.bodies) > 2 * FINISHED + ANSWERED)
        server.kill()
        await more
        return asker.ended


def test_a_killed_server_leaves_a_sound_store_with_every_finished_answer(tmp_path: Path) -> None:
    with faulty_server(speak=speak) as endpoint:
        server = subprocess.Popen(
            [sys.executable, "-m", "stepdown", "serve", "--port=0", "--store=s.sqlite"],
            cwd=tmp_path,
            env=os.environ | {"HERE_BASE_URL": endpoint.url, "HERE_API_KEY": "x"},
            stderr=subprocess.PIPE,
            text=True,
        )
        with server:
            assert server.stderr is not None
            found = re.search(r"http://\S+", server.stderr.readline())
            assert found is not None
            ended = asyncio.run(ask_and_kill(found[0], endpoint, server))
    assert FINISHED <= ended < FINISHED + STREAMS
    check_store(tmp_path / "s.sqlite", ended)


def check_store(path: Path, ended: int) -> None:
    """Hold a store against how many answers clients had in full: sound, and all of those are in it."""
    with Store(path) as store:
        assert store.db.execute("pragma integrity_check").fetchone() == ("ok",)
        (run,) = store.runs()
        whole = [trace for trace in run.traces() if trace.solution == "Answer: 4 " or trace.solution == "Answer: 4"]
        calls = store.value("select count(*) from calls")
        assert len(whole) >= ended and 2 * ended <= calls <= 2 * FINISHED + ANSWERED
