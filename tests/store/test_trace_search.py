"""Long runs are filtered, searched, counted and walked through in the store."""

from typing import Any

import pytest

from run_pages import problem, put, put_run, trace
from stepdown.errors import UsageError
from stepdown.models import Prices
from stepdown.reports import report
from stepdown.store import Run, Store, trace_search
from stepdown.store.changes import ChangeKind, verdict_changes
from stepdown.store.provenance import ELSEWHERE, grades_of, payers, siblings
from stepdown.store.trace_search import MOST, WHERE, TraceFilter, counts, neighbours
from stepdown.types import Grade, Plan
from stepdown.web.views.run_stats import RunStatsCache


@pytest.fixture
def run(store: Store) -> Run:
    """Ten traces: six right, three wrong of which one is truncated and one edited, one failed."""
    made = put_run(store, "rrrwwwrrr-")
    plan = Plan("1. Add.", "openai/gpt-4o")
    made.put_trace(4, trace(problem(4), "Answer: 0", finish=False))
    made.put_trace(5, trace(problem(5), "Answer: 0", plan=plan.edit("Add one.", author="ada")))
    made.put_grades([(at, 0, Grade("wrong", "0", "", "default@2")) for at in (4, 5)])
    return made


def ordinals(run: Run, chosen: TraceFilter, offset: int = 0, count: int = 50) -> list[int]:
    return [line.ordinal for line in trace_search.search_traces(run, chosen, offset=offset, count=count).lines]


def test_each_filter_shows_the_traces_it_names(run: Run) -> None:
    found = {where: ordinals(run, TraceFilter(where)) for where in WHERE}
    assert found == {
        "": list(range(10)),
        "right": [0, 1, 2, 6, 7, 8],
        "wrong": [3, 4, 5],
        "ungraded": [9],
        "truncated": [4],
        "edited": [5],
        "error": [9],
    }
    assert counts(run) == {where: len(places) for where, places in found.items()}


def test_a_trace_without_any_grade_is_ungraded(run: Run) -> None:
    run.put_trace(10, trace(problem(10), "Answer: 11"))
    assert ordinals(run, TraceFilter("ungraded")) == [9, 10]
    assert neighbours(run, TraceFilter("ungraded"), (9, 0))[1]


def test_a_plan_a_person_edited_and_nobody_solved_by_yet_counts_as_edited(run: Run) -> None:
    run.put_edit("sums/test/0", Plan("1. Add.", "t").edit("Add one.", author="ada"))
    assert ordinals(run, TraceFilter("edited")) == ordinals(run, TraceFilter("edited", "PEARS")) == [0, 5]


def test_words_are_found_in_questions_and_ids_whatever_their_case(run: Run) -> None:
    assert ordinals(run, TraceFilter("", "has 7 pears")) == ordinals(run, TraceFilter("", "TEST/7")) == [7]
    assert ordinals(run, TraceFilter("wrong", "pears")) == [3, 4, 5]
    assert ordinals(run, TraceFilter("", "no such words")) == []


@pytest.mark.parametrize("words", ["50% of", "a_b", 'say "hi"', "ÉCLAIRS", "back\\slash", "\n"])
def test_signs_that_sql_or_json_write_in_their_own_way_are_found_as_they_are(run: Run, words: str) -> None:
    put(run, (20, 0), problem(20, question=f"There are 500 of axb, {words.lower()} and more."), "right")
    assert ordinals(run, TraceFilter("", words)) == [20]


def test_the_answer_and_the_names_of_fields_are_not_searched(run: Run) -> None:
    assert ordinals(run, TraceFilter("", "question")) == ordinals(run, TraceFilter("", "answer")) == []


def test_a_long_run_is_searched_in_the_same_way(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = [TraceFilter(where, words) for where in WHERE for words in ("pears", "has 7", "nothing")]
    short = [(ordinals(run, one), neighbours(run, one, (4, 0))) for one in chosen]
    monkeypatch.setattr(trace_search, "_WALKED", 0)
    assert [(ordinals(run, one), neighbours(run, one, (4, 0))) for one in chosen] == short


def test_words_that_too_many_hold_are_counted_no_further(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_search, "_WALKED", 0)
    monkeypatch.setattr(trace_search, "MOST", 5)
    page = trace_search.search_traces(run, TraceFilter("", "pears"), offset=2, count=2)
    assert (page.total, page.more, [line.ordinal for line in page.lines]) == (5, True, [2, 3])
    assert neighbours(run, TraceFilter("", "pears"), (9, 0))[0]
    assert MOST > 100


def test_pages_follow_one_another(run: Run) -> None:
    pages = [ordinals(run, TraceFilter("right"), offset, 4) for offset in (0, 4, 8)]
    assert pages == [[0, 1, 2, 6], [7, 8], []]


def test_neighbours_keep_to_the_filter_and_end_at_the_ends(run: Run) -> None:
    before, after = neighbours(run, TraceFilter("right"), (2, 0))
    assert before and after and (before.ordinal, after.ordinal) == (1, 6)
    assert neighbours(run, TraceFilter("wrong", "pears"), (3, 0))[0] is None
    assert neighbours(run, TraceFilter(), (9, 0))[1] is None


def test_a_trace_is_found_by_its_problem_without_reading_the_run(run: Run) -> None:
    plan = " ".join(
        step for *_, step in run.store.db.execute(
            """explain query plan select * from traces where run = ? and ordinal in
               (select ordinal from traces as named where named.run = ? and named.problem in
               (select key from problems where id = ?))""", ("", "", ""),
        )
    )  # fmt: skip
    assert "traces_of_problem (problem=? AND run=?)" in plan and "ordinal=?" in plan
    assert run.trace("sums/test/5").plan


def turned(before: Run, after: Run, kind: ChangeKind) -> list[str]:
    return [one.problem.rpartition("/")[2] for one in verdict_changes(before, after, kind=kind).turned]


def test_flips_are_the_problems_won_and_lost(store: Store) -> None:
    one, two = put_run(store, "rrwww-"), put_run(store, "rwrwrr", method="chain-of-thought")
    assert turned(one, two, "won") == ["2", "4"]
    assert turned(one, two, "lost") == ["1"]
    assert turned(one, two, "any") == ["1", "2", "4"]
    rows = report(one, two, baseline=one, prices=Prices()).rows
    assert (rows[1].better, rows[1].worse) == (2, 1)


def test_flips_are_paged_and_counted(store: Store) -> None:
    one, two = put_run(store, "wwww"), put_run(store, "rrrr", method="chain-of-thought")
    found = verdict_changes(one, two, kind="won", offset=1, count=2)
    assert found.total == 4 and [flip.problem for flip in found.turned] == ["sums/test/1", "sums/test/2"]
    assert found.turned[0].found_before == "0" and found.turned[0].found_after == "2"


def test_problems_whose_content_differs_are_paired_by_id(store: Store) -> None:
    one, other = put_run(store, "ww"), put_run(store, "", method="chain-of-thought")
    put(other, (7, 0), problem(1, question="Ada has one pear more than 1."), "right")
    other.grader = "default@2"
    found = verdict_changes(one, other)
    assert found.by_id and [flip.problem for flip in found.turned] == ["sums/test/1"]


def test_runs_that_vote_are_not_taken_apart(store: Store) -> None:
    with pytest.raises(UsageError, match="vote"):
        verdict_changes(put_run(store, "rrww", samples=2), put_run(store, "rw"))


def test_the_ledger_adds_what_was_paid_since(store: Store) -> None:
    run, run_stats = put_run(store, "rw"), RunStatsCache(Prices())
    assert (run_stats.summarize(run).spent.tokens, run_stats.summarize(run).right) == (300, 1)
    put(run, (2, 0), problem(2), "right")
    later = run_stats.summarize(run)
    assert (later.spent.tokens, later.spent.money, later.right, later.graded) == (450, 0.0, 2, 3)


def test_a_trace_says_who_paid_who_graded_and_where_else_its_problem_is(store: Store) -> None:
    one, two = put_run(store, "rw"), put_run(store, "wr", method="chain-of-thought")
    one.put_grades([(0, 0, Grade("wrong", None, "no final answer line", "strict@2"))])
    assert payers(one, 0, 0) == [one.id]
    assert [grade.grader for grade in grades_of(one, 0, 0)] == ["default@2", "strict@2"]
    found = siblings(one, 0, 0)
    assert [(other.run, other.verdict, other.found, other.tokens) for other in found.shown] == [
        (two.id, "wrong", "0", 150)
    ]


def test_of_many_runs_with_a_problem_the_newest_are_shown_and_the_others_counted(store: Store) -> None:
    runs = [put_run(store, "r", student=f"ollama/{number}") for number in range(ELSEWHERE + 3)]
    found = siblings(runs[0], 0, 0)
    assert [one.run for one in found.shown] == [run.id for run in runs[:2:-1]] and found.more == 2


@pytest.mark.parametrize(("asked", "places"), [
    ({"text": "ADD"}, [5]),
    ({"text": "answer: 0"}, [3, 4, 5]),
    ({"answer": " 0 "}, [3, 4, 5, 9]),
    ({"cut": "yes"}, [4]),
    ({"cut": "no", "text": "answer: 0"}, [3, 5]),
    ({"edited": "yes"}, [5]),
    ({"steps": "1"}, [5]),
    ({"steps": "2-"}, []),
    ({"leaked": "yes"}, []),
])  # fmt: skip
def test_traces_are_found_by_what_is_in_them(run: Run, asked: dict[str, Any], places: list[int]) -> None:
    chosen = TraceFilter(**asked)
    assert ordinals(run, chosen) == places == [at for at, _ in trace_search.trace_places(run, chosen)]
    assert trace_search.search_traces(run, chosen).total == len(places)
    assert ordinals(run, TraceFilter("wrong", "pears", **asked)) == [at for at in places if at in (3, 4, 5)]


def test_traces_are_found_by_their_tokens(run: Run) -> None:
    counted = {line.ordinal: line.tokens for line in trace_search.search_traces(run).lines}
    most = max(count for count in counted.values() if count)
    assert set(ordinals(run, TraceFilter(tokens=f"{most}-"))) == {at for at, count in counted.items() if count == most}
    assert ordinals(run, TraceFilter(tokens=f"{most + 1}-")) == []


@pytest.mark.parametrize("asked", [{"tokens": "many"}, {"steps": "-"}, {"cut": "perhaps"}])
def test_a_test_that_says_nothing_is_refused_with_a_way_out(run: Run, asked: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(asked.values()))) as raised:
        trace_search.search_traces(run, TraceFilter(**asked))
    assert raised.value.hint.startswith("write ")
