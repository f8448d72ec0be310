"""A real server of a small state, in a thread of its own, and plain requests to it, for tests."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import aiohttp
from starlette.applications import Starlette
from starlette.routing import BaseRoute

from prompt_server import PromptPages
from stepdown.web.app import make_app
from stepdown.web.security.rules import AccessRules
from stepdown.web.server.serving import ConnectionLimits, address_of, bind, make_server
from stepdown.web.state import State


class Answer(NamedTuple):
    """What a server answered; `place` is the path and query after redirections."""

    status: int
    text: str
    place: str
    headers: dict[str, str]


async def _ask(method: str, url: str, form: dict[str, str] | None, cookie: str) -> Answer:
    sent = {"Cookie": cookie} if cookie else {}
    async with aiohttp.ClientSession(headers=sent) as session, session.request(method, url, data=form) as response:
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status, await response.text(), str(response.url.relative()), headers)


def get(url: str, *, cookie: str = "") -> Answer:
    return asyncio.run(_ask("GET", url, None, cookie))


def post(url: str, form: dict[str, str], *, cookie: str = "") -> Answer:
    return asyncio.run(_ask("POST", url, form, cookie))


@contextmanager
def served(
    make: Callable[[], State],
    *,
    rules: AccessRules | None = None,
    limits: ConnectionLimits | None = None,
    more: Sequence[BaseRoute] = (),
) -> Iterator[str]:
    """Serve a state, made in the server's own loop, with further routes; yields the address."""
    bound, listening, servers = bind("127.0.0.1", 0), threading.Event(), list[PromptPages]()

    async def work() -> None:
        state = make()
        app: Starlette = make_app(state, rules=rules)
        app.router.routes[:0] = more
        limited = make_server(app, state, limits=limits or ConnectionLimits(grace_seconds=1), listening=listening.set)
        servers.append(PromptPages(limited.config, state, listening.set))
        await servers[0].serve([bound])
        await state.close()

    thread = threading.Thread(target=lambda: asyncio.run(work()), daemon=True)
    thread.start()
    assert listening.wait(10), "the server listens within 10 s"
    try:
        yield address_of(bound, "127.0.0.1")
    finally:
        servers[0].should_exit = True
        thread.join(20)
        bound.close()
