"""A tracker is told of trainings and runs, keeps what it is told on this machine, and its failure stops nothing."""

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
from stepdown.cli.tracked import track_students, tracked_by
from stepdown.errors import MissingExtra
from stepdown.tracking import NAMES, Tracking, open_tracking
from stepdown.training import Training, TrainingProgress
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


@pytest.mark.parametrize("fails_at", [1, 3])
def test_a_tracker_that_fails_is_named_once_and_the_training_goes_on(fails_at: int, tmp_path: Path) -> None:
    told, words = Told(fails_at=fails_at), list[str]()
    student = NEWEST.copy_to(tmp_path / "w") / "student"
    assert train_through(Tracking("told", told, words.append), student) == [1, 2, 3]
    assert len(words) == 1 and "the network is gone" in words[0] and len(told.calls) == fails_at


def test_a_tracker_that_is_not_installed_is_missed_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stepdown.extras.has", lambda module: False)
    for name in NAMES:
        with pytest.raises(MissingExtra):
            open_tracking(name, lambda words: None)
    open_tracking(None, lambda words: None).log({"loss": 1.0})


TOLD = """
from stepdown.tracking import open_tracking
words = []
tracking = open_tracking("trackio", words.append)
tracking.begin("smol/seed-0", {"steps": 2, "target": "chain"})
tracking.log({"loss": 0.5, "dev": None}, 1)
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
        [row] = kept.execute("select run_name, step, metrics, space_id from metrics").fetchall()
    assert row == ("smol/seed-0", 1, b'{"loss":0.5}', None)
