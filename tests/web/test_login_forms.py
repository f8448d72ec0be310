"""A form that is sent after a login has ended is not lost: it waits in the login, without any script."""

import asyncio
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import aiohttp
import pytest

from served import served
from stepdown.models.environment import Secret
from stepdown.web.state import State

TOKEN = "a-token-of-enough-letters"
STEPS = 'Take <b>the</b> number.\r\nAdd "one" to it.'
FORM = {"steps": STEPS, "why": "careless", "base": "0"}


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[str]:
    with served(lambda: State(tmp_path / "s.sqlite", token=Secret(TOKEN))) as found:
        yield found


def send(url: str, form: dict[str, str], **headers: str) -> tuple[int, str, dict[str, str]]:
    async def work() -> tuple[int, str, dict[str, str]]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with (
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.post(url, data=form, headers=named, allow_redirects=False) as answer,
        ):
            return answer.status, await answer.text(), {name.lower(): text for name, text in answer.headers.items()}

    return asyncio.run(work())


def hidden(page: str) -> dict[str, str]:
    """Return the hidden fields of a page as a browser would send them."""
    found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', page)
    return {unescape(name): unescape(value) for name, value in found}


def test_a_form_waits_in_the_login_and_comes_back_after_it(locked: str) -> None:
    status, page, _ = send(f"{locked}/runs/r/plans/p/1", FORM, referer=f"{locked}/runs/r/queue?at=p%2F1")
    assert status == 401 and 'role="alert"' in page and hidden(page)["next"] == "/runs/r/queue?at=p%2F1"
    status, wrong, _ = send(f"{locked}/login", {**hidden(page), "token": "wrong"})
    assert status == 403 and hidden(wrong) == hidden(page)
    status, back, headers = send(f"{locked}/login", {**hidden(wrong), "token": TOKEN})
    assert status == 200 and "stepdown=" in headers["set-cookie"] and 'action="/runs/r/plans/p/1"' in back
    texts = [unescape(text) for text in re.findall(r">\n([^<]*)</textarea>", back)]
    assert texts == [STEPS] and 'name="why" value="careless"' in back and hidden(back) == {"base": "0"}


def test_what_waits_leads_to_this_server_alone(locked: str) -> None:
    _, page, _ = send(f"{locked}/login", {"kept:a": "b", "to": "https://elsewhere.example/x", "token": TOKEN})
    assert 'action="/"' in page and "elsewhere" not in page


def test_another_sites_address_is_nowhere_to_come_back_to(locked: str) -> None:
    _, page, _ = send(f"{locked}/jobs", {"student": "x"}, referer="http://elsewhere.example/jobs")
    assert hidden(page)["next"] == "/"


def test_a_form_that_is_too_large_is_told_so_whoever_sends_it(locked: str) -> None:
    assert send(f"{locked}/jobs", {"student": "x" * (300 << 10)})[0] == 413


def test_a_part_of_a_page_gets_no_login_page_in_its_place(locked: str) -> None:
    async def ask() -> int:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{locked}/reviews?count=0", headers={"HX-Request": "true"}, allow_redirects=False) as answer,
        ):
            return answer.status

    assert asyncio.run(ask()) == 401
