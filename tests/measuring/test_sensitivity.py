"""The same stored solutions read by each grader, side by side."""

from stepdown.measuring import sensitivity
from stepdown.reports import report
from stepdown.store import Run, Store
from stepdown.types import Kind, Problem, Trace
from stored_runs import keep_run

BOXED_THEN_CHECKED = "So it is \\boxed{4}, since 4 + 3 is 7."


def solved_so(store: Store, solutions: dict[str, str | None], kind: Kind = "number") -> Run:
    """A run with these solutions and their golds, which failed where there is none."""
    rows = []
    for n, (solution, gold) in enumerate(solutions.items()):
        problem = Problem(f"made/{n}", f"What is number {n}?", gold or "4", ("sun", "moon"), kind)
        found, error = (solution, "") if gold else (None, "x")
        rows.append([(Trace(problem, "direct", None, (), found, error=error), None)])
    return keep_run(store, rows, dataset="made", grader="")


def rights(run: Run) -> dict[str, tuple[int, int]]:
    return {one.grader.partition("@")[0]: (one.right, one.graded) for one in sensitivity(run).readings}


def test_each_grader_reads_the_same_solutions_its_own_way(store: Store) -> None:
    solutions = {BOXED_THEN_CHECKED: "4", "It leaves 4.": "4", "Answer: 4": "4", "Answer: 5\nNot 4.": "4"}
    found = rights(solved_so(store, dict(solutions)))
    assert list(found) == ["default", "strict", "lenient", "last-number", "box-first"]
    assert found["strict"] == (2, 4) and found["lenient"] == (4, 4)
    assert found["last-number"] == (3, 4) and found["box-first"][0] >= 3


def test_what_failed_is_graded_by_no_grader(store: Store) -> None:
    run = solved_so(store, {"Answer: 4": "4", "lost": None})
    assert {graded for _, graded in rights(run).values()} == {1}
    assert {one.total for one in sensitivity(run).readings} == {2}


def test_the_last_number_is_no_reading_of_a_choice(store: Store) -> None:
    readings = {one.grader: one for one in sensitivity(solved_so(store, {"Answer: B": "B"}, "choice")).readings}
    last = next(one for name, one in readings.items() if name.startswith("last-number"))
    assert (last.graded, last.accuracy) == (0, None)
    assert next(one for name, one in readings.items() if name.startswith("default")).accuracy == 1


def test_a_report_sets_the_readings_side_by_side_and_stores_nothing(store: Store) -> None:
    run = solved_so(store, {"Answer: 4": "4", "It leaves 4 of 9.": "4"})
    made = report(run, sensitive=True)
    assert "Under each grader" in str(made) and "50.0 (1/2)" in str(made)
    assert [one["run"] for one in made.to_json()["sensitivities"]] == [run.id]
    assert run.graders() == []
    assert report(run).sensitivities == ()
