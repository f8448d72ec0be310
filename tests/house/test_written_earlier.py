"""What stepdown 0.1.0 wrote is read by this version: the same ids, nothing asked again, the same figures."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

import stepdown as sd
from stepdown.cli import main
from stepdown.models.weights.students import read_card
from stepdown.store import Run, Store, call_key
from stepdown.store.annotations import annotations_by_trace
from stepdown.store.corrections import copied_from
from stepdown.store.reviews import stored_reviews
from stepdown.types import Messages, Sampling
from written_earlier import ENVIRONMENT, FACTS, commands, copy_to, said_by

# Controls that do something else since then, under another name: the plans are found, the students' prompts are new.
RENEWED = {"generic", "masked", "no-nosolve"}
RUNS = [one for one in commands(again=True) if one["command"][0] == "run"]
AGAIN = [one for one in RUNS if not RENEWED & {*one["command"]}]
LIKE_BEFORE = ("run", "method", "student", "teacher", "plans", "right", "graded", "total", "accuracy", "tokens")


@pytest.fixture
def earlier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(copy_to(tmp_path))
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    """Run a command and return what it prints."""
    capsys.readouterr()
    assert main([*words, "--json"]) in (0, 1), capsys.readouterr().err
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def first(store: Store) -> Run:
    return store.run(FACTS["first"])


def test_every_run_and_every_call_is_known_by_the_id_it_was_written_under(earlier: Path) -> None:
    read = msgspec.json.Decoder(tuple[Messages, Sampling]).decode
    with Store("store.sqlite") as store:
        runs = store.runs()
        assert len(runs) > 25 and [run.id for run in runs] == [run.settings.id for run in runs]
        found = store.calls("key, model, source, request, sample", [bytes.fromhex(key) for key in FACTS["calls"]])
        keys = {key: call_key(model, source, *read(request), sample) for key, model, source, request, sample in found}
    # A stream that broke is paid for under a key of its own, by which nobody finds it.
    assert len(keys) == len(FACTS["calls"]) > 150 and sum(key != one for key, one in keys.items()) == 1


@pytest.mark.parametrize("before", AGAIN, ids=lambda one: " ".join(one["command"]))
def test_the_same_command_finds_its_run_and_asks_nobody(
    before: dict[str, Any], earlier: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    now = said(capsys, *before["command"])
    assert [one["run"] for one in now] == [one["run"] for one in before["said"]]
    assert all(one["calls"] == one["errors"] == 0 and one["cached"] > 0 for one in now)


@pytest.mark.parametrize("control", sorted(RENEWED))
def test_a_control_that_does_something_else_is_another_run_by_the_same_plans(
    control: str, earlier: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [before] = [one for one in RUNS if control in one["command"]]
    [now] = said(capsys, *before["command"], "--estimate")
    assert now["run"] != before["said"][0]["run"] and now["cached"] >= 3
    with Store("store.sqlite") as store:
        assert store.run(before["said"][0]["run"]).settings.control == control


def test_a_program_finds_its_runs_and_asks_nobody(earlier: Path) -> None:
    problems, drawn = sd.load_problems("sums.jsonl", limit=3), sd.Sampling(temperature=0.7, seed=7)
    student, teacher = (sd.load_model(f"openai/{role}") for role in ("student", "teacher"))
    with Store("store.sqlite") as store:
        count = store.value("select count(*) from calls")
        plain = sd.run(problems, "direct", student=student, store=store)
        voted = sd.run(
            problems, "trace-of-thought", student=student, teacher=teacher, sampling=drawn, samples=2, store=store
        )
        assert {"plain": plain.id, "voted": voted.id}.items() <= FACTS["python"].items()
        assert store.value("select count(*) from calls") == count
        assert [run.summary().errors for run in (plain, voted)] == [0, 0]


def test_a_report_says_the_figures_it_said(earlier: Path, capsys: pytest.CaptureFixture[str]) -> None:
    now, before = said(capsys, "report"), said_by("report")
    rows, earlier_rows = ([row for one in some for row in one["rows"]] for some in (now, before))
    figures, earlier_figures = ([{name: row[name] for name in LIKE_BEFORE} for row in some]
                                for some in (rows, earlier_rows))  # fmt: skip
    assert len(figures) > 25
    assert {row["run"]: row for row in figures} == {row["run"]: row for row in earlier_figures}


def test_what_people_did_is_there(earlier: Path) -> None:
    with Store("store.sqlite") as store:
        run = first(store)
        assert [(edit.problem, edit.plan.author, edit.plan.why) for edit in run.edits()] == [
            ("sums/1", "Ann", "clearer"), ("sums/4", "Ann", "clearer"), ("sums/5", "Ann", "clearer"),
        ]  # fmt: skip
        assert [one.answer for one in annotations_by_trace(run)["sums/0", 0]] == ["right, but guessed"]
        assert run.grader == "default@1+person" and "judge:openai/judge" in run.graders()
        [held] = [stored_reviews(one) for one in store.runs() if one.settings.plans == "teacher+reviewed"]
        assert [one.decision for one in held.values()] == ["accepted", "edited", "left"]
        [derived] = [one for one in store.runs() if one.settings.plans == f"edited/{run.id}"]
        assert copied_from(derived, (0, 0)) == run.id and not copied_from(derived, (4, 0))


@pytest.mark.parametrize("name", ["traces.csv", "traces.jsonl"])
def test_a_trace_file_is_the_run_it_was(name: str, earlier: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [before] = [one for one in said_by("import") if one["file"] == name]
    assert said(capsys, "import", name) == [before]


def test_a_corpus_is_the_corpus_it_was(earlier: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [before] = said_by("keep")
    [now] = said(capsys, "keep", "corpus", "right", "distinct", "--out", "again")
    assert (now["fingerprint"], now["chains"]) == (before["fingerprint"], before["chains"])


@pytest.mark.parametrize("version", ["0.1.0", "9.9.9"])
def test_a_student_that_is_there_is_not_trained_again(
    version: str, earlier: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stepdown.training.jobs.__version__", version)
    [before] = [one for one in commands(again=True) if one["command"][0] == "train"]
    [now] = said(capsys, *before["command"])
    assert now["card"]["weights"] == before["said"][0]["card"]["weights"]
    card = read_card(Path("student"))
    assert card is not None and card.training["identity"] == before["said"][0]["card"]["training"]["identity"]
