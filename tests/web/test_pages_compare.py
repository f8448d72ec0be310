"""Runs side by side: the page's figures are the report's, and its flips lead to both traces."""

import re
from html import unescape
from xml.etree import ElementTree

import pytest

from run_pages import HOSTILE, problem, put_run, trace
from served import get
from stepdown.audits import StepJudge
from stepdown.audits.judged_plans import judge_version
from stepdown.audits.plan_adherence import key_of
from stepdown.models import Prices
from stepdown.reports import report
from stepdown.store import Run, Store, keep_letters, label
from stepdown.types import Grade, Plan
from stepdown.web.pages.compare import MOST, notes_on


@pytest.fixture
def pair(store: Store) -> tuple[Run, Run]:
    return put_run(store, "rrwww-"), put_run(store, "rwrrrr", method="chain-of-thought")


def query(*runs: Run) -> str:
    return "&".join(f"run={run.id}" for run in runs)


def test_the_tables_are_the_reports(site: str, pair: tuple[Run, Run]) -> None:
    page = get(f"{site}/compare?{query(*pair)}").text
    found = report(*pair, prices=Prices())
    cells = [
        unescape(cell) for cell in re.findall(r'<(?:td(?! class="more)|th scope="row")[^>]*>([^<]*)</t[dh]>', page)
    ]
    assert found.tables and all(table.rows for table in found.tables)
    for table in found.tables:
        assert table.title in page
        for row in table.rows:
            assert any(tuple(cells[at : at + len(row)]) == row for at in range(len(cells))), row


def test_a_given_baseline_is_the_baseline(site: str, pair: tuple[Run, Run]) -> None:
    second = pair[1]
    page = get(f"{site}/compare?{query(*pair)}&baseline={second.id}").text
    assert report(*pair, baseline=second, prices=Prices()).caption in unescape(page)


def test_flips_lead_to_both_traces(site: str, pair: tuple[Run, Run]) -> None:
    first, second = pair
    page = get(f"{site}/compare?{query(*pair)}&kind=lost").text
    assert f'href="/runs/{first.id}/traces/sums/test/1"' in page
    assert f'href="/runs/{second.id}/traces/sums/test/1"' in page
    assert "sums/test/2" not in page


def test_flips_of_many_problems_are_paged(store: Store, site: str) -> None:
    pair = put_run(store, "w" * 30), put_run(store, "r" * 30, method="chain-of-thought")
    page = get(f"{site}/compare?{query(*pair)}&kind=won&page=2").text
    assert "page 2 of 2" in page and "sums/test/29" in page and "sums/test/3<" not in page


def test_flips_of_runs_that_vote_are_those_of_their_votes(store: Store, site: str) -> None:
    voted = put_run(store, "rrrwww", samples=3, method="chain-of-thought")
    page = get(f"{site}/compare?{query(put_run(store, 'wr'), voted)}").text
    assert "won 1, lost 1" in page and "2 problems: before is run" in page


def test_what_does_not_compare_is_said(store: Store, pair: tuple[Run, Run]) -> None:
    other = put_run(store, "rw", dataset="others/test", method="few-shot")
    notes = " ".join(notes_on(report(*pair, other, baseline=pair[0], prices=Prices())))
    assert "different data" in notes and "share 5 graded problems" not in notes
    halves = put_run(store, "rrrr--", method="few-shot"), put_run(store, "--rrrr", method="plan-and-solve")
    assert "share 2 graded problems" in " ".join(notes_on(report(*halves, prices=Prices())))


@pytest.mark.parametrize("name", ["accuracy", "cost"])
@pytest.mark.parametrize(("scheme", "ink"), [("light", "#1b1f24"), ("dark", "#e5e8ec")])
def test_charts_are_images_in_ink_for_either_scheme(
    site: str, pair: tuple[Run, Run], name: str, scheme: str, ink: str
) -> None:
    pytest.importorskip("vl_convert")
    chart = get(f"{site}/charts/{name}.svg?{query(*pair)}&scheme={scheme}")
    assert chart.status == 200 and chart.headers["content-type"] == "image/svg+xml"
    assert ElementTree.fromstring(chart.text).tag.endswith("svg")
    assert ink in chart.text and "currentColor" not in chart.text
    assert "default-src 'none'" in chart.headers["content-security-policy"]


def test_the_charts_alternative_text_holds_the_figures(site: str, pair: tuple[Run, Run]) -> None:
    pytest.importorskip("vl_convert")
    page = get(f"{site}/compare?{query(*pair)}").text
    texts = [unescape(one) for one in re.findall(r'alt="([^"]+)"', page)]
    assert any("1 direct, small: 40.0 % right, from" in one for one in texts)
    assert any("2 chain-of-thought, small: 83.3 % right for" in one for one in texts)


def test_what_people_call_a_run_is_on_the_page_and_in_its_charts(
    store: Store, site: str, pair: tuple[Run, Run]
) -> None:
    assert "base <1>" not in unescape(get(f"{site}/compare?{query(*pair)}").text)
    label(pair[0], name="base <1>")
    page = get(f"{site}/compare?{query(*pair)}").text
    assert '<td class="plain">base &lt;1&gt;</td>' in page and "base <1>" not in page
    pytest.importorskip("vl_convert")
    assert "1 base <1>, direct, small: 40.0 % right" in unescape(page)
    assert "1 base &lt;1&gt;" in get(f"{site}/charts/accuracy.svg?{query(*pair)}").text


def test_nothing_to_compare_says_what_to_do(store: Store, site: str) -> None:
    assert "New run" in get(f"{site}/compare").text
    put_run(store, "r")
    assert "Choose two or more runs" in get(f"{site}/compare").text


def test_what_cannot_be_compared_is_refused_with_words(site: str, pair: tuple[Run, Run]) -> None:
    many = "&".join(f"run=r{number}" for number in range(MOST + 1))
    answers = {
        f"/compare?{many}": 400,
        "/compare?run=nowhere": 404,
        f"/compare?{query(*pair)}&kind=odd": 404,
        f"/charts/odd.svg?{query(*pair)}": 404,
        f"/charts/cost.svg?{query(pair[0])}": 400,
        "/charts/cost.svg": 400,
    }
    assert {address: get(site + address).status for address in answers} == answers


def test_hostile_names_are_text(store: Store, site: str) -> None:
    runs = [put_run(store, "rw", student=HOSTILE, dataset=HOSTILE, method=one) for one in ("direct", HOSTILE)]
    page = get(f"{site}/compare?{query(*runs)}")
    assert page.status == 200
    assert "<script>window" not in page.text and "<img src=x" not in page.text and "style=" not in page.text
    chart = get(f"{site}/charts/accuracy.svg?{query(*runs)}")
    assert chart.status in (200, 400) and "<script" not in chart.text


def test_adherence_and_the_next_dollar_are_said_where_they_are_asked(site: str, pair: tuple[Run, Run]) -> None:
    asked = get(f"{site}/compare?{query(*pair)}&adherence=yes&precision=2").text
    assert "Where the next dollar goes" in asked and 'value="yes" checked' in asked
    assert "For ± 2 points" in asked and "For ± 2 points" not in get(f"{site}/compare?{query(*pair)}").text
    assert get(f"{site}/compare?{query(*pair)}&precision=none").status == 400


def test_a_judges_word_on_plans_is_offered_and_shown_where_it_is_kept(store: Store, site: str) -> None:
    run = put_run(store, "")
    judge = StepJudge("judge:openai/judge", judge_version())
    made = trace(problem(0), "Take 3 pears, 3 + 1 = 4.", plan=Plan("1. Take the pears.\n2. Add one.", "t"))
    run.put_trace(0, made)
    run.put_grades([(0, 0, Grade("right", "4", "read it", "default@2"))])
    assert "openai/judge" not in get(f"{site}/compare?{query(run)}").text
    keep_letters(run, judge.by, judge.version, block=0, letters={key_of(made): "ds"})
    page = get(f"{site}/compare?{query(run)}&adherence=openai/judge").text
    assert '<option value="openai/judge" selected>' in page and "judge:openai/judge" in page and "50.0" in page
    assert get(f"{site}/compare?{query(run)}&adherence=openai/other").status == 404
