"""What people do in a browser, done in one: every page works, complains of nothing, and shows hostile text as text."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("playwright")
pytest.importorskip("uvicorn")

from playwright.sync_api import Browser, Page, expect

from browser import serving, watched
from browser_world import Players, make_world
from faulty_server import faulty_server
from stepdown.store import Store

pytestmark = pytest.mark.slow
KEY = "sk-very-secret"
STORE = ("--store", "world.sqlite")
TRACED = ("--method", "trace-of-thought", "--student", "openai/student", "--teacher", "openai/teacher")
FORBIDDEN = (
    "main script:not([src^='/static/']), main img[src='x'], main [onload], main [onerror], a[href^='javascript']"
)


class Site(msgspec.Struct, frozen=True):
    """A server under test: its address, its folder, the models behind it, and its runs."""

    url: str
    folder: Path
    players: Players
    variables: dict[str, str]
    runs: dict[str, str]

    @contextmanager
    def started(self, *words: str) -> Iterator["subprocess.Popen[bytes]"]:
        """Begin a command in the folder; it does not outlive the test."""
        command = [sys.executable, "-m", "stepdown", *words, *STORE]
        environment, no = os.environ | self.variables, subprocess.DEVNULL
        with subprocess.Popen(command, cwd=self.folder, env=environment, stdin=no, stdout=no, stderr=no) as child:
            try:
                yield child
            finally:
                child.kill()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder, players = tmp_path_factory.mktemp("site"), Players()
    make_world(folder)
    with faulty_server(speak=players.speak) as upstream:
        variables = {"OPENAI_BASE_URL": upstream.url, "OPENAI_API_KEY": KEY}
        command = [
            sys.executable,
            "-m",
            "stepdown",
            "run",
            "sums.jsonl",
            "--method",
            "direct",
            *TRACED,
            *STORE,
            "--json",
        ]
        subprocess.run(command, cwd=folder, env=os.environ | variables, check=True, capture_output=True)
        with Store(folder / "world.sqlite") as store:
            runs = {run.settings.student: run for run in store.runs()} | {
                run.settings.method: run for run in store.runs() if run.settings.method == "direct"
            }
            names = {name: run.id for name, run in runs.items()}
        with serving(folder, *STORE, "--corpus", "pears", **variables) as url:
            yield Site(url, folder, players, variables, names)
        players.gate.set()


def fill_form(page: Page, student: str) -> None:
    page.get_by_label("Data set").select_option("sums")
    page.get_by_label("Student", exact=True).fill(student)
    page.get_by_label("Teacher", exact=True).fill("openai/teacher")


def test_a_run_is_started_watched_mended_and_seen_to_flip(site: Site, browser: Browser) -> None:
    with watched(browser, site.url) as seen:
        page = seen.open("/new")
        fill_form(page, "openai/slow")
        page.get_by_role("button", name="Start").click()
        expect(page.locator("#job .badge").first).to_have_text("running")
        site.players.gate.set()
        expect(page.locator("#job .badge").first).to_have_text("finished")
        page.locator("#job tbody a").click()
        page.locator(".tabs").get_by_text("wrong").click()
        page.locator("tbody th a").first.click()
        page.get_by_label("Step 2", exact=True).fill("Add one to it.")
        page.get_by_role("button", name="Solve again").click()
        expect(page.locator("#solving .flip")).to_contain_text("fixed")
        page.get_by_role("link", name="Compare the runs").click()
        expect(page.get_by_role("heading", name="Problems that turned")).to_be_visible()
        expect(page.locator("#flips ~ .scroll tbody tr")).to_have_count(1)
        assert seen.complaints == []


def test_plans_that_wait_are_decided_in_the_browser(site: Site, browser: Browser) -> None:
    with site.started("run", "sums.jsonl", "-n", "2", *TRACED, "--review") as run, watched(browser, site.url) as seen:
        page = seen.open("/reviews")
        page.get_by_role("link", name="show").or_(page.locator("form[data-plan]")).first.wait_for()
        for name in ("Accept, with your changes", "Leave unsolved"):
            seen.open("/reviews")
            page.get_by_role("link", name="show").or_(page.locator("form[data-plan]")).first.wait_for()
            seen.open("/reviews")
            # Whoever leaves a page while its form is being sent takes the form with it.
            with page.expect_navigation():
                page.get_by_role("button", name=name).click()
        assert run.wait(60) == 1, "the problem that was left is ungraded"
        expect(seen.open("/reviews").get_by_role("heading", name="No plan waits")).to_be_visible()
        assert seen.complaints == []


def test_the_queue_is_worked_by_keys_alone(site: Site, browser: Browser) -> None:
    with watched(browser, site.url) as seen:
        page = seen.open(f"/runs/{site.runs['openai/student']}/queue")
        first = page.locator("#subject").inner_text()
        for key, wanted in (("j", "the second"), ("k", first)):
            with page.expect_navigation():
                page.keyboard.press(key)
            assert (page.locator("#subject").inner_text() == first) == (wanted == first)
        page.keyboard.press("e")
        expect(page.get_by_label("Step 1", exact=True)).to_be_focused()
        for key in ("Tab", "Tab", "Tab", "Control+a"):
            page.keyboard.press(key)
        page.keyboard.type("Add one to it.")
        page.keyboard.press("Control+Enter")
        expect(page.locator("#solving .flip")).to_contain_text("fixed")
        assert seen.complaints == []


def test_what_a_person_does_on_a_page_that_changes_by_itself_is_kept(site: Site, browser: Browser) -> None:
    site.players.gate.clear()
    with watched(browser, site.url) as seen:
        page = seen.open("/new")
        fill_form(page, "openai/slow")
        page.get_by_label("Longest solution").fill("77")
        page.get_by_role("button", name="Start").click()
        page.locator("#lines summary").click()
        page.locator("#stop").focus()
        for _ in range(2):
            page.wait_for_event("requestfinished", lambda request: request.url.endswith("/state"))
        expect(page.locator("#lines")).to_have_attribute("open", "")
        expect(page.locator("#stop")).to_be_focused()
        site.players.gate.set()
        expect(page.locator("#told")).to_have_text("finished")
        assert seen.complaints == []


def test_hostile_text_is_shown_as_text_and_runs_nothing(site: Site, browser: Browser) -> None:
    hostile, other = (f"/runs/{site.runs[f'openai/{name}']}" for name in ("hostile", "other"))
    below = ("", "/traces/odd/0", "/plans/odd/0", "/queue", "/audit")
    paths = [hostile + place for place in below]
    with watched(browser, site.url) as seen:
        for path in [*paths, f"/compare?run={hostile[6:]}&run={other[6:]}", "/corpora/pears?problem=1"]:
            page = seen.open(path)
            assert page.locator(FORBIDDEN).count() == 0, path
            assert "owned" not in page.title(), path
        assert seen.complaints == []


def test_hostile_text_that_streams_in_is_text_too(site: Site, browser: Browser) -> None:
    with watched(browser, site.url) as seen:
        page = seen.open(f"/runs/{site.runs['openai/hostile']}/plans/odd/0")
        page.get_by_label("Step 1", exact=True).fill("Say it again.")
        page.get_by_role("button", name="Solve again").click()
        expect(page.locator("#solving .flip")).to_be_visible()
        assert page.locator(FORBIDDEN).count() == 0
        assert "<script>document.title='owned'</script>" in page.locator("#solving").inner_text()
        assert "owned" not in page.title()
        assert seen.complaints == []
