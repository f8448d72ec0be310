"""Problems by runs: cells by question, and the rows that each filter picks."""

import pytest

from run_pages import problem, put, put_run
from stepdown.reports import ROW_FILTERS, RowFilter, VerdictMatrix, leaked_rows, rows_in, verdict_matrix
from stepdown.store import Run, Store
from stepdown.types import Plan
from stored_runs import keep_run


@pytest.fixture
def runs(store: Store) -> list[Run]:
    return [put_run(store, "rrwww-"), put_run(store, "rwrwr", student="big"), put_run(store, "wwrwr", student="odd")]


@pytest.mark.parametrize(
    ("kind", "rows"),
    [
        ("", [0, 1, 2, 3, 4, 5]),
        ("wrong", [0, 1, 2, 3, 4]),
        ("differ", [0, 1, 2, 4]),
        ("won", [2, 4]),
        ("lost", [0, 1]),
        ("all-wrong", [3]),
        ("all-right", []),
        ("failed", [5]),
        ("truncated", []),
    ],
)
def test_a_filter_picks_the_rows_it_names(runs: list[Run], kind: RowFilter, rows: list[int]) -> None:
    assert rows_in(verdict_matrix(runs).chosen(kind)) == rows and kind in ROW_FILTERS


def test_a_filter_can_look_at_one_run_from_another_base(runs: list[Run]) -> None:
    matrix = verdict_matrix(runs)
    assert [rows_in(matrix.chosen(kind, base=2, of=1)) for kind in ("won", "lost", "differ")] == [[0], [], [0]]
    assert rows_in(matrix.chosen("wrong", of=0)) == [2, 3, 4] and matrix.wins(0, 2) == 2


def test_rows_are_ordered_by_how_many_runs_have_them_right(runs: list[Run]) -> None:
    matrix = verdict_matrix(runs)
    every = range(matrix.rows)
    assert matrix.hardest_first(every) == [3, 5, 1, 0, 2, 4]
    assert matrix.most_split_first(every)[-2:] == [3, 5] and matrix.wrong_first(every, 1)[:2] == [1, 3]


def test_a_row_is_a_question_whatever_its_place_and_name_in_a_run(store: Store) -> None:
    run, other = put_run(store, "wr"), put_run(store, "", student="big")
    for place, number in enumerate((1, 7, 0)):
        put(other, (place, 0), problem(number), "right")
    matrix = verdict_matrix([run, other])
    assert (matrix.rows, list(matrix.columns[1].ordinals)) == (3, [2, 0, 1])
    assert [matrix.columns[0].verdict(row) for row in range(3)] == ["wrong", "right", None]
    assert matrix.columns[1].found[2] == "8"


def test_samples_of_a_problem_vote_in_one_cell(store: Store) -> None:
    matrix = verdict_matrix([put_run(store, "rrwwwr", samples=3)])
    assert [matrix.columns[0].verdict(row) for row in range(matrix.rows)] == ["right", "wrong"]


def test_plans_that_hold_the_answer_are_found(store: Store) -> None:
    from run_pages import trace

    plans = [Plan("1. Add one.\n2. Write 1 as the answer: 1.", "gpt"), Plan("1. Add one.", "gpt")]
    run = keep_run(store, [[(trace(problem(4 * at), "5", plan=plan), None)] for at, plan in enumerate(plans)])
    matrix: VerdictMatrix = verdict_matrix([run, put_run(store, "r")])
    assert matrix.columns[0].plans and not matrix.columns[1].plans
    assert rows_in(leaked_rows(run, matrix.columns[0])) == [0]
