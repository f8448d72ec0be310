"""The OpenAI-compatible endpoint on a real port, with scripted models behind it, for tests."""

import asyncio
import json
import socket
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import uvicorn
from openai import OpenAI
from starlette.applications import Starlette
from starlette.routing import Mount

from prompt_server import PromptServer
from stepdown.custom import CustomModel
from stepdown.runner import Budget, plain
from stepdown.store import Store
from stepdown.types import Capabilities, Messages, Model, Reply, Sampling, Usage
from stepdown.web.config import Config
from stepdown.web.openai import ROUTES, Service
from stepdown.web.state import State

NAME = "trace-of-thought/openai/teacher->openai/student"


class Endpoint:
    """A server under way: its base URL and what it holds."""

    def __init__(self, url: str, state: State, loop: asyncio.AbstractEventLoop) -> None:
        self.url, self.state, self.loop = url, state, loop

    def call(self, work: Callable[[], None]) -> None:
        """Do something in the server's loop."""
        self.loop.call_soon_threadsafe(work)

    async def reached(self, event: asyncio.Event) -> None:
        """Wait for an event of the server's loop. Raises `TimeoutError` after 10 s."""
        waiting = asyncio.run_coroutine_threadsafe(event.wait(), self.loop)
        await asyncio.wait_for(asyncio.wrap_future(waiting), 10)

    def store(self) -> Store:
        """Open the server's store, as another process would."""
        return Store(self.state.path)

    def client(self) -> OpenAI:
        """Return the official client; it asks once, so that a test sees the first answer."""
        return OpenAI(base_url=self.url, api_key="none", max_retries=0)


def app_of(state: State, most: int) -> Starlette:
    """Return the endpoint alone; closing it closes the state."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await state.close()

    app = Starlette(routes=[Mount("/v1", routes=ROUTES)], lifespan=lifespan)
    app.state.stepdown, app.state.service = state, Service(state, most=most)
    return app


@contextmanager
def endpoint(
    folder: Path,
    models: Mapping[str, Model],
    *,
    config: Config | None = None,
    budget: Budget | None = None,
    most: int = 100,
) -> Iterator[Endpoint]:
    """Serve in a thread of its own, so that plain and asynchronous clients can both be tested."""
    listener = socket.create_server(("127.0.0.1", 0))
    made: list[Endpoint] = []
    servers: list[PromptServer] = []
    begun = threading.Event()

    async def serve() -> None:
        state = State(folder / "served.sqlite", config=config, budget=budget)
        state.models.update(models)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        made.append(Endpoint(url, state, asyncio.get_running_loop()))
        options = uvicorn.Config(app_of(state, most), log_level="critical", timeout_graceful_shutdown=1)
        servers.append(PromptServer(options))
        begun.set()
        await servers[0].serve([listener])

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert begun.wait(10), "the server begins within 10 s"
    try:
        yield made[0]
    finally:
        servers[0].should_exit = True
        thread.join(10)


class Slow(CustomModel):
    """A model that says one word and then nothing until it is let go on; it knows whether it was ended."""

    capabilities = Capabilities(source="slow", local=True, streams=True)

    def __init__(self, error: Exception | None = None) -> None:
        self.name, self.error = "openai/student", error
        self.asked, self.ended, self.go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def reply(self, messages: Messages, sampling: Sampling, n: int = 1) -> list[Reply]:
        async with aclosing(self.stream(messages, sampling)) as pieces:
            return [one async for one in pieces if isinstance(one, Reply)]

    async def stream(self, messages: Messages, sampling: Sampling) -> AsyncGenerator[str | Reply, None]:
        yield "One "
        self.asked.set()
        try:
            await self.go_on.wait()
            if self.error is not None:
                raise self.error
            yield Reply("One ", self.name, Usage(1, 1))
        finally:
            self.ended.set()


def broken_off(folder: Path, model: Slow, asked: Sequence[Mapping[str, str]]) -> bytes:
    """Return what a client is sent after the first word of a slow model, which then goes on to its error."""
    body = {"model": "direct/openai/student", "messages": asked, "stream": True}

    async def read(served: Endpoint) -> bytes:
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{served.url}/chat/completions", json=body) as reply,
        ):
            await reply.content.readuntil(b"One ")
            served.call(model.go_on.set)
            return await reply.read()

    with endpoint(folder, {"openai/student": model}) as served:
        return plain(read(served))


def post_json(url: str, body: object, *, path: str = "/chat/completions") -> tuple[int, dict[str, str], Any]:
    """Return the status, headers and JSON of an answer; a text is sent as it is."""

    async def ask() -> tuple[int, dict[str, str], Any]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with aiohttp.ClientSession() as session, session.post(url + path, data=data) as reply:
            return reply.status, {name.lower(): value for name, value in reply.headers.items()}, await reply.json()

    return plain(ask())
