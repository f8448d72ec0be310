"""What a bundle holds beyond runs: plans worth an edit with what came of them, cascades, studies, and many runs."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cascade_runs import two_runs
from every_page import write_studies
from run_pages import put_run
from solving_site import solved_run
from stepdown.errors import UsageError
from stepdown.runner import plain
from stepdown.store import Store
from stepdown.types import Plan
from stepdown.web.app import make_app
from stepdown.web.bundles import BundlePlan, write_bundle
from stepdown.web.bundles.places import BundledPage
from stepdown.web.in_process import InProcessAnswer, ask_in_process
from stepdown.web.pages.compare import MOST
from stepdown.web.state import BundleFacts, State
from worlds import P1

LINK = re.compile(r'\b(?:href|src|srcset)="([^"#]+)')


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("more")
    write_studies(folder / "students")
    with Store(folder / "s.sqlite") as store:
        first = solved_run(store)
        first.put_edit(P1, Plan("1. Look.", "teacher").edit("1. Take the number.\n2. Add one.", author="Ann"))
        runs = (first, *two_runs(store))
        plan = BundlePlan(runs=tuple(run.id for run in runs), students=folder / "students")
        plain(write_bundle(store, plan, folder / "site"))
    yield folder / "site"


def test_plans_worth_an_edit_are_there_with_their_lineage(site: Path) -> None:
    [queue] = [path for path in site.glob("runs/*/queue.html") if P1 in path.read_text()]
    assert "Add one." in queue.read_text() and "<form" not in queue.read_text()
    assert any("Ann" in path.read_text() for path in site.rglob("plans/**/*.html"))


def test_a_cascade_is_there_with_its_curve(site: Path) -> None:
    [page] = site.glob("cascade.*.html")
    assert "Thresholds" in page.read_text() and len(list(site.glob("cascade.*.svg"))) == 2


def test_studies_are_there_with_curves_and_scores(site: Path) -> None:
    assert "[30.0, 70.0]" in (site / "studies/whole.html").read_text()
    assert (site / "studies/learning/curves.svg").read_text().startswith("<svg")
    assert "run it" not in (site / "studies/learning.html").read_text()


def test_every_link_leads_to_a_file(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert not [link for page in pages for link in LINK.findall(page.read_text()) if not (page.parent / link).is_file()]


def test_more_runs_than_a_page_of_the_server_takes_fit_a_bundle(store: Store, tmp_path: Path) -> None:
    runs = tuple(put_run(store, "r", method=f"direct{number}").id for number in range(MOST + 1))
    with pytest.raises(UsageError, match="250 runs do not fit"):
        plain(write_bundle(store, BundlePlan(runs=runs * 10), tmp_path / "site"))
    assert BundledPage("/matrix").address(runs) == "/matrix"
    answer = plain(asked(store.path, BundledPage("/compare").address(runs)))
    assert answer.status == 200 and all(run in answer.text for run in runs)


async def asked(store: Path, address: str) -> InProcessAnswer:
    """Return what the pages of a bundle answer."""
    state = State(store, read_only=True)
    state.bundled = BundleFacts("", MOST + 1, corpora=False)
    try:
        return await ask_in_process(make_app(state), address)
    finally:
        await state.close()
