"""A server that is only looked at: one rule over all routes, pages without forms, a file that nobody writes."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount, Route

from run_pages import put_run
from stepdown.models.environment import Secret
from stepdown.runner import plain
from stepdown.store import Store
from stepdown.web.app import make_app, routes
from stepdown.web.in_process import InProcessAnswer, ask_in_process
from stepdown.web.openai import EVERY
from stepdown.web.security.rules import AccessRules
from stepdown.web.state import State

PROGRAM = ((b"host", b"localhost"), (b"accept", b"application/json"))
WRITES = ["POST", "PUT", "PATCH", "DELETE"]


def addresses(listed: Sequence[BaseRoute], before: str = "") -> Iterator[tuple[str, Route]]:
    for route in listed:
        if isinstance(route, Mount):
            yield from addresses(route.routes or (), before + route.path)
        elif isinstance(route, Route):
            yield re.sub(r"\{\w+(:path)?\}", "x", before + route.path), route


ADDRESSES = list(addresses(routes()))


def asked(path: Path, address: str, method: str = "GET", *, token: str = "", page: bool = False) -> InProcessAnswer:
    async def work() -> InProcessAnswer:
        state = State(path, read_only=True, token=Secret(token))
        app: Starlette = make_app(state, rules=AccessRules(read_only=True))
        headers = ((b"host", b"localhost"),) if page else PROGRAM
        try:
            return await ask_in_process(app, address, method=method, headers=headers)
        finally:
            await state.close()

    return plain(work())


@pytest.fixture
def path(store: Store) -> Path:
    put_run(store, "rw-")
    return store.path


@pytest.mark.parametrize("address", sorted({address for address, _ in ADDRESSES}))
def test_no_route_of_the_application_takes_more_than_a_look(path: Path, address: str) -> None:
    methods = {method for at, route in ADDRESSES if at == address for method in route.methods or EVERY}
    wanted = [one for one in WRITES if one in methods or not address.startswith("/v1")]
    for method in [*wanted, *(["GET", "POST"] if address.startswith("/v1") else ["POST"])]:
        found = asked(path, address, method)
        assert (found.status, '"read_only"' in found.text) == (403, True), f"{method} {address}"


def test_the_routes_that_write_are_among_those_tried() -> None:
    posts = [address for address, route in ADDRESSES if "POST" in (route.methods or ())]
    assert len(posts) >= 8 and "/v1/responses" in posts and "/runs/x/plans/x" in posts


def test_pages_have_no_form_that_changes_anything_and_say_why(path: Path) -> None:
    with Store(path) as store:
        run = store.runs()[0].id
    for address in ("/", f"/runs/{run}", f"/runs/{run}/traces/sums/test/1", f"/compare?run={run}"):
        found = asked(path, address, page=True)
        assert found.status == 200 and 'method="post"' not in found.text and "Read-only" in found.text
        assert 'href="/new"' not in found.text


@pytest.mark.parametrize("address", ["/new", "/reviews", "/jobs/x"])
def test_a_page_that_begins_a_change_is_refused_in_words(path: Path, address: str) -> None:
    found = asked(path, address, page=True)
    assert found.status == 403 and "read-only" in found.text


def test_the_file_is_opened_to_read_it_alone(path: Path) -> None:
    before = path.read_bytes()
    asked(path, "/", page=True)
    assert path.read_bytes() == before


def test_who_needs_a_token_can_still_log_in(path: Path) -> None:
    token = "a-token-of-enough-letters"
    assert 'action="/login"' in asked(path, "/login", token=token, page=True).text
    wrong = asked(path, "/login", "POST", token=token, page=True).text
    assert "Log in" in wrong and "is changed here" not in wrong
