"""In a real browser: pairs are voted on and a solution is marked by the keyboard alone."""

import pytest

pytest.importorskip("playwright")
pytest.importorskip("uvicorn")

from playwright.sync_api import Browser, Page, expect

from browser import watched
from run_pages import put_run
from stepdown.graders import Criterion, Rubric
from stepdown.runner import keep_rubric
from stepdown.store import Store, stored_marks, stored_votes

pytestmark = pytest.mark.slow
RUBRIC = Rubric(name="clear", criteria=(Criterion(name="reasons", ask="Why?"),
                                        Criterion(name="plain", ask="Plain?", scale=5)))  # fmt: skip


def press(page: Page, *keys: str) -> None:
    """Press keys of which the last leads to another page."""
    for key in keys[:-1]:
        page.keyboard.press(key)
    with page.expect_navigation():
        page.keyboard.press(keys[-1])


def test_votes_and_marks_are_given_by_keys_alone(browser: Browser, site: str, store: Store) -> None:
    first, second = put_run(store, "rrrr"), put_run(store, "wwww", student="ollama/big")
    keep_rubric(first, RUBRIC)
    with watched(browser, site) as seen:
        page = seen.open(f"/votes/{first.id}/{second.id}?where=any")
        page.get_by_label("Your name").focus()
        page.keyboard.type("Ann")
        press(page, "Enter")
        for key in ("ArrowLeft", "t", "k", "u", "0", "2", "s"):
            press(page, key)
        expect(page.get_by_role("status")).to_contain_text("All 4 pairs are done")
        assert sorted(one.preferred in ("tie", "skip") for one in stored_votes(first, second)) == [
            False,
            False,
            True,
            True,
        ]
        seen.open(f"/marks/{first.id}")
        press(page, "0", "4", "Enter")
        expect(page.locator("#main")).to_contain_text("1 of 4 done")
        assert {one.mark for one in stored_marks(first)} == {"no", "4"} and seen.complaints == []
