"""Grading by workers gives the grades that grading here gives."""

from pathlib import Path

from stepdown import run
from stepdown.graders import load_grader
from stepdown.models import ScriptedModel
from stepdown.runner import grade_by_workers, grade_run, plain
from stepdown.store import Run, Store
from stepdown.types import Grade, Messages, Sampling
from stepdown.workers import open_workers


def answer(messages: Messages, sampling: Sampling, sample: int) -> str:
    """Answer something or nothing, by how long the question is."""
    size = len(messages[-1].content)
    return f"I think the answer is {size % 7}." if size % 3 else "no idea"


def solved(path: Path) -> Run:
    return run("wordsums", "direct", student=ScriptedModel(answer, "student", version="1"), limit=30, store=Store(path))


def grades(found: Run) -> list[Grade]:
    return [grade for _, grade in found.graded(found.stored_grader("lenient"))]


def test_workers_grade_as_this_process_does(tmp_path: Path) -> None:
    here, there = solved(tmp_path / "here.sqlite"), solved(tmp_path / "there.sqlite")
    plain(grade_run(here, load_grader("lenient")))
    with open_workers(2) as pool:
        grade_by_workers(there, "lenient", pool)
    assert grades(there) == grades(here) and len(grades(here)) == 30
    assert len({grade.found for grade in grades(here)}) > 1
    assert there.grader == here.grader
    here.store.close()
    there.store.close()
