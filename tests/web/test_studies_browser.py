"""In a real browser: a study is begun from its form, watched while its student learns, and the student is run."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

pytest.importorskip("playwright")
pytest.importorskip("uvicorn")

from playwright.sync_api import Browser, Page, expect

from browser import PATIENCE, watched
from command_line import write_sums
from corpora import write_corpus
from served import served
from small_lessons import chains
from small_students import TRAINS
from stepdown.corpus import Card
from stepdown.models.weights import read_card
from stepdown.web.config import Config, DataSource
from stepdown.web.state import Places, State
from written_earlier import NEWEST

pytestmark = [pytest.mark.slow, *TRAINS]
LONG = 4 * PATIENCE  # what trains imports much first
STUDENT = "chain-n1-random, seed-0"
DRAWN = "(image) => image.decode()"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[str]:
    """A server of a corpus, whose `stepdown.toml` names a base of some thousand weights and a file of sums."""
    write_sums(2, tmp_path)
    write_corpus(tmp_path / "chains", chains(8, 1), card=Card(dataset="made/train"))
    sums = DataSource(dataset=str(tmp_path / "sums.jsonl"))
    config = Config(bases=(str(NEWEST.folder / "base"),), datasets={"sums": sums})
    places = Places(students=tmp_path / "students", corpora=(tmp_path / "chains",))
    with served(lambda: State(tmp_path / "s.sqlite", config=config, places=places)) as address:
        yield address


def begin_study(page: Page) -> None:
    page.get_by_label("Base").select_option(str(NEWEST.folder / "base"))
    page.get_by_label("Data set").select_option("sums")
    for label, text in {"Chains per problem": "1", "Steps": "100", "Problems": "1", "Name": "first"}.items():
        page.get_by_label(label).last.fill(text)
    page.get_by_role("button", name="Train and test").click()


def cited_file(page: Page) -> str:
    """The hash of the study file that the study's page gives away."""
    page.get_by_text("The study file").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    return sha256(Path(download.value.path()).read_bytes()).hexdigest()


def test_a_study_is_begun_watched_to_its_end_and_its_student_answers(
    desk: str, browser: Browser, tmp_path: Path
) -> None:
    with watched(browser, desk) as seen:
        page = seen.open("/studies")
        begin_study(page)
        learning = page.locator("#study:has(.badge.live)")
        loss = learning.locator("tbody tr", has_text=STUDENT).locator("td.n").nth(1)
        expect(loss).to_contain_text(".", timeout=LONG)
        page.get_by_alt_text("Learning curves").evaluate(DRAWN)
        expect(page.locator("[data-tell]")).to_have_text("finished", timeout=LONG)
        page.get_by_alt_text("Right answers by chains").evaluate(DRAWN)
        card = read_card(tmp_path / "students" / "first" / STUDENT.replace(", ", "/"))
        assert card is not None and [one.sha256 for one in card.studies] == [cited_file(page)]
        page.get_by_role("link", name="run it").click()
        page.get_by_label("Data set").select_option("sums")
        page.get_by_label("Problems", exact=True).fill("2")
        page.keyboard.press("Tab")
        # A request under way when the page is left would be a complaint.
        expect(page.locator("#would-take")).to_contain_text("Nothing was sent")
        page.get_by_role("button", name="Start").click()
        expect(page.locator("[data-tell]")).to_have_text("finished")
        expect(page.locator("#job-runs td.tight")).to_contain_text("2 / 2")
        assert seen.complaints == []
