"""A run on what its student was trained on, or was shown, is marked wherever it is seen, with its figures without."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from run_pages import problem, put_run
from served import get
from stepdown.graders import load_grader
from stepdown.methods import load_method
from stepdown.models import Prices, ScriptedModel
from stepdown.models.weights.students import StudentCard
from stepdown.models.weights.students import TrainingData as Taught
from stepdown.prompts import DEFAULT, Demonstration, with_demonstrations
from stepdown.questions import FILE, keys_of, write_keys
from stepdown.reports import report, write_page
from stepdown.runner import Task, as_problems, load_plans, plain, run_task
from stepdown.store import Run, Store
from stepdown.types import Problem


def taught(folder: Path, *numbers: int, known: bool = True) -> str:
    """A student folder, without weights, that was trained on these of `run_pages`' problems under other ids."""
    folder.mkdir()
    met = [msgspec.structs.replace(problem(number), id=f"other/{number}") for number in numbers]
    lessons = Taught(questions=write_keys(folder / FILE, keys_of(met)) if known else None)
    (folder / "card.json").write_bytes(msgspec.json.encode(StudentCard(base="b", lessons=lessons)))
    (folder / "config.json").write_text("{}")
    return str(folder)


def row_of(run: Run) -> str:
    return str(report(run, prices=Prices()).rows[0].contamination or "")


def test_a_report_gives_the_accuracy_without_what_was_trained_on(store: Store, tmp_path: Path) -> None:
    name = taught(tmp_path / "s", 0, 1, 7)
    found = report(put_run(store, "rrwr-", student=name), prices=Prices())
    one = found.to_json()["rows"][0]["contamination"]
    assert (one["met"], one["by"], one["right"], one["graded"], one["total"]) == (2, (name,), 1, 2, 3)
    for text in (str(found), found.to_markdown(), write_page(found, tmp_path / "r.html").read_text()):
        assert "Tested on what was trained on" in text and "1/2/3" in text


def test_a_run_on_other_problems_is_known_to_be_clean(store: Store, tmp_path: Path) -> None:
    found = report(put_run(store, "rrw", student=taught(tmp_path / "s", 8, 9)), prices=Prices())
    one = found.rows[0].contamination
    assert one is not None and one.met == 0 and "Tested on what" not in str(found)


def test_a_model_that_is_no_student_has_no_mark(store: Store) -> None:
    assert report(put_run(store, "rrw"), prices=Prices()).rows[0].contamination is None


def test_a_student_of_the_first_version_is_said_to_be_unknown(store: Store, tmp_path: Path) -> None:
    name = taught(tmp_path / "old", known=False)
    assert row_of(put_run(store, "rw", student=name)) == f"what {name} met is unknown"


def test_a_planner_that_was_trained_on_the_problems_is_marked(store: Store, tmp_path: Path) -> None:
    name = taught(tmp_path / "planner", 1)
    assert f"1 of its problems were met by {name}" in row_of(put_run(store, "rr", teacher=name))


def test_recorded_plans_of_such_a_planner_are_marked_too(store: Store, tmp_path: Path) -> None:
    name, asked = taught(tmp_path / "planner", 0), problem(0)
    path = tmp_path / "plans.jsonl"
    path.write_bytes(msgspec.json.encode({"question": asked.question, "plan": "1. Add.", "author": name}))
    outcome = solved(store, [asked], "trace-of-thought", plans=load_plans(str(path)))
    assert f"met by {name}" in row_of(outcome)


def test_replies_recorded_from_such_a_student_are_marked_too(store: Store, tmp_path: Path) -> None:
    name = taught(tmp_path / "s", 0)
    first = put_run(store, "rw", student=name)
    assert f"1 of its problems were met by recorded/{first.id}" in row_of(
        put_run(store, "rw", student=f"recorded/{first.id}")
    )


@pytest.mark.parametrize(("question", "met"), [(problem(0).question, 1), ("Bo has two pears. How many has he?", 0)])
def test_a_demonstration_of_the_tested_question_is_marked(store: Store, question: str, met: int) -> None:
    shown = Demonstration(question.upper(), "One and none are one.", "1")
    run = solved(store, [problem(0), problem(1)], "few-shot", prompts=with_demonstrations(DEFAULT, (shown,)))
    one = report(run, prices=Prices()).rows[0].contamination
    assert (one.met if one else 0) == met


def test_the_page_of_a_run_and_the_comparison_say_so(store: Store, site: str, tmp_path: Path) -> None:
    marked, clean = put_run(store, "rrw", student=taught(tmp_path / "s", 0)), put_run(store, "rrw")
    assert "1 of its problems were met by" in get(f"{site}/runs/{marked.id}").text
    assert "met by" not in get(f"{site}/runs/{clean.id}").text
    assert "Tested on what was trained on" in get(f"{site}/compare?run={marked.id}&run={clean.id}").text


def solved(store: Store, problems: list[Problem], method: str, **given: Any) -> Run:
    model = ScriptedModel(lambda messages, sampling, sample: "Answer: 1", "m")
    task = Task(
        problems=as_problems(problems), method=load_method(method), student=model, grader=load_grader(), **given
    )
    return plain(run_task(task, store)).run
