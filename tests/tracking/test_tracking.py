"""A tracker is told of trainings and runs, keeps what it is told on this machine, and its failure stops nothing."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from places import ROOT
from solving_site import solved_run
from stepdown.cli.run_summaries import Paid, result_of
from stepdown.cli.tracked import track_results, track_students, track_study, tracked_by
from stepdown.cli.usual_tracker import name_tracker
from stepdown.errors import MissingExtra
from stepdown.extras import EXTRAS
from stepdown.models import ScriptedModel
from stepdown.reports import report
from stepdown.runner import LiveCounts, run
from stepdown.store import Store
from stepdown.tracking import NAMES, Rows, Tracking, open_tracking
from stepdown.training import CellComparison, CellScore, StudyFindings, Training, TrainingProgress, write_study
from stepdown.types import Problem
from written_earlier import NEWEST


class Told:
    """Notes what it is told, and fails from some call on."""

    def __init__(self, *, fails_at: int = 99) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.fails_at = fails_at

    def _note(self, *call: Any) -> None:
        self.calls.append(call)
        if len(self.calls) >= self.fails_at:
            raise ConnectionError("the network is gone")

    def begin(self, name: str, parameters: Mapping[str, Any]) -> None:
        self._note("begin", name, parameters)

    def log(self, figures: Mapping[str, float], step: int | None) -> None:
        self._note("log", figures, step)

    def table(self, name: str, rows: Rows) -> None:
        self._note("table", name, rows)

    def keep(self, path: Path) -> None:
        self._note("keep", path.name)

    def end(self) -> None:
        self._note("end")


def train_through(tracking: Tracking, out: Path) -> list[int]:
    """Report a training of three steps, and return the steps that whoever else listens heard of."""
    heard: list[int] = []
    tell = tracked_by(tracking, out, Training(steps=3), lambda now: heard.append(now.step))
    for step in (1, 2, 3):
        tell(TrainingProgress(seed=0, step=step, steps=3, loss=1.0 / step))
    track_students(tracking, [out])
    return heard


def test_a_training_is_one_run_with_its_settings_curve_and_files(tmp_path: Path) -> None:
    told, words = Told(), list[str]()
    student = NEWEST.copy_to(tmp_path / "w") / "student"
    assert train_through(Tracking("told", told, words.append), student) == [1, 2, 3] and not words
    [begun] = [call for call in told.calls if call[0] == "begin"]
    assert begun[1] == "student/seed-0" and begun[2]["steps"] == 3
    curve = [(call[2], call[1]["loss"]) for call in told.calls if call[0] == "log" and call[2]]
    assert curve == [(1, 1.0), (2, 0.5), (3, 1 / 3)]
    assert {call[1] for call in told.calls if call[0] == "keep"} == {"card.json", "README.md", "log.jsonl"}
    assert told.calls[-1] == ("end",)


def test_a_student_that_others_trained_is_told_of_with_its_curve(tmp_path: Path) -> None:
    told, student = Told(), NEWEST.copy_to(tmp_path / "w") / "student"
    track_students(Tracking("told", told, print), [student], curves=True)
    steps = [(call[2], sorted(call[1])) for call in told.calls if call[0] == "log" and call[2]]
    assert [step for step, _ in steps] == [1, 2, 3, 4] and steps[0][1] == ["loss", "tokens_per_second"]


def test_a_run_is_told_of_with_the_verdicts_of_its_problems_and_without_their_texts(store: Store) -> None:
    told, solved = Told(), solved_run(store)
    result = result_of(report(solved).rows[0], LiveCounts(solved.id, 3, calls=6), Paid(0, 0.0), errors=0, seconds=1.0)
    track_results(Tracking("told", told, print), [result], store)
    [table] = [call for call in told.calls if call[0] == "table"]
    verdicts = [(one["problem"], one["verdict"], one["gold"]) for one in table[2]]
    assert table[1] == "problems" and verdicts[1] == ("sums/test/1", "wrong", "2") and len(verdicts) == 3
    assert "plus one" not in str(told.calls)


def test_what_a_grader_read_in_a_text_is_not_told(store: Store) -> None:
    told, asked = Told(), Problem("who/0", "Who came?", "Ann", kind="text")
    solved = run([asked], "direct", student=ScriptedModel(["Answer: the SECRET guest"], "m"), store=store)
    [(_, grade)] = solved.graded()
    assert grade.verdict == "wrong" and "SECRET" in (grade.found or "") and "SECRET" in grade.why
    result = result_of(report(solved).rows[0], LiveCounts(solved.id, 1, calls=1), Paid(0, 0.0), errors=0, seconds=1.0)
    track_results(Tracking("told", told, print), [result], store)
    [table] = [call for call in told.calls if call[0] == "table"]
    assert table[2] == [{"problem": "who/0", "sample": 0, "verdict": "wrong", "gold": "Ann"}]
    assert "SECRET" not in str(told.calls) and "Who came" not in str(told.calls)


def test_a_study_is_told_of_with_its_tables_and_files(tmp_path: Path) -> None:
    scores = [CellScore(name=name, chains=1, by="random", target=name, runs=("r",), accuracies=(0.5,), mean=0.5,
                        low=0.2, high=0.8, graded=9, total=9) for name in ("chain", "label")]  # fmt: skip
    compared = CellComparison(
        name="label", against="chain", seeds=1, problems=9, difference=0.0, low=0.0, high=0.1, p=1.0
    )
    findings, told = StudyFindings(base="b", test="t", scores=tuple(scores), compared=(compared,)), Told()
    write_study(findings, tmp_path / "grid")
    track_study(Tracking("told", told, print), findings, tmp_path / "grid")
    assert told.calls[0] == ("begin", "grid/study", {"base": "b", "test": "t"}) and told.calls[-1] == ("end",)
    tables = {call[1]: call[2] for call in told.calls if call[0] == "table"}
    assert [row["mean"] for row in tables["students"]] == [0.5, 0.5] and tables["compared"][0]["against"] == "chain"
    assert {"study.json", "study.md"} <= {call[1] for call in told.calls if call[0] == "keep"} and len(tables) == 2


@pytest.mark.parametrize("fails_at", [1, 3])
def test_a_tracker_that_fails_is_named_once_and_the_training_goes_on(fails_at: int, tmp_path: Path) -> None:
    told, words = Told(fails_at=fails_at), list[str]()
    student = NEWEST.copy_to(tmp_path / "w") / "student"
    assert train_through(Tracking("told", told, words.append), student) == [1, 2, 3]
    assert len(words) == 1 and "the network is gone" in words[0] and len(told.calls) == fails_at


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("run d --track", "run d --track trackio"), ("train c --track --seed 1", "train c --track trackio --seed 1"),
        ("study s --track -- x", "study s --track trackio -- x"), ("run --track wandb d", "run --track wandb d"),
        ("run d -- --track", "run d -- --track"), ("", ""),
    ],
)  # fmt: skip
def test_where_no_tracker_is_named_it_is_the_one_that_keeps_all_here(typed: str, read: str) -> None:
    assert list(name_tracker(typed.split())) == read.split()


def test_a_tracker_that_is_not_installed_is_missed_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.setitem(sys.modules, EXTRAS[name][1][0], None)
        with pytest.raises(MissingExtra):
            open_tracking(name, lambda words: None)
    open_tracking(None, lambda words: None).log({"loss": 1.0})


TOLD = """
from stepdown.tracking import open_tracking
words = []
tracking = open_tracking("trackio", words.append)
tracking.begin("smol/seed-0", {"steps": 2, "target": "chain"})
tracking.log({"loss": 0.5, "dev": None}, 1)
tracking.table("students", [{"name": "chain", "mean": 0.5, "without": None}])
tracking.end()
assert not words, words
"""


@pytest.mark.slow
def test_trackio_keeps_a_run_here_though_a_space_is_set(tmp_path: Path) -> None:
    pytest.importorskip("trackio")
    told = os.environ | {"TRACKIO_DIR": str(tmp_path), "TRACKIO_SPACE_ID": "ann/space", "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", TOLD], env=told, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    with closing(sqlite3.connect(tmp_path / "stepdown.db")) as kept:
        row, table = kept.execute("select run_name, step, metrics, space_id from metrics order by id").fetchall()
    assert row == ("smol/seed-0", 1, b'{"loss":0.5}', None)
    assert json.loads(table[2])["students"]["_value"] == [{"name": "chain", "mean": 0.5, "without": None}]
