"""What is refused is refused in JSON to a program, at any address, and as a page to a person."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from served import served
from stepdown.errors import BudgetReached, EndpointRefused, StoreError
from stepdown.models.environment import Secret
from stepdown.web.server.serving import ConnectionLimits
from stepdown.web.state import State

TOKEN = "a-token-of-enough-letters"
PROGRAM = {"accept": "application/json"}
BROWSER = {"accept": "text/html,application/xhtml+xml,application/json;q=0.9,*/*;q=0.8"}


async def fail(request: Request) -> Response:
    raise RuntimeError("a fault of ours")


async def refuse(request: Request) -> Response:
    kinds = {"store": StoreError, "budget": BudgetReached, "endpoint": EndpointRefused}
    raise kinds[request.query_params["by"]]("it is so", "mend it")


MORE = [Route("/fail", fail), Route("/refuse", refuse)]
CASES = [
    ("GET", "/nowhere", "", 404),
    ("GET", "/runs/none", "", 404),
    ("GET", "/jobs/none", "", 404),
    ("GET", "/static/none.js", "", 404),
    ("GET", "/corpora/none", "", 404),
    ("DELETE", "/jobs", "", 405),
    ("POST", "/jobs", "x" * (300 << 10), 413),
    ("POST", "/jobs", "student=/etc/passwd", 400),
    ("POST", "/jobs", "a=b&" * 2001, 400),
    ("GET", "/fail", "", 500),
    ("GET", "/refuse?by=store", "", 503),
    ("GET", "/refuse?by=budget", "", 429),
    ("GET", "/refuse?by=endpoint", "", 502),
]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path = tmp_path_factory.mktemp("errors") / "s.sqlite"
    with served(lambda: State(path), more=MORE) as found:
        yield found


def ask(url: str, method: str, body: str = "", headers: dict[str, str] = PROGRAM) -> tuple[int, str, str]:
    """Return status, content type and text of an answer; nothing is followed."""

    async def work() -> tuple[int, str, str]:
        form = {"content-type": "application/x-www-form-urlencoded"}
        async with (
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.request(method, url, data=body, headers={**form, **headers}, allow_redirects=False) as answer,
        ):
            return answer.status, answer.content_type, await answer.text()

    return asyncio.run(work())


def error_in(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)["error"]
    return found


@pytest.mark.parametrize(("method", "path", "body", "status"), CASES)
def test_a_program_is_refused_in_json(address: str, method: str, path: str, body: str, status: int) -> None:
    found, kind, text = ask(address + path, method, body)
    assert (found, kind) == (status, "application/json")
    assert error_in(text)["message"] and {*error_in(text)} == {"message", "type", "param", "code"}


@pytest.mark.parametrize(("method", "path", "body", "status"), [case for case in CASES if "static" not in case[1]])
def test_a_person_is_refused_by_a_page(address: str, method: str, path: str, body: str, status: int) -> None:
    found, kind, text = ask(address + path, method, body, BROWSER)
    assert (found, kind) == (status, "text/html") and 'role="alert"' in text


def test_a_field_at_fault_is_named_to_a_program(address: str) -> None:
    assert (
        "student: `/etc/passwd` cannot be named"
        in error_in(ask(f"{address}/jobs", "POST", "student=/etc/passwd")[2])["message"]
    )


def test_a_foreign_name_or_page_is_refused_in_json_too(address: str) -> None:
    for more, status in (({"host": "other.example"}, 421), ({"origin": "http://other.example"}, 403)):
        found, kind, text = ask(f"{address}/jobs", "POST", headers={**PROGRAM, **more})
        assert (found, kind) == (status, "application/json") and error_in(text)["code"]


def test_a_program_without_the_token_is_told_so_and_led_nowhere(tmp_path: Path) -> None:
    with served(lambda: State(tmp_path / "s.sqlite", token=Secret(TOKEN))) as address:
        for method, path in (("GET", "/"), ("POST", "/jobs"), ("GET", "/v1/models")):
            status, kind, text = ask(address + path, method)
            assert (status, kind, error_in(text)["code"]) == (401, "application/json", "invalid_api_key")


def test_a_server_that_is_full_says_so_in_json(tmp_path: Path) -> None:
    with served(
        lambda: State(tmp_path / "s.sqlite"), limits=ConnectionLimits(connections=0, grace_seconds=1)
    ) as address:
        status, kind, text = ask(f"{address}/v1/models", "GET")
    assert (status, kind, error_in(text)["type"]) == (503, "application/json", "server_error")
