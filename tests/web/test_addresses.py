"""Addresses of problems hold any id, and a form leads back to the page it stood on."""

import asyncio
from html import unescape

import aiohttp
import pytest

from run_pages import put_run
from served import get, post, served
from solving_site import NAMES
from stepdown.models.environment import Secret
from stepdown.store import Run, Store
from stepdown.web.state import State
from stepdown.web.views.addresses import Room, address, inside
from stepdown.web.views.cookies import PERSON, STUDENT
from worlds import P1


@pytest.mark.parametrize(
    ("problem", "wanted"),
    [
        ("sums/test/1", "/runs/r/traces/sums/test/1"),
        ("50%", "/runs/r/traces/50%25"),
        ("a?b#c", "/runs/r/traces/a%3Fb%23c"),
        ("..", "/runs/r/traces/?problem=.."),
        ("a/./b", "/runs/r/traces/?problem=a%2F.%2Fb"),
        ("a...b", "/runs/r/traces/a...b"),
        ("", "/runs/r/traces/?problem="),
        ("a\nb", "/runs/r/traces/?problem=a%0Ab"),
        ("\udc80", "/runs/r/traces/?problem=%3F"),
    ],
)
def test_an_id_stands_in_the_path_where_a_browser_leaves_it_there(problem: str, wanted: str) -> None:
    assert address("r", "traces", problem) == wanted


def test_what_is_asked_stands_after_the_id_and_empty_values_are_left_out() -> None:
    assert address("r", "solved", "..", by="d", page="") == "/runs/r/solved/?problem=..&by=d"


@pytest.mark.parametrize("given", ["//evil.example", "https://evil.example", "/\\evil", "/a\nb", "", "/" + "a" * 5000])
def test_nobody_is_led_away_from_this_server(given: str) -> None:
    assert inside(given, "/here") == "/here" and inside("/runs/r?where=wrong") == "/runs/r?where=wrong"


@pytest.mark.parametrize("way", ["verdicts", "annotations", "plans"])
def test_a_form_leads_back_to_the_same_list(solving: str, first: Run, way: Room) -> None:
    back = f"/runs/{first.id}/traces/{P1}?where=wrong&words=plus&sample=0&page=2"
    page = get(solving + back)
    assert f'name="back" value="{back}"' in unescape(page.text)
    form = {"back": back, "verdict": "right", "steps": "Add one.", "answer": "good", "keep": "1"}
    answer = post(f"{solving}{address(first.id, way, P1)}", form)
    assert (answer.status, answer.place) == (200, back)
    assert f'href="/runs/{first.id}?where=wrong&words=plus&page=2"' in unescape(answer.text)


def test_a_form_of_another_server_leads_nowhere_else(solving: str, first: Run) -> None:
    form = {"back": "//evil.example/", "answer": "good"}
    assert post(f"{solving}/runs/{first.id}/annotations/{P1}", form).place == f"/runs/{first.id}/traces/{P1}"


def test_a_browser_keeps_who_edits_and_the_student_of_a_run(solving: str, first: Run) -> None:
    form = {"steps": "Add one.", "author": "Zoë; =", "student": NAMES[1], "keep": "1"}

    async def work() -> list[str]:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            await (await session.post(f"{solving}/runs/{first.id}/plans/{P1}", data=form)).text()
            pages = (f"/runs/{first.id}/queue", f"/runs/{first.id}/traces/{P1}", "/")
            found = [await (await session.get(solving + one)).text() for one in pages]
            names = [one.key for one in session.cookie_jar]
        return [*found, *names]

    queue, trace, _, *names = asyncio.run(work())
    assert {PERSON, STUDENT} <= set(names)
    for text in (queue, trace):
        assert 'name="author" maxlength="100" value="Zoë; ="' in text
        assert f'name="student" maxlength="200" value="{NAMES[1]}"' in text


def test_the_queue_shows_what_came_of_the_edited_plan(solving: str, first: Run) -> None:
    post(f"{solving}/runs/{first.id}/plans/{P1}", {"steps": "Take it.\nAdd one with care.", "solve": "1"})
    page = get(f"{solving}/runs/{first.id}/queue?at={P1}").text
    assert "What came of the edited plan" in page and "fixed" in page
    assert ">Take it.\nAdd one with care.</textarea>" in page


def test_what_is_wrong_with_a_plan_is_said_at_its_field_and_everything_typed_stays(solving: str, first: Run) -> None:
    form = {"steps": "Add one.", "student": "no/where", "why": "because", "author": "Zoë", "solve": "1"}
    answer = post(f"{solving}/runs/{first.id}/plans/{P1}", form)
    assert answer.status == 400 and 'aria-invalid="true" aria-describedby="error-student"' in answer.text
    assert 'id="error-student"' in answer.text and "There is no provider <code>no</code>" in answer.text
    for typed in ('value="no/where"', 'value="because"', 'value="Zoë"', ">Add one.</textarea>"):
        assert typed in answer.text
    empty = post(f"{solving}/runs/{first.id}/plans/{P1}", {"steps": " \n "})
    assert empty.status == 400 and 'aria-describedby="error-steps"' in empty.text


def test_an_expired_login_keeps_the_address_of_an_odd_id(store: Store) -> None:
    asked = put_run(store, "w")
    with served(lambda: State(store.path, token=Secret("a-token-of-enough-letters"))) as at:
        odd = address(asked.id, "annotations", "ä 50%/x")
        answer = post(at + odd, {"answer": "kept"})
    assert answer.status == 401 and f'name="to" value="{odd}"' in answer.text
