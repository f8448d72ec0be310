"""A judge's marks by a rubric and people's of some solutions: files, the corrected means, and where they are shown."""

import csv
import json
from pathlib import Path

import pytest

from stepdown.cli import main
from stepdown.errors import BadRow, UsageError
from stepdown.graders import Criterion, Rubric, RubricGrader
from stepdown.measuring import drawn_places, read_marks, run_marks, write_marks
from stepdown.models import ScriptedModel
from stepdown.reports import report
from stepdown.runner import grade
from stepdown.store import PersonMark, Run, Store, put_marks, stored_marks
from stepdown.types import Grade, Messages, Problem, Sampling, Trace
from stored_runs import keep_run

RUBRIC = Rubric(name="clear", criteria=(Criterion(name="reasons", ask="Why?"),
                                        Criterion(name="plain", ask="Plain?", scale=5)))  # fmt: skip
REASONS = RUBRIC.key("reasons")


def likes_because(messages: Messages, sampling: Sampling, sample: int) -> str:
    because, asked = "\nBecause.\n" in messages[0].content, "Why?" in messages[0].content
    return ("YES" if because else "NO") if asked else ("4" if because else "2")


@pytest.fixture
def judged(store: Store) -> Run:
    """Forty solutions, of which a judge finds reasons in the thirty that say because."""
    rows = [[(Trace(Problem(f"sums/test/{n}", f"What is {n} plus one?", str(n + 1)), "direct",
                    solution="Because." if n < 30 else "So."), Grade("right", "1", "", "default@2"))]
            for n in range(40)]  # fmt: skip
    return grade(keep_run(store, rows), RubricGrader(RUBRIC, ScriptedModel(likes_because, "judge")))


def say(run: Run, count: int, rater: str = "ann", *, final: bool = False, mark: str = "") -> None:
    """A person who sees what the judge sees marks so many solutions, drawn at random."""
    for problem in drawn_places(run, count):
        because = int(problem.rpartition("/")[2]) < 30
        given = mark or ("yes" if because else "no")
        put_marks(run, [PersonMark(problem, 0, REASONS, rater, given, final)])


def test_each_criterion_and_the_verdict_have_a_mean_and_a_judge_of_one_mind_narrows_it(judged: Run) -> None:
    say(judged, 20)
    found = run_marks(judged)
    assert [(one.criterion, one.judge_mean) for one in found.means] == [("reasons", 0.75), ("plain", 0.625), ("", 0.75)]
    first = found.means[0]
    assert (first.judged, first.people, first.same) == (40, 20, 1.0)
    assert first.low and first.high and first.low <= 0.75 <= first.high
    assert first.alone_low is not None and first.alone_high is not None
    assert first.high - first.low < first.alone_high - first.alone_low


def test_raters_are_kept_beside_each_other_and_a_final_mark_decides(judged: Run) -> None:
    say(judged, 10)
    say(judged, 10, "ben", mark="no")
    say(judged, 10, "cleo", final=True, mark="yes")
    found = run_marks(judged).means[0]
    assert len(stored_marks(judged)) == 30 and found.raters == ("ann", "ben")
    assert found.agreement and found.agreement.pairs == 10 and found.alone == 1.0


def test_what_was_skipped_or_taken_back_says_nothing(judged: Run) -> None:
    say(judged, 5, mark="skip")
    say(judged, 3, "ben")
    put_marks(judged, [PersonMark(one, 0, REASONS, "ben", "") for one in drawn_places(judged, 3)])
    assert run_marks(judged).means[0].people == 0


def test_a_report_and_its_json_have_the_marks_by_criterion(judged: Run) -> None:
    say(judged, 20)
    made = report(judged)
    assert "By criterion" in str(made) and "reasons" in str(made)
    assert [one["criterion"] for one in made.to_json()["marks"][0]["means"]] == ["reasons", "plain", ""]


def test_a_task_is_drawn_at_random_says_nothing_of_the_judge_and_comes_back(judged: Run, tmp_path: Path) -> None:
    assert write_marks(judged, tmp_path / "task.csv", RUBRIC, limit=4) == 4
    rows = list(csv.DictReader((tmp_path / "task.csv").read_text().splitlines()))
    assert len(rows) == 8 and "judge" not in (tmp_path / "task.csv").read_text()
    filled = [row | {"mark": "yes" if row["criterion"] == "reasons" else "4"} for row in rows[:-1]]
    (tmp_path / "ann.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [*filled, rows[-1]]))
    marks = read_marks(judged, RUBRIC, tmp_path / "ann.jsonl")
    assert len(marks) == 7 and {one.rater for one in marks} == {"ann"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mark": "6", "criterion": "plain"}, "one of 1, 2, 3, 4, 5"),
        ({"problem": "sums/test/99"}, "a solution of this run"),
        ({"sample": "1"}, "a solution of this run"),
        ({"criterion": "style"}, "one of `reasons`, `plain`"),
        ({"key": "rubric:clear#reasons@00000000"}, "key"),
    ],
)
def test_a_row_that_is_no_mark_names_its_line(
    change: dict[str, str], message: str, judged: Run, tmp_path: Path
) -> None:
    row = {"problem": "sums/test/1", "criterion": "reasons", "mark": "yes"} | change
    (tmp_path / "ann.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(BadRow, match=f"line 1.*{message}"):
        read_marks(judged, RUBRIC, tmp_path / "ann.jsonl")


def test_a_rater_marks_a_solution_once_by_a_criterion(judged: Run, tmp_path: Path) -> None:
    (tmp_path / "ann.jsonl").write_text('{"problem": "sums/test/1", "criterion": "reasons", "mark": "yes"}\n' * 2)
    with pytest.raises(UsageError, match="`ann` marks `sums/test/1` twice"):
        read_marks(judged, RUBRIC, tmp_path / "ann.jsonl")


def test_the_verb_corrects_any_grader_by_rights_and_wrongs(
    judged: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "".join(f"sums/test/{n},{'right' if n % 2 else 'wrong'}\n" for n in range(20))
    (tmp_path / "ann.csv").write_text("problem,mark\n" + rows)
    words = ["marks", judged.id, "--grader", "default", "--store", str(judged.store.path), "--json"]
    assert main([*words, "--from", str(tmp_path / "ann.csv")]) == 0
    found = json.loads(capsys.readouterr().out)["means"][0]
    assert (found["judge_mean"], found["people"], found["same"], found["mean"]) == (1.0, 20, 0.5, 0.5)
