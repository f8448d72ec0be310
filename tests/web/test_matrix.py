"""The page of problems by runs, and two attempts side by side."""

import re
from html import unescape

import pytest

from run_pages import HOSTILE, problem, put, put_run, trace
from served import get
from stepdown.store import Run, Store
from stepdown.types import Grade, Plan
from stepdown.web.views.word_diff import word_diff


@pytest.fixture
def runs(store: Store) -> list[Run]:
    return [put_run(store, "rrww"), put_run(store, "rwrw", student="ollama/big")]


def rows(site: str, query: str) -> list[str]:
    return re.findall(r'class="clip">(sums/test/\d)<', get(f"{site}/matrix?{query}").text)


@pytest.mark.parametrize(
    ("query", "wanted"),
    [("", [0, 1, 2, 3]), ("where=differ", [1, 2]), ("where=won", [2]), ("words=has+3", [3]), ("where=lost&page=2", [])],
)
def test_a_filter_is_an_address(runs: list[Run], site: str, query: str, wanted: list[int]) -> None:
    assert rows(site, query) == [f"sums/test/{number}" for number in wanted]


def test_flips_of_two_students_are_two_clicks_from_the_first_page(runs: list[Run], site: str) -> None:
    assert 'href="/matrix"' in get(site).text
    clicked = unescape(get(f"{site}/matrix").text)
    to = f"/matrix?run={runs[0].id}&run={runs[1].id}&where=won"
    assert f'href="{to}"' in clicked and rows(site, to.partition("?")[2]) == ["sums/test/2"]


def test_a_cell_leads_to_its_trace_and_beside_the_base(runs: list[Run], site: str) -> None:
    page = unescape(get(f"{site}/matrix?where=won").text)
    assert f'href="/runs/{runs[1].id}/traces/sums/test/2?sample=0"' in page
    beside = f"/runs/{runs[0].id}/solved/sums/test/2?by={runs[1].id}"
    assert f'href="{beside}"' in page
    assert "Side by side: sums/test/2" in get(site + beside).text


@pytest.mark.parametrize("page", ["/runs/{0}", "/runs/{0}/traces/sums/test/1", "/compare?run={0}&run={1}", "/"])
def test_matrix_and_pairs_are_linked_from_where_they_answer(runs: list[Run], site: str, page: str) -> None:
    text = unescape(get(site + page.format(*(run.id for run in runs))).text)
    assert 'href="/matrix?' in text
    assert ("side by side</a>" in text) == ("traces" in page or "compare" in page)


def test_runs_under_other_ids_stand_side_by_side(store: Store, site: str, runs: list[Run]) -> None:
    other = put_run(store, "", student="x", dataset="mine")
    asked = problem(1)
    put(other, (0, 0), type(asked)("mine/9", asked.question, asked.answer), "wrong")
    page = unescape(get(f"{site}/matrix?run={runs[0].id}&run={other.id}").text)
    address = f"/runs/{runs[0].id}/solved/sums/test/1?by={other.id}&other=mine%2F9"
    assert f'href="{address}"' in page and get(site + address).status == 200


@pytest.mark.parametrize("query", ["where=pretty", "base=no", "of=no", "sort=no", "dataset=no", "run=no"])
def test_what_is_not_there_is_said(runs: list[Run], site: str, query: str) -> None:
    assert get(f"{site}/matrix?{query}").status == 404


def test_an_empty_store_says_what_makes_runs(site: str) -> None:
    assert "There are no runs yet" in get(f"{site}/matrix").text


def test_hostile_texts_are_text_in_the_matrix(store: Store, site: str) -> None:
    put(put_run(store, ""), (0, 0), problem(0, question=HOSTILE), "right")
    page = get(f"{site}/matrix").text
    assert "&lt;/pre&gt;" in page and "<script>window" not in page


def test_words_that_one_text_has_alone_are_marked_and_nothing_is_lost() -> None:
    before, after = "Add 2 and 3.\nSo 5 pears.", "Add 2 and 4. So it is 6 pears."
    words = word_diff(before, after)
    assert [one.text for one in words.before if one.kind == "gone"] == ["3", "5 "]
    assert [one.text for one in words.after if one.kind == "new"] == ["4", "it is 6 "]
    assert "".join(one.text for one in words.before) == before and "".join(one.text for one in words.after) == after


def test_long_texts_are_compared_by_lines_first_and_cut() -> None:
    lines = [f"Line {number} says {number * 7}.\n" for number in range(900)]
    words = word_diff("".join(lines), "".join([*lines[:20], "Line 20 says 0.\n", *lines[21:]]))
    assert [one.text for one in words.before if one.kind == "gone"] == ["140"]
    assert word_diff("a" * 30_000, "").left_out == 10_000


PLAN = Plan("1. Count Ada's pears.\n2. Add the pear she finds.\n3. Halve the sum.", "openai/gpt-4o")


def put_planned(store: Store, text: str, *, student: str) -> Run:
    run = put_run(store, "", method="trace-of-thought", student=student, teacher="openai/gpt-4o")
    run.put_trace(0, trace(problem(1), text, plan=PLAN), source=student)
    run.put_grades([(0, 0, Grade("right", "2", "", "default@2"))])
    return run


def test_a_trace_shows_which_part_follows_which_step_and_what_none_does(store: Store, site: str) -> None:
    run = put_planned(store, "1. Ada has 1 pear.\n2. With the pear she finds: 1 + 1 = 2.", student="small")
    page = unescape(get(f"{site}/runs/{run.id}/traces/sums/test/1").text)
    assert '<a class="of" href="#step-2" aria-label="follows step 2">2</a>' in page
    assert "2 of 3 steps done, 1 skipped?" in page and 'title="no part is like it">skipped?' in page
    assert "found by a rule, not certain" in page


def test_two_attempts_by_one_plan_are_lined_up_step_by_step(store: Store, site: str) -> None:
    first = put_planned(store, "1. Ada has 1 pear.\n2. Add the pear: 1 + 1 = 2.", student="small")
    other = put_planned(store, "1. Ada's pears: 1.\n2. She finds: 1 + 1 = 2.\n3. Halve it: 2 / 2 = 1.", student="big")
    page = get(f"{site}/runs/{first.id}/solved/sums/test/1?by={other.id}").text
    assert "Step by step" in page and page.count('class="of-step math"') == 5 and page.count("skipped?<") == 1
