"""`stepdown tour`: the study in the package is told whole, from a copy, and each of its stops is a page."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from served import get
from stepdown.cli import main
from stepdown.store import Store
from stepdown.tour import STORE, Study, Way, copy_to, read_study


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_to(tmp_path_factory.mktemp("tour"))


@pytest.fixture(scope="module")
def study(folder: Path) -> Study:
    return read_study(folder)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The pages of `stepdown tour --open` itself; what stands here for a browser is not waited for."""
    environment = {**os.environ, "BROWSER": "true", "HOME": str(tmp_path_factory.mktemp("home"))}
    command = [sys.executable, "-m", "stepdown", "tour", "--open", "--port", "0"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stderr is not None
        found = next((one for line in running.stderr if (one := re.search(r"http://[\w.:]+", line))), None)
        assert found is not None, "it says where it serves"
        try:
            yield found[0]
        finally:
            running.send_signal(signal.SIGINT)
            running.stderr.read()


def test_the_tour_tells_every_stop_plainly_when_piped(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tour"]) == 0
    told = capsys.readouterr().out
    assert [f"{number} of 7 · " in told for number in range(1, 9)] == [True] * 7 + [False]
    assert "Against the baseline" in told and "\x1b" not in told


def test_a_tour_that_is_only_told_leaves_no_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert main(["tour", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["stops"] and list(tmp_path.iterdir()) == []


def test_a_kept_study_is_a_store_that_other_commands_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = tmp_path / "kept"
    assert main(["tour", "--folder", str(kept)]) == 0
    assert main(["report", "--store", str(kept / STORE)]) == 0
    assert main(["tour", "--folder", str(kept)]) == 2
    assert "not empty" in capsys.readouterr().err


def test_the_edit_of_the_study_mends_what_its_plan_lost(folder: Path, study: Study) -> None:
    with Store(folder / STORE, reading=True) as store:
        graded = (dict((trace.problem.id, (trace, grade)) for trace, grade in store.run(run).graded())
                  for run in (study.runs.traced, study.runs.mended))  # fmt: skip
        (before, lost), (after, won) = (run[study.problem] for run in graded)
    assert (lost.verdict, won.verdict) == ("wrong", "right")
    assert before.plan and after.plan and after.plan.edited_from == before.plan.text
    assert after.plan.author == "tour" and after.plan.why


@pytest.mark.parametrize("number", range(1, 8))
def test_each_stop_is_a_page_that_says_what_is_seen_and_leads_on(number: int, pages: str, study: Study) -> None:
    way = Way.through(study)
    answer = get(pages + way.stops[number - 1].address)
    assert answer.status == 200 and f"<strong>{number} of 7" in answer.text
    following = way.after(way.stops[number - 1])
    assert f"Next: {following.title}" in answer.text if following else "/new" in answer.text


def test_a_page_that_is_no_stop_leads_back_to_the_tour(pages: str, study: Study) -> None:
    answer = get(f"{pages}/runs/{study.runs.gold}")
    assert answer.status == 200 and "To the tour" in answer.text


def test_without_the_extra_for_chains_the_last_stop_is_the_corpus_card(pages: str, study: Study) -> None:
    last = Way.through(study, chains=False).stops[-1]
    assert (
        last.address == "/corpora" != Way.through(study).stops[-1].address and get(pages + last.address).status == 200
    )
