"""In a real browser: what a person typed is not lost, errors stand where they happened, and tabs share one stream."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright")
pytest.importorskip("uvicorn")

from playwright.sync_api import Browser, BrowserContext, Dialog, Page, expect

from browser import PATIENCE
from served import served
from stepdown.measuring.votes import write_votes
from stepdown.models import ScriptedModel
from stepdown.models.environment import Secret
from stepdown.runner import run
from stepdown.store import Run, Store
from stepdown.store.reviews import request_review
from stepdown.types import Plan, Problem
from stepdown.web.state import State
from worlds import P1, follower, sums, teacher

pytestmark = pytest.mark.slow
STUDENT = "openai/student"
TOKEN = "a-token-of-enough-letters"
TYPED = "Add one with care."


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context()
    made.set_default_timeout(PATIENCE)
    yield made
    made.close()


@pytest.fixture
def first(store: Store) -> Run:
    return run(sums(4), "trace-of-thought", student=ScriptedModel(follower, STUDENT), teacher=teacher(), store=store)


def state_of(store: Store, token: str = "") -> State:
    state = State(store.path, token=Secret(token))
    state.person = "Ann"
    state.models[STUDENT] = ScriptedModel(follower, STUDENT)
    return state


@pytest.fixture
def site(store: Store, first: Run) -> Iterator[str]:
    with served(lambda: state_of(store)) as address:
        yield address


def type_step(page: Page, text: str = TYPED) -> None:
    page.get_by_label("Step 2", exact=True).fill(text)


def step(page: Page) -> str:
    return page.get_by_label("Step 2", exact=True).input_value()


def test_eight_tabs_are_open_live_and_share_one_stream(context: BrowserContext, site: str, store: Store) -> None:
    tabs = [context.new_page() for _ in range(8)]
    for tab in tabs:
        tab.goto(site)
    run(sums(1), "direct", student=ScriptedModel(follower, "openai/newcomer"), store=store)
    for tab in tabs:
        expect(tab.locator("#runs")).to_contain_text("newcomer")
    seen = [str(tab.evaluate("performance.getEntriesByType('resource').map((one) => one.name).join()")) for tab in tabs]
    assert not [names for names in seen if "/events" in names]
    tabs[7].get_by_role("link", name="New run").first.click()
    expect(tabs[7].get_by_role("heading", name="New run")).to_be_visible()


def test_a_browser_without_shared_workers_asks_again(context: BrowserContext, site: str, store: Store) -> None:
    context.add_init_script("delete window.SharedWorker")
    page = context.new_page()
    page.goto(site)
    run(sums(1), "direct", student=ScriptedModel(follower, "openai/newcomer"), store=store)
    expect(page.locator("#runs")).to_contain_text("newcomer")


def test_an_edit_survives_the_queues_keys_a_closed_tab_and_another_page_of_it(
    context: BrowserContext, site: str, first: Run
) -> None:
    page = context.new_page()
    page.goto(f"{site}/runs/{first.id}/plans/{P1}")
    type_step(page)
    page.get_by_label("Why").first.fill("it was careless")
    page.close()
    page = context.new_page()
    page.goto(f"{site}/runs/{first.id}/queue?at={P1}")
    assert step(page) == TYPED and page.get_by_label("Why").first.input_value() == "it was careless"
    expect(page.locator("[data-kept]")).to_contain_text("What you typed is here again")
    expect(page.locator(".changed ins")).to_have_text(TYPED)
    page.get_by_role("button", name="Discard it").click()
    expect(page.get_by_label("Step 2", exact=True)).to_have_value("Add one to it.")


def test_a_dead_server_is_said_at_the_form_which_keeps_its_text(context: BrowserContext, site: str, first: Run) -> None:
    page = context.new_page()
    page.goto(f"{site}/runs/{first.id}/plans/{P1}")
    type_step(page)
    page.get_by_label("On the plan").fill("a slip")
    context.set_offline(True)
    for name in ("Keep the edit only", "Solve again", "Keep the remarks"):
        page.get_by_role("button", name=name).click()
    expect(page.locator("form [role=alert]")).to_have_count(2)
    for alert in page.locator("form [role=alert]").all():
        expect(alert).to_contain_text("The server does not answer")
    context.set_offline(False)
    page.get_by_role("button", name="Solve again").click()
    expect(page.locator("#solving .flip")).to_contain_text("fixed")
    page.get_by_role("button", name="Keep the remarks").click()
    expect(page.get_by_text("on the plan: a slip")).to_be_visible()
    page.goto(f"{site}/runs/{first.id}/plans/{P1}")
    assert step(page) == TYPED and page.locator("[data-kept]").count() == 0


def test_a_login_that_ended_leads_back_to_the_form_with_its_text(
    context: BrowserContext, store: Store, first: Run
) -> None:
    with served(lambda: state_of(store, TOKEN)) as site:
        page = context.new_page()
        page.goto(f"{site}/runs/{first.id}/queue?at={P1}")
        enter(page)
        type_step(page)
        other = context.browser.new_context() if context.browser else context
        end_logins(other.new_page(), site)
        page.get_by_role("button", name="Solve again").click()
        expect(page.locator("form [role=alert]")).to_contain_text("Your login has ended")
        page.get_by_role("link", name="Log in again").click()
        enter(page)
        page.wait_for_url("**/queue?at=**")
        assert step(page) == TYPED
        with page.expect_navigation(url="**/queue?at=**"):
            page.get_by_role("button", name="Keep the edit only").click()
    assert [edit.plan.steps[1] for edit in first.edits()] == [TYPED]


def enter(page: Page) -> None:
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_load_state()


def end_logins(page: Page, site: str) -> None:
    """Leave, as a restart would end them: every ticket given so far is worthless then."""
    page.goto(f"{site}/login")
    enter(page)
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/login")


def test_a_plan_that_was_edited_elsewhere_is_shown_before_it_is_overtaken(
    context: BrowserContext, site: str, first: Run
) -> None:
    page = context.new_page()
    page.goto(f"{site}/runs/{first.id}/queue?at={P1}")
    type_step(page, "Mine.")
    form: dict[str, str | float | bool] = {"steps": "Bobs.", "author": "Bob", "base": "0"}
    context.request.post(f"{site}/runs/{first.id}/plans/{P1}", form=form)
    page.get_by_role("button", name="Solve again").click()
    expect(page.locator("form [role=alert]")).to_contain_text("Bob changed this plan meanwhile")
    assert len(first.edits()) == 1 and step(page) == "Mine."
    with page.expect_navigation(url="**/queue?at=**"):
        page.get_by_role("button", name="Keep the edit only").click()
    assert [edit.plan.steps[-1] for edit in first.edits()] == ["Bobs.", "Mine."]


def test_a_new_run_that_is_refused_or_left_keeps_what_was_filled_in(context: BrowserContext, site: str) -> None:
    page = context.new_page()
    page.goto(f"{site}/new")
    page.get_by_label("Student", exact=True).fill("/etc/passwd")
    page.get_by_label("Problems").fill("7")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#error-student")).to_contain_text("cannot be named on a page")
    expect(page.locator("#main [role=alert]").first).to_be_focused()
    page.goto(site)
    page.goto(f"{site}/new")
    assert page.get_by_label("Problems").input_value() == "7"
    assert page.get_by_label("Student", exact=True).input_value() == "/etc/passwd"


def test_a_review_that_came_late_shows_both_and_a_stray_key_leaves_no_edit(
    context: BrowserContext, site: str, first: Run
) -> None:
    request_review(first, Problem("p/0", "Which?", "1"), Plan("1. Look.\n2. Add.", "teacher"))
    page = context.new_page()
    page.goto(f"{site}/reviews")
    type_step(page, "Look twice.")
    page.keyboard.press("Escape")
    page.keyboard.press("l")
    expect(page.locator("form [role=alert]")).to_contain_text("Press l again")
    context.request.post(f"{site}/reviews/{first.id}/p/0", form={"decision": "accepted"})
    page.get_by_role("button", name="Accept, with your changes").click()
    expect(page.locator("form [role=alert]")).to_contain_text("Somebody was first")
    assert step(page) == "Look twice."


def test_where_nothing_can_be_kept_leaving_the_page_asks_first(context: BrowserContext, site: str, first: Run) -> None:
    context.add_init_script("Storage.prototype.setItem = () => { throw new Error('full'); }")
    page = context.new_page()
    asked: list[str] = []

    def accept(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    page.on("dialog", accept)
    page.goto(f"{site}/runs/{first.id}/plans/{P1}")
    page.get_by_label("Step 2", exact=True).click()
    type_step(page)
    page.get_by_role("link", name="Corpora").click()
    page.wait_for_url("**/corpora")
    assert asked == ["beforeunload"]


def test_a_list_whose_server_is_gone_says_so_and_goes_on(context: BrowserContext, site: str) -> None:
    page = context.new_page()
    page.goto(f"{site}/reviews")
    context.set_offline(True)
    expect(page.locator("#lost")).to_contain_text("The server does not answer")
    context.set_offline(False)
    expect(page.locator("#lost")).to_have_count(0)


def test_votes_survive_the_page_they_are_given_on(context: BrowserContext, first: Run, tmp_path: Path) -> None:
    wordy = ScriptedModel(lambda messages, sampling, sample: f"So. {follower(messages, sampling, sample)}", STUDENT)
    other = run(sums(4), "direct", student=wordy, store=first.store)
    write_votes(first, other, tmp_path / "votes.html", where="any")
    for way in ("give", "see"):
        page = context.new_page()
        page.goto((tmp_path / "votes.html").as_uri())
        if way == "give":
            page.get_by_label("Your name").fill("Bob")
            page.locator("section").nth(1).get_by_label("tie").check()
        assert page.get_by_label("Your name").input_value() == "Bob"
        assert page.locator("section input:checked").evaluate_all("(all) => all.map((one) => one.value)") == ["tie"]
        page.close()
