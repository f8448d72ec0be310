"""A real server over some pages in a thread of its own, and plain requests to it, for tests."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import aiohttp
import uvicorn
from starlette.applications import Starlette
from starlette.routing import BaseRoute

from stepdown.errors import StepdownError
from stepdown.web.refusals import refuse_error
from stepdown.web.state import State


class Answer(NamedTuple):
    """What a server answered; `place` is the path and query after redirections."""

    status: int
    text: str
    place: str
    headers: dict[str, str]


async def _ask(method: str, url: str, form: dict[str, str] | None) -> Answer:
    async with aiohttp.ClientSession() as session, session.request(method, url, data=form) as response:
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status, await response.text(), str(response.url.relative()), headers)


def get(url: str) -> Answer:
    return asyncio.run(_ask("GET", url, None))


def post(url: str, form: dict[str, str]) -> Answer:
    return asyncio.run(_ask("POST", url, form))


@contextmanager
def served(routes: Sequence[BaseRoute], make_state: Callable[[], State]) -> Iterator[str]:
    """Serve some addresses over a state, which is made in the server's thread; give where."""
    place = socket.create_server(("127.0.0.1", 0))
    servers: list[uvicorn.Server] = []
    started = threading.Event()

    async def work() -> None:
        app = Starlette(routes=list(routes), exception_handlers={StepdownError: refuse_error})
        app.state.stepdown = state = make_state()
        servers.append(uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="warning", access_log=False)))
        started.set()
        await servers[0].serve(sockets=[place])
        await state.close()

    thread = threading.Thread(target=lambda: asyncio.run(work()), daemon=True)
    thread.start()
    assert started.wait(10), "the server starts within 10 s"
    try:
        yield f"http://127.0.0.1:{place.getsockname()[1]}"
    finally:
        servers[0].should_exit = True
        thread.join(10)
