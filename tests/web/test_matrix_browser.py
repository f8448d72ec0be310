"""The matrix in a browser: by keys alone, from the first page to what two students do not share."""

from collections.abc import Iterator

import pytest

pytest.importorskip("playwright")
pytest.importorskip("uvicorn")

from playwright.sync_api import Browser, expect

from browser import Watched, violations, watched
from run_pages import put_run
from stepdown.store import Run, Store

pytestmark = pytest.mark.slow


@pytest.fixture
def runs(store: Store) -> list[Run]:
    return [
        put_run(store, "rrww" * 9),
        put_run(store, "rwrw" * 9, student="ollama/big"),
        put_run(store, "w" * 36, student="odd"),
    ]


@pytest.fixture
def seen(runs: list[Run], site: str, browser: Browser) -> Iterator[Watched]:
    with watched(browser, site) as page:
        yield page


def test_two_clicks_lead_from_the_first_page_to_the_flips_of_two_students(seen: Watched, runs: list[Run]) -> None:
    page = seen.open("/")
    page.get_by_role("link", name="Matrix", exact=True).click()
    page.locator(".wins tbody tr").nth(1).get_by_role("link").first.click()
    assert f"run={runs[0].id}&run={runs[1].id}&where=won" in page.url
    expect(page.locator(".matrix tbody tr")).to_have_count(9)
    assert seen.complaints == []


def test_keys_move_between_cells_open_them_and_set_two_side_by_side(seen: Watched, runs: list[Run]) -> None:
    page = seen.open(f"/matrix?run={runs[0].id}&run={runs[1].id}&run={runs[2].id}")
    for key in ("j", "j", "j", "k", "l"):
        page.keyboard.press(key)
    expect(page.locator(".matrix tbody tr").nth(1).locator("a.cell").nth(1)).to_be_focused()
    page.keyboard.press("x")
    expect(page.locator("#picked")).to_contain_text("Picked")
    page.keyboard.press("l")
    page.keyboard.press("x")
    page.wait_for_url(f"**/runs/{runs[1].id}/solved/sums/test/1?by={runs[2].id}")
    page = seen.open("/matrix")
    for key in ("j", "Enter"):
        page.keyboard.press(key)
    page.wait_for_url(f"**/runs/{runs[0].id}/traces/sums/test/0?sample=0")
    assert seen.complaints == []


def test_head_and_first_column_stay_in_view_and_nobody_is_kept_out(seen: Watched) -> None:
    page = seen.open("/matrix?where=wrong")
    assert violations(page) == []
    page.set_viewport_size({"width": 360, "height": 800})
    assert seen.sideways == 0
    box = page.locator(".scroll.matrix")
    before = box.locator("thead th").first.bounding_box()
    box.evaluate("box => box.scrollTo(300, 900)")
    head, first = box.locator("thead th").first.bounding_box(), box.locator("tbody th").nth(20).bounding_box()
    assert before and head and first and head["x"] == first["x"] == before["x"]
    assert 0 <= head["y"] - (box.bounding_box() or head)["y"] < 2
