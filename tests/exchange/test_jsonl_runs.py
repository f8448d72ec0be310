"""What people add to a run goes out with it as jsonl and comes back: edits, reviews, remarks, corrections."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from stepdown.errors import BadRow
from stepdown.exchange import export_run, import_traces
from stepdown.models import Prices
from stepdown.runner import grade, run
from stepdown.store import Run, Store
from stepdown.store.annotations import Annotation, annotate, annotations_by_trace, stored_annotations
from stepdown.store.corrections import correct
from stepdown.store.reviews import decide_review, request_review, review_decision
from stepdown.types import Plan
from worlds import student, sums, teacher

ADDED = {"grades", "edits", "review", "remarks"}


@pytest.fixture
def solved(tmp_path: Path) -> Iterator[Run]:
    """A run of three problems to which people have added everything they can."""
    with Store(tmp_path / "from.sqlite") as store:
        made = run(sums(3), "trace-of-thought", student=student(), teacher=teacher(), store=store)
        trace = made.trace("sums/test/1")
        assert trace.plan is not None, "the teacher wrote it"
        for steps, author, seconds in (("Add.", "Ann", 12.5), ("Add one.", "Bob", None)):
            made.put_edit("sums/test/1", trace.plan.edit(steps, author=author, why="shorter"), seconds=seconds)
        for text, author in (("long", "Ann"), ("fine", "Bob"), ("too long", "Ann")):
            annotate(made, "sums/test/0", annotation=Annotation(text, "", author))
        request_review(made, trace.problem, trace.plan)
        decide_review(store, (made.id, "sums/test/1"), decision="edited", plan=trace.plan.edit("Look.", author="Ann"))
        grade(made, "strict")
        correct(made, (2, 0), verdict="wrong", author="Ann", why="misread", found="7")
        yield made


@pytest.fixture
def file(solved: Run, tmp_path: Path) -> Path:
    export_run(solved, "jsonl", tmp_path / "out.jsonl")
    return tmp_path / "out.jsonl"


@pytest.fixture
def back(file: Path, tmp_path: Path) -> Iterator[Run]:
    """The run as another store has it from the file."""
    with Store(tmp_path / "to.sqlite") as store:
        yield import_traces(file, store=store)


def test_an_export_of_an_import_is_the_same_file(file: Path, back: Run, tmp_path: Path) -> None:
    export_run(back, "jsonl", tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_bytes() == file.read_bytes()
    assert import_traces(tmp_path / "again.jsonl", store=back.store).id == back.id


def test_edits_come_back_with_who_why_when_and_how_long(solved: Run, back: Run) -> None:
    assert back.edits() == solved.edits()
    assert [(edit.plan.author, edit.seconds) for edit in back.edits()] == [("Ann", 12.5), ("Bob", None)]


def test_remarks_come_back_with_those_that_no_longer_count(solved: Run, back: Run) -> None:
    assert (
        annotations_by_trace(back) == annotations_by_trace(solved)
        and len(annotations_by_trace(back)["sums/test/0", 0]) == 2
    )
    assert (
        list(stored_annotations(back)) == list(stored_annotations(solved)) and len(list(stored_annotations(back))) == 3
    )


def test_what_was_decided_on_a_held_plan_comes_back(solved: Run, back: Run) -> None:
    found = review_decision(back, "sums/test/1")
    assert found is not None and found == review_decision(solved, "sums/test/1")
    assert (found.decision, found.plan.author) == ("edited", "Ann")


def test_a_plan_that_still_waits_stays_with_the_run_that_waits(solved: Run, tmp_path: Path) -> None:
    request_review(solved, solved.trace("sums/test/2").problem, Plan("1. Add.", "teacher"))
    export_run(solved, "jsonl", tmp_path / "out.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert ["review" in line for line in lines] == [False, True, False]


def test_every_graders_grades_and_the_corrections_come_back(solved: Run, back: Run) -> None:
    assert back.grader == solved.grader and back.grader.endswith("+person")
    assert back.graders() == solved.graders() and len(back.graders()) == 3
    for grader in back.graders():
        assert [one for _, one in back.graded(grader)] == [one for _, one in solved.graded(grader)]


def test_corrections_that_a_resumed_run_does_not_show_are_kept(solved: Run, tmp_path: Path) -> None:
    solved.grader = "default@2"
    export_run(solved, "jsonl", tmp_path / "out.jsonl")
    with Store(tmp_path / "to.sqlite") as store:
        back = import_traces(tmp_path / "out.jsonl", store=store)
        assert back.grader == "default@2"
        correct(back, (0, 0), verdict="right", author="Ann")
        assert "strict@2+person" in back.graders()


def test_a_run_nobody_added_to_has_the_lines_it_always_had(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite") as store:
        plain = run(sums(2), "direct", student=student(), store=store)
        export_run(plain, "jsonl", tmp_path / "out.jsonl", prices=Prices())
    first = json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0])
    assert not ADDED & first.keys() and list(first)[-1] == "settings"


def test_a_file_without_additions_still_comes_in(solved: Run, file: Path, tmp_path: Path) -> None:
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    old = [{key: value for key, value in line.items() if key not in ADDED} for line in lines]
    (tmp_path / "old.jsonl").write_text("".join(json.dumps(line) + "\n" for line in old))
    with Store(tmp_path / "to.sqlite") as store:
        back = import_traces(tmp_path / "old.jsonl", store=store)
        assert list(back.traces()) == list(solved.traces())
        assert (back.graders(), back.edits(), annotations_by_trace(back)) == ([solved.grader], [], {})


def test_an_imported_csv_goes_through_jsonl_with_its_origin(solved: Run, tmp_path: Path) -> None:
    export_run(solved, "csv-traces", tmp_path / "a.csv")
    with Store(tmp_path / "b.sqlite") as store:
        there = import_traces(tmp_path / "a.csv", store=store)
        export_run(there, "jsonl", tmp_path / "b.jsonl")
        origin = there.settings.origin
    with Store(tmp_path / "c.sqlite") as store:
        back = import_traces(tmp_path / "b.jsonl", store=store)
        assert back.settings.origin.endswith(f"/{origin}") and list(stored_annotations(back))
        for to, name in (("jsonl", "b.jsonl"), ("csv-traces", "a.csv")):
            export_run(back, to, tmp_path / "again", force=True)
            assert (tmp_path / "again").read_bytes() == (tmp_path / name).read_bytes()
        assert import_traces(tmp_path / "a.csv", store=store).id != back.id


@pytest.mark.parametrize(
    ("said", "instead"),
    [
        ('"grader":"strict@2"}', '"grader":"strict@2+person"}'),
        ('"grader":"strict@2"}', '"grader":""}'),
        ('"seconds":12.5', '"seconds":-1'),
        ('"created":1', '"created":1e300,"was":1'),
        ('"decision":"edited"', '"decision":"burned"'),
    ],
)
def test_an_addition_that_cannot_be_is_refused_and_nothing_is_written(
    said: str, instead: str, file: Path, tmp_path: Path
) -> None:
    assert said in file.read_text()
    file.write_text(file.read_text().replace(said, instead))
    with Store(tmp_path / "to.sqlite") as store:
        with pytest.raises(BadRow):
            import_traces(file, store=store)
        assert store.runs() == []
