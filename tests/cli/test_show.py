"""Whatever is printed can be shown: what it is, its whole id, and a command that leads on."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from command_line import Solved, printed, solved_once, speak, stored_runs
from stepdown.cli import main
from stepdown.models.weights import CARD, WEIGHTS
from stepdown.store import Store

RUN = ("run", "sums.jsonl", "--method", "direct,cot", "--student", "openai/student", "--name", "first", "--tag", "a")


@pytest.fixture(scope="module")
def solved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Solved]:
    with solved_once(tmp_path_factory.mktemp("world"), RUN, speak=speak, count=2) as solved:
        yield solved


@pytest.fixture(autouse=True)
def world(solved: Solved, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    solved.copy_to(tmp_path, monkeypatch)


def shown(capsys: pytest.CaptureFixture[str], word: str) -> dict[str, Any]:
    [one] = printed(capsys, "show", word)
    return one


def fails(capsys: pytest.CaptureFixture[str], word: str) -> str:
    assert main(["show", "--", word]) == 2
    return capsys.readouterr().err


def test_a_student_names_the_study_that_trained_it(capsys: pytest.CaptureFixture[str]) -> None:
    folder, card = Path("smol"), {"base": "small", "studies": [{"sha256": "5eed" * 16, "file": "study.toml"}]}
    folder.mkdir()
    (folder / WEIGHTS).touch()
    (folder / CARD).write_text(json.dumps(card))
    assert shown(capsys, "smol")["about"]["study"] == f"study.toml, sha256 {'5eed' * 16}"


def test_a_study_leads_to_its_study_file_and_its_students(capsys: pytest.CaptureFixture[str]) -> None:
    seed = Path("students/first/chain-n1-random/seed-0")
    seed.mkdir(parents=True)
    for file in (seed / CARD, *(seed.parents[1] / name for name in ("study.json", "study.toml"))):
        file.write_text("{}")
    study = shown(capsys, "students/first")
    assert study["about"] == {"students": "chain-n1-random/seed-0"}
    assert study["next"] == [f"stepdown show {one}" for one in ("students/first/study.toml", seed)]


@pytest.mark.parametrize(
    ("word", "kind", "whole"),
    [
        ("{run}", "run", "{run}"),
        ("{run:.6}", "run", "{run}"),
        ("{run:.6}/sums/1", "trace", "{run}/sums/1"),
        ("http://127.0.0.1:8000/runs/{run}/traces/sums/1?x=1", "trace", "{run}/sums/1"),
        ("/runs/{run}", "run", "{run}"),
        ("{call:.10}", "call", "{call}"),
        ("{problems:.8}", "fingerprint of problem set", "{problems}"),
        ("sums/1", "problem", "sums/1"),
        ("sums", "data set", "sums"),
        ("@a", "tag", "a"),
        ("@last", "runs of the last command", "@last"),
        ("wordsums", "data set", "wordsums"),
        ("smollm2-135m", "model", "embedded/smollm2-135m"),
        ("stepdown.sqlite", "store", "stepdown.sqlite"),
        ("sums.jsonl", "file", "sums.jsonl"),
    ],
)
def test_what_a_word_is_and_a_command_that_leads_on(
    capsys: pytest.CaptureFixture[str], word: str, kind: str, whole: str
) -> None:
    run = stored_runs()[0]
    with Store("stepdown.sqlite", reading=True) as store:
        call = store.db.execute("select lower(hex(key)) from calls where run = ? limit 1", (run,)).fetchone()[0]
        known = {"run": run, "call": call, "problems": store.run(run).settings.problems}
    one = shown(capsys, word.format(**known))
    assert (one["kind"], one["id"]) == (kind, whole.format(**known)) and one["about"]
    lead = shlex.split(one["next"][0])[1:]
    assert "-n" in lead or lead[0] == "models" or main(lead) == 0


def test_a_word_that_can_be_several_things_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    said = fails(capsys, "first")
    assert "`first` can be 2 things" in said and all(run in said for run in stored_runs())


@pytest.mark.parametrize("word", ["", "x" * 100_000, "a\x1b[2Jb", "\udcff", "\x00"])
def test_hostile_ids_are_refused_in_few_words(capsys: pytest.CaptureFixture[str], word: str) -> None:
    said = fails(capsys, word)
    assert "is no id" in said and len(said) < 400 and "\x1b" not in said


@pytest.mark.parametrize(
    "word", ["nosuch", "../..", "x" * 900, "%", "@nosuch", "0" * 40, "/runs/", "'; drop table runs"]
)
def test_what_is_nowhere_is_said_to_be(capsys: pytest.CaptureFixture[str], word: str) -> None:
    if word == "../..":
        assert shown(capsys, word)["kind"] == "path"
    else:
        assert "there is no run" in fails(capsys, word)


def test_without_a_store_paths_and_names_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    Path("stepdown.sqlite").unlink()
    Path("study").mkdir()
    Path("study/study.json").write_text(json.dumps({}))
    assert shown(capsys, "study")["kind"] == "study" and shown(capsys, "gsm8k")["kind"] == "data set"
    assert main(["show", "gsm8k"]) == 0 and "next: `stepdown run gsm8k" in capsys.readouterr().out


def test_where_nothing_is_yet_what_lists_things_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    Path("stepdown.sqlite").unlink()
    assert "`stepdown runs`, `stepdown datasets` and `stepdown models` list" in fails(capsys, "nosuch")
