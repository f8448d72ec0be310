"""What people do with a run is kept beside it, and nothing a grader or a model said is lost."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stepdown.audits import second_graders
from stepdown.errors import UsageError
from stepdown.exchange import export_run, import_traces
from stepdown.runner import run
from stepdown.store import Run, Store
from stepdown.store.annotations import Annotation, annotate, annotations_by_trace
from stepdown.store.corrections import correct
from stepdown.store.reviews import decide_review, pending_reviews, request_review, review_decision
from stepdown.types import Plan, Problem
from worlds import student, sums, teacher

PLAN = Plan("1. Add.", "teacher")


@pytest.fixture
def solved(tmp_path: Path) -> Iterator[Run]:
    """A run of three problems, all right."""
    with Store(tmp_path / "s.sqlite") as store:
        yield run(sums(3), "trace-of-thought", student=student(), teacher=teacher(), store=store)


def verdicts(of: Run, grader: str = "") -> list[str]:
    return [grade.verdict for _, grade in of.graded(grader)]


def test_a_correction_is_a_grader_of_its_own_and_the_first_graders_grades_stay(solved: Run) -> None:
    name = correct(solved, (1, 0), verdict="wrong", author="Ann", why="misread", found="7")
    assert name == solved.grader == "default@2+person"
    assert verdicts(solved) == ["right", "wrong", "right"]
    assert verdicts(solved, "default@2") == ["right"] * 3
    assert [grade.why for _, grade in solved.graded()][1] == "Ann: misread"


def test_a_second_correction_keeps_the_first(solved: Run) -> None:
    correct(solved, (0, 0), verdict="wrong", author="Ann")
    correct(solved, (2, 0), verdict="ungraded", author="Bob")
    assert verdicts(solved) == ["wrong", "right", "ungraded"]


def test_correcting_again_after_a_resume_brings_the_corrections_back(solved: Run) -> None:
    correct(solved, (0, 0), verdict="wrong", author="Ann")
    run(sums(3), "trace-of-thought", student=student(), teacher=teacher(), store=solved.store)
    assert solved.grader == "default@2"
    correct(solved, (1, 0), verdict="right", author="Ann", why="looked again")
    assert verdicts(solved) == ["wrong", "right", "right"]


def test_a_trace_that_is_not_there_cannot_be_corrected(solved: Run) -> None:
    with pytest.raises(UsageError, match="no graded trace"):
        correct(solved, (9, 0), verdict="right", author="Ann")
    assert solved.graders() == ["default@2"]


def test_a_grader_does_not_doubt_the_person_who_corrected_it(solved: Run) -> None:
    correct(solved, (0, 0), verdict="wrong", author="Ann")
    assert second_graders(solved) == []


def test_an_edit_keeps_how_long_it_took(solved: Run) -> None:
    solved.put_edit("sums/test/1", PLAN.edit("Add one.", author="Ann"), seconds=12.5)
    solved.put_edit("sums/test/1", PLAN.edit("Add 1.", author="Ann"))
    assert [edit.seconds for edit in solved.edits()] == [12.5, None]


def test_of_a_persons_annotations_the_newest_counts(solved: Run) -> None:
    for text, author in (("long", "Ann"), ("fine", "Bob"), ("too long", "Ann")):
        annotate(solved, "sums/test/0", annotation=Annotation(text, "", author))
    assert [(one.delegation, one.author) for one in annotations_by_trace(solved)["sums/test/0", 0]] == [
        ("too long", "Ann"), ("fine", "Bob"),
    ]  # fmt: skip


def test_annotations_go_into_the_authors_format_and_come_back(solved: Run, tmp_path: Path) -> None:
    annotate(solved, "sums/test/2", annotation=Annotation("a step is missing", "guessed", "Ann"))
    export_run(solved, "csv-traces", tmp_path / "a.csv")
    back = import_traces(tmp_path / "a.csv", store=solved.store)
    ((place, found),) = annotations_by_trace(back).items()
    assert (place, found[0].delegation, found[0].answer) == (("gsm8k/test/2", 0), "a step is missing", "guessed")
    export_run(back, "csv-traces", tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_several_peoples_remarks_are_exported_under_their_names(solved: Run, tmp_path: Path) -> None:
    annotate(solved, "sums/test/0", annotation=Annotation("short", "", "Ann"))
    annotate(solved, "sums/test/0", annotation=Annotation("long", "", "Bob"))
    export_run(solved, "csv-traces", tmp_path / "a.csv")
    assert r"Bob: long\nAnn: short" in (tmp_path / "a.csv").read_text()


def test_a_held_plan_waits_until_somebody_decides_and_the_first_decision_counts(solved: Run) -> None:
    request_review(solved, Problem("p/0", "What?", "1"), PLAN)
    assert [held.problem.question for held in pending_reviews(solved.store)] == ["What?"]
    assert decide_review(solved.store, (solved.id, "p/0"), decision="edited", plan=PLAN.edit("Look.", author="Ann"))
    assert not decide_review(solved.store, (solved.id, "p/0"), decision="accepted", plan=PLAN)
    found = review_decision(solved, "p/0")
    assert found is not None and (found.decision, found.plan.author) == ("edited", "Ann")
    assert pending_reviews(solved.store) == []


def test_a_decided_plan_is_not_held_again_but_another_plan_is(solved: Run) -> None:
    problem = Problem("p/0", "What?", "1")
    request_review(solved, problem, PLAN)
    decide_review(solved.store, (solved.id, "p/0"), decision="accepted", plan=PLAN)
    request_review(solved, problem, PLAN)
    assert pending_reviews(solved.store) == []
    request_review(solved, problem, Plan("1. Guess.", "teacher"))
    assert [held.plan.text for held in pending_reviews(solved.store, solved.id)] == ["1. Guess."]
