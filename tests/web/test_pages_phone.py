"""Every page there is, on a phone: nothing is cut off or out of reach; what is empty says what fills it."""

from collections.abc import Iterator

import pytest

pytest.importorskip("playwright")
pytest.importorskip("uvicorn")

from playwright.sync_api import Browser, Page

from browser import violations, watched
from every_page import PAGES, PARTS, PageWorld, every_page, shown_routes
from served import get

CHECKS = ("by itself", "sideways", "out of reach", "unreadable", "light", "dark")
# What scrolls sideways must be reached by a keyboard; what is cut must end by a shortening that is meant.
OUT_OF_REACH = """() => [...document.querySelectorAll("main *")].filter((one) => {
  const style = getComputedStyle(one), wide = one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 1;
  if (!wide || !one.checkVisibility() || one.closest("svg, .katex, select, input, legend")) return false;
  if (["auto", "scroll"].includes(style.overflowX)) return one.tabIndex < 0;
  const meant = one.closest(".clip, .unseen, .records thead") || style.textOverflow === "ellipsis";
  return style.overflowX === "hidden" && !meant;
}).map((one) => one.outerHTML.slice(0, 160))"""
# A table fits its box, but for those that are read across and down; no cell is so narrow that its words fall to pieces.
UNREADABLE = """() => [...document.querySelectorAll("main table:not(.markdown table)")].flatMap((table) => {
  if (!table.checkVisibility()) return [];
  const box = table.closest(".scroll"), read = table.matches("[data-grid], .wins");
  const found = read || (box && table.scrollWidth <= box.clientWidth) ? [] : ["wider than its box"];
  for (const cell of table.querySelectorAll("tbody :is(td, th)")) {
    const { width, height } = cell.getBoundingClientRect(), words = cell.innerText.trim();
    if (words && width < 64 && height > 120 || height > 700) found.push(`${width} x ${height}: ${words.slice(0, 60)}`);
  }
  return found.map((what) => `${(table.caption || table).innerText.slice(0, 60)}: ${what}`);
})"""

LATER = """async () => {
  const table = document.querySelector(".scroll > table.records"), later = table.cloneNode(true);
  later.classList.remove("records");
  table.replaceWith(later);
  await null;
  return later.matches(".records");
}"""
EMPTY = ("/", "/compare", "/matrix", "/jobs", "/corpora", "/studies", "/reviews", "/served")


def test_no_page_is_forgotten() -> None:
    assert shown_routes() == PAGES.keys() | PARTS


def test_what_is_empty_says_what_fills_it_and_leads_to_the_tour(site: str) -> None:
    for path in EMPTY:
        said = get(f"{site}{path}").text.partition('class="empty"')[2].partition("</main>")[0]
        assert "stepdown tour --open" in said, path
        assert 'href="/new"' in said or said.count("<code>stepdown ") > 1, path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageWorld]:
    with every_page(tmp_path_factory.mktemp("every")) as made:
        yield made


@pytest.fixture(scope="module")
def looked_at(world: PageWorld, browser: Browser) -> dict[str, list[str]]:
    """Open every page once; return what is wrong, by check."""
    found: dict[str, list[str]] = {name: [] for name in CHECKS}
    with watched(browser, world.site, width=360) as seen:
        for path in world.addresses:
            page = seen.open(path)
            found["sideways"] += [f"{path}: {seen.sideways} px too wide"] if seen.sideways else []
            for name, wrong in _looked_at(page).items():
                found[name] += [f"{path}: {one}" for one in wrong]
        found["by itself"] = seen.complaints
    return found


def _looked_at(page: Page) -> dict[str, list[str]]:
    """Return what is wrong with the page that is open."""
    page.evaluate("document.querySelectorAll('main details').forEach((one) => one.open = true)")
    seen = {
        "out of reach": page.evaluate(OUT_OF_REACH),
        "unreadable": page.evaluate(UNREADABLE),
        "light": violations(page),
    }
    page.emulate_media(color_scheme="dark")
    seen["dark"] = violations(page, rules=("color-contrast",))
    page.emulate_media(color_scheme="light")
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS)
def test_every_page_is_whole_on_a_phone(looked_at: dict[str, list[str]], check: str) -> None:
    assert looked_at[check] == []


@pytest.mark.slow
def test_a_table_that_comes_later_is_fitted_before_it_can_be_seen(world: PageWorld, browser: Browser) -> None:
    with watched(browser, world.site, width=360) as seen:
        assert seen.open("/").evaluate(LATER)
