"""How many clicks a journey takes, counted by the browser itself; docs/serving.md gives the same figures."""

from collections.abc import Iterator

import pytest

pytest.importorskip("playwright")
pytest.importorskip("uvicorn")

from playwright.sync_api import Browser, Page, expect

from browser import watched
from solving_site import NAMES
from stepdown.models import ScriptedModel
from stepdown.runner import run
from stepdown.store import Run, Store
from stepdown.types import Messages, Sampling
from worlds import P1, follower, sums

pytestmark = pytest.mark.slow
COUNT = """addEventListener("click", (event) => {
  if (event.isTrusted && event.detail) sessionStorage.setItem("clicks", 1 + Number(sessionStorage.getItem("clicks")));
}, true)"""


def careful(messages: Messages, sampling: Sampling, sample: int) -> str:
    return "1. Take the number.\n2. Add one with care."


@pytest.fixture
def second(store: Store, first: Run) -> Run:
    """The other student solves number 1, by a better plan."""
    other, planner = ScriptedModel(follower, NAMES[1]), ScriptedModel(careful, "openai/gpt-4")
    return run(sums(3), "trace-of-thought", student=other, teacher=planner, store=store)


@pytest.fixture
def page(second: Run, solving: str, browser: Browser) -> Iterator[Page]:
    """The first page, where clicks are counted from now on."""
    with watched(browser, solving, width=1400) as seen:
        seen.page.add_init_script(COUNT)
        yield seen.open("/")
        assert seen.complaints == []


def clicks(page: Page) -> int:
    return int(page.evaluate("sessionStorage.getItem('clicks')") or 0)


def test_what_one_student_solves_and_another_does_not_takes_two_clicks(page: Page) -> None:
    page.get_by_role("link", name="Matrix", exact=True).click()
    page.locator(".wins tbody td a").first.click()
    expect(page.locator(".matrix tbody tr")).to_have_count(1)
    assert clicks(page) == 2


def test_two_attempts_side_by_side_take_two_clicks(page: Page) -> None:
    page.get_by_role("link", name="Matrix", exact=True).click()
    page.locator(".matrix a.beside").nth(1).click()
    expect(page.get_by_role("heading", name=f"Side by side: {P1}")).to_be_visible()
    assert clicks(page) == 2


def test_from_a_wrong_answer_to_its_mended_plan_and_the_new_solution_takes_one_click(page: Page, first: Run) -> None:
    page.goto(f"{page.url}runs/{first.id}/traces/{P1}")
    page.get_by_label("Step 2", exact=True).fill("Add one with care.")
    page.get_by_role("button", name="Solve again").click()
    expect(page.locator("#solving .flip")).to_contain_text("fixed")
    assert clicks(page) == 1


def test_a_wrong_answer_is_two_clicks_from_the_first_page(page: Page, first: Run) -> None:
    page.locator(f"#run-{first.id}").click()
    page.get_by_role("link", name=P1, exact=True).click()
    expect(page.get_by_role("button", name="Solve again")).to_be_visible()
    assert clicks(page) == 2


def test_the_form_of_a_run_like_another_one_is_filled_in_after_two_clicks(page: Page, first: Run) -> None:
    page.locator(f"#run-{first.id}").click()
    page.get_by_role("link", name="New run like this").click()
    expect(page.get_by_label("Student", exact=True)).to_have_value(NAMES[0])
    expect(page.get_by_role("button", name="Start")).to_be_visible()
    assert clicks(page) == 2
