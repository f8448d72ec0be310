"""In a real browser, from disk: clicks lead through a bundle from its runs to a trace and Compare, words find one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright")

from playwright.sync_api import Browser, BrowserContext, Page, expect

from browser import Watched, violations
from run_pages import HOSTILE, put, put_run
from stepdown.runner import plain
from stepdown.store import Store
from stepdown.types import Problem
from stepdown.web.bundles import BundlePlan, write_bundle

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("disk")
    with Store(folder / "s.sqlite") as store:
        first = put_run(store, "rwr")
        put_run(store, "rrr", method="chain-of-thought")
        put(first, (3, 0), Problem("hostile/1", HOSTILE, "4"), "wrong")
        plan = BundlePlan(runs=tuple(run.id for run in store.runs()), title="Pears")
        plain(write_bundle(store, plan, folder / "site"))
    yield folder / "site"


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context()
    yield made
    made.close()


def at(context: BrowserContext, site: Path, file: str = "index.html") -> tuple[Watched, Page]:
    watched = Watched(context, f"file://{site}")
    watched.page.goto(f"file://{site}/{file}")
    return watched, watched.page


def test_a_run_leads_to_a_trace_and_compare_to_what_turned(context: BrowserContext, site: Path) -> None:
    watched, page = at(context, site)
    expect(page.get_by_role("heading", name="Pears")).to_be_visible()
    page.get_by_role("rowheader").get_by_role("link", name="direct").click()
    page.get_by_role("link", name="sums/test/1", exact=True).click()
    expect(page.get_by_role("heading", name="Grades")).to_be_visible()
    page.get_by_role("link", name="Compare").first.click()
    page.get_by_role("link", name="sums/test/1", exact=True).click()
    expect(page.get_by_role("heading", name="Grades")).to_be_visible()
    assert not watched.complaints and page.url.startswith("file:")


def test_words_find_a_trace_of_a_run(context: BrowserContext, site: Path) -> None:
    watched, page = at(context, site)
    page.get_by_role("link", name="Search").click()
    expect(page.get_by_role("status")).to_have_text("7 of 7 traces")
    page.get_by_label("Words").fill("sums/test/2 pears")
    page.get_by_label("Verdict").select_option("right")
    expect(page.get_by_role("status")).to_have_text("2 of 7 traces")
    page.locator("#found").get_by_role("link").first.click()
    expect(page.get_by_role("heading", name="Grades")).to_be_visible()
    assert not watched.complaints


def test_hostile_texts_do_nothing(context: BrowserContext, site: Path) -> None:
    watched, page = at(context, site, "search.html")
    page.get_by_label("Words").fill("window.hurt")
    page.locator("#found").get_by_role("link").first.click()
    expect(page.get_by_role("heading", name="Grades")).to_be_visible()
    assert page.evaluate("window.hurt") is None and not watched.complaints


def test_what_is_read_is_accessible_and_fits_a_phone(context: BrowserContext, site: Path) -> None:
    _, page = at(context, site, "search.html")
    page.set_viewport_size({"width": 360, "height": 700})
    expect(page.get_by_role("status")).to_have_text("7 of 7 traces")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert not violations(page)
