"""In a real browser: a queue of twenty plans is worked by the keyboard alone, with all that counts in sight."""

from collections.abc import Iterator

import pytest

pytest.importorskip("playwright")
pytest.importorskip("uvicorn")

from playwright.sync_api import Browser, Page, expect

from browser import violations, watched
from served import served
from stepdown.models import ScriptedModel
from stepdown.runner import run
from stepdown.store import Run, Store, marked_plans
from stepdown.types import Messages, Sampling
from stepdown.web.state import State
from worlds import sums, teacher

pytestmark = pytest.mark.slow
STUDENT, OTHER = "openai/student", "openai/zephyr"
COUNT = 20
CARE = "Add one with care."
LONG = "\n".join(f"So far I have thought about it for {number} lines." for number in range(80))


def careless(messages: Messages, sampling: Sampling, sample: int) -> str:
    """Solve what a plan says to do with care, and go on and on otherwise."""
    text = messages[-1].content
    number = int(text.partition("What is ")[2].split()[0])
    return f"Answer: {number + 1}" if "with care" in text else f"{LONG}\nAnswer: 99"


def careful(messages: Messages, sampling: Sampling, sample: int) -> str:
    return f"1. Take the number.\n2. {CARE}"


@pytest.fixture
def first(store: Store) -> Run:
    """Twenty plans by which one student fails; another run has plans by which its student does not."""
    run(
        sums(COUNT),
        "trace-of-thought",
        student=ScriptedModel(careless, OTHER),
        teacher=ScriptedModel(careful, "openai/gpt-4"),
        store=store,
    )
    return run(
        sums(COUNT), "trace-of-thought", student=ScriptedModel(careless, STUDENT), teacher=teacher(), store=store
    )


@pytest.fixture
def site(store: Store, first: Run) -> Iterator[str]:
    def make() -> State:
        state = State(store.path)
        state.person = "Ann"
        state.models |= {name: ScriptedModel(careless, name) for name in (STUDENT, OTHER)}
        return state

    with served(make) as address:
        yield address


def press(page: Page, key: str) -> None:
    """Press a key that leads to another page."""
    with page.expect_navigation():
        page.keyboard.press(key)


def mend(page: Page, way: int) -> None:
    """Mend the plan in sight: from another run's plan, or by typing over the second step."""
    if way:
        page.keyboard.press("o")
    else:
        page.keyboard.press("e")
        for key in ("Tab", "Tab", "Tab", "Control+a"):
            page.keyboard.press(key)
        page.keyboard.type(CARE)
    page.keyboard.press("Control+Enter")
    expect(page.locator("#solving .flip")).to_contain_text("fixed")
    page.keyboard.press("Escape")


def test_a_queue_of_twenty_plans_is_done_by_the_keyboard_alone(browser: Browser, site: str, first: Run) -> None:
    with watched(browser, site, width=1400) as seen:
        page = seen.open(f"/runs/{first.id}/queue")
        for key in ("s", "d", "u"):
            press(page, key)
        expect(page.locator("#main")).to_contain_text("0 of 20 done, 1 put off")
        for number in range(COUNT):
            if number % 4:
                press(page, "d")
            else:
                mend(page, number % 8)
                press(page, "j" if page.locator("[rel=next]").count() else "k")
        expect(page.locator("#main")).to_contain_text("Every plan of this queue is edited or set aside.")
        expect(page.locator("#gained")).to_contain_text("+25.0 points")
        assert (len(first.edits()), len(marked_plans(first))) == (5, 15 + 1) and seen.complaints == []


def test_question_solution_plan_and_buttons_are_in_sight_at_once(browser: Browser, site: str, first: Run) -> None:
    with watched(browser, site, width=1400) as seen:
        page = seen.open(f"/runs/{first.id}/queue")
        boxes = [page.locator(one).bounding_box() for one in (
            ".question", ".queue .solution", ".rows textarea >> nth=-1", "[data-solve]", ".reasons li >> nth=-1",
            "[data-skip]")]  # fmt: skip
        assert all(box and box["y"] >= 0 and box["y"] + box["height"] <= 900 for box in boxes), boxes


def test_what_was_typed_is_not_thrown_away_by_a_stray_key(browser: Browser, site: str, first: Run) -> None:
    with watched(browser, site, width=1400) as seen:
        page = seen.open(f"/runs/{first.id}/queue")
        page.get_by_label("Step 2", exact=True).fill(CARE)
        page.keyboard.press("Escape")
        page.keyboard.press("d")
        expect(page.locator("form [role=alert]")).to_contain_text("Press d again to set it aside")
        press(page, "d")
        assert [one.mark for one in marked_plans(first).values()] == ["discarded"]


@pytest.mark.parametrize("width", [360, 1400])
def test_queue_and_jobs_keep_nobody_out(browser: Browser, site: str, first: Run, width: int) -> None:
    with watched(browser, site, width=width, scheme="dark") as seen:
        for path in (f"/runs/{first.id}/queue", "/jobs", f"/runs/{first.id}/queue?who=Eve"):
            page = seen.open(path)
            assert violations(page) == [] and seen.sideways == 0
