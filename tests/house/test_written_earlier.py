"""What earlier versions wrote is read by this one: the same ids, nothing asked again, the same figures."""

from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

import stepdown as sd
from command_line import printed
from served import served
from small_endpoint import post_json
from stepdown.models.weights.students import read_card
from stepdown.store import Store, call_key
from stepdown.store.annotations import annotations_by_trace
from stepdown.store.corrections import copied_from
from stepdown.store.reviews import stored_reviews
from stepdown.types import Messages, Sampling
from stepdown.web.config import load_config
from stepdown.web.state import State
from written_earlier import ENVIRONMENT, NEWEST, OLDEST, Written

# Controls that do something else since the oldest, under another name: their plans are found, the prompts are new.
RENEWED = {"generic", "masked", "no-nosolve"}
BOTH = pytest.mark.parametrize("written", [OLDEST, NEWEST], ids=lambda one: one.folder.name)
RUNS = [(written, one) for written in (OLDEST, NEWEST) for one in written.commands(again=True)
        if one["command"][0] == "run"]  # fmt: skip
AGAIN = [pair for pair in RUNS if pair[0] is NEWEST or not RENEWED & {*pair[1]["command"]}]
LIKE_BEFORE = ("run", "method", "student", "teacher", "plans", "right", "graded", "total", "accuracy", "tokens")


@pytest.fixture
def earlier(written: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Written:
    """Work in a copy of what a version wrote."""
    monkeypatch.chdir(written.copy_to(tmp_path))
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return written


@BOTH
def test_every_run_and_every_call_is_known_by_the_id_it_was_written_under(earlier: Written) -> None:
    read = msgspec.json.Decoder(tuple[Messages, Sampling]).decode
    with Store("store.sqlite") as store:
        runs = store.runs()
        assert len(runs) > 25 and [run.id for run in runs] == [run.settings.id for run in runs]
        found = store.calls(
            "key, model, source, request, sample", [bytes.fromhex(key) for key in earlier.facts["calls"]]
        )
        keys = {key: call_key(model, source, *read(request), sample) for key, model, source, request, sample in found}
    # A stream that broke is paid for under a key of its own, by which nobody finds it.
    assert len(keys) == len(earlier.facts["calls"]) > 150 and sum(key != one for key, one in keys.items()) == 1


@pytest.mark.slow
@BOTH
def test_the_same_commands_find_their_runs_and_ask_nobody(earlier: Written, capsys: pytest.CaptureFixture[str]) -> None:
    changed = {}
    for before in (one for written, one in AGAIN if written is earlier):
        now = printed(capsys, *before["command"], codes=(0, 1))
        if [one["run"] for one in now] != [one["run"] for one in before["said"]] or any(
            one["calls"] or one["errors"] or not one["cached"] for one in now
        ):
            changed[" ".join(before["command"])] = now
    assert not changed


@pytest.mark.parametrize("written", [OLDEST])
@pytest.mark.parametrize("control", sorted(RENEWED))
def test_a_control_that_does_something_else_is_another_run_by_the_same_plans(
    control: str, earlier: Written, capsys: pytest.CaptureFixture[str]
) -> None:
    [before] = [one for written, one in RUNS if written is OLDEST and control in one["command"]]
    [now] = printed(capsys, *before["command"], "--estimate")
    assert now["run"] != before["said"][0]["run"] and now["cached"] >= 3
    with Store("store.sqlite") as store:
        assert store.run(before["said"][0]["run"]).settings.control == control


@BOTH
def test_a_program_finds_its_runs_and_asks_nobody(earlier: Written) -> None:
    problems, drawn = sd.load_problems("sums.jsonl", limit=3), sd.Sampling(temperature=0.7, seed=7)
    student, teacher = (sd.load_model(f"openai/{role}") for role in ("student", "teacher"))
    with Store("store.sqlite") as store:
        count = store.value("select count(*) from calls")
        plain = sd.run(problems, "direct", student=student, store=store)
        voted = sd.run(
            problems, "trace-of-thought", student=student, teacher=teacher, sampling=drawn, samples=2, store=store
        )
        assert {"plain": plain.id, "voted": voted.id}.items() <= earlier.facts["python"].items()
        assert store.value("select count(*) from calls") == count
        assert [run.summary().errors for run in (plain, voted)] == [0, 0]


@BOTH
def test_a_report_says_the_figures_it_said(earlier: Written, capsys: pytest.CaptureFixture[str]) -> None:
    now, before = printed(capsys, "report"), earlier.said_by("report")
    rows, earlier_rows = ([row for one in some for row in one["rows"]] for some in (now, before))
    figures, earlier_figures = ([{name: row[name] for name in LIKE_BEFORE} for row in some]
                                for some in (rows, earlier_rows))  # fmt: skip
    assert len(figures) > 25
    assert {row["run"]: row for row in figures} == {row["run"]: row for row in earlier_figures}


@BOTH
def test_what_people_did_is_there(earlier: Written) -> None:
    with Store("store.sqlite") as store:
        run = store.run(earlier.facts["first"])
        assert [(edit.problem, edit.plan.author, edit.plan.why) for edit in run.edits()] == [
            ("sums/1", "Ann", "clearer"), ("sums/4", "Ann", "clearer"), ("sums/5", "Ann", "clearer"),
        ]  # fmt: skip
        assert [one.answer for one in annotations_by_trace(run)["sums/0", 0]] == ["right, but guessed"]
        assert run.grader in {"default@1+person", "default@2+person"} and "judge:openai/judge" in run.graders()
        [held] = [stored_reviews(one) for one in store.runs() if one.settings.plans == "teacher+reviewed"]
        assert [one.decision for one in held.values()] == ["accepted", "edited", "left"]
        [derived] = [one for one in store.runs() if one.settings.plans == f"edited/{run.id}"]
        assert copied_from(derived, (0, 0)) == run.id and not copied_from(derived, (4, 0))


@BOTH
@pytest.mark.parametrize("name", ["traces.csv", "traces.jsonl"])
def test_a_trace_file_is_the_run_it_was(name: str, earlier: Written, capsys: pytest.CaptureFixture[str]) -> None:
    [before] = [one for one in earlier.said_by("import") if one.get("file") == name]
    [now] = printed(capsys, "import", name)
    assert now.items() >= before.items() and {"run", "rows"} <= before.keys()


@BOTH
def test_a_corpus_is_the_corpus_it_was(earlier: Written, capsys: pytest.CaptureFixture[str]) -> None:
    before, *_ = earlier.said_by("keep")
    [now] = printed(capsys, "keep", "corpus", "right", "distinct", "--out", "again")
    assert (now["fingerprint"], now["chains"]) == (before["fingerprint"], before["chains"])


@pytest.mark.slow
@BOTH
@pytest.mark.parametrize("version", ["0.1.0", "9.9.9"])
def test_a_student_that_is_there_is_not_trained_again(
    version: str, earlier: Written, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stepdown.training.jobs.__version__", version)
    [before] = [one for one in earlier.commands(again=True) if one["command"][0] == "train"]
    [now] = printed(capsys, *before["command"], codes=(0, 1))
    assert now["card"]["weights"] == before["said"][0]["card"]["weights"]
    card = read_card(Path("student"))
    assert card is not None and card.training["identity"] == before["said"][0]["card"]["training"]["identity"]


# -- what only the newer folder holds


@pytest.mark.parametrize("written", [NEWEST])
def test_every_figure_of_a_report_is_what_it_was(earlier: Written, capsys: pytest.CaptureFixture[str]) -> None:
    now, before = printed(capsys, "report", "--prices", "prices.json"), earlier.said_by("report")
    rows, earlier_rows = ({row["run"]: row for one in some for row in one["rows"]} for some in (now, before))
    assert len(rows) > 30 and rows.keys() == earlier_rows.keys()
    # Fields are added, never changed.
    assert {run: {name: rows[run].get(name) for name in row} for run, row in earlier_rows.items()} == earlier_rows


REPEATED = [(NEWEST, one) for one in NEWEST.commands(again=False)
            if one["command"][0] in ("audit", "keep") or "chats" in one["command"]]  # fmt: skip
PASSING = {"corpus", "seconds", "rows_per_second"}


@pytest.mark.parametrize(("written", "before"), REPEATED, ids=[" ".join(one["command"]) for _, one in REPEATED])
def test_a_command_without_an_id_of_its_own_prints_what_it_printed(
    before: dict[str, Any], earlier: Written, capsys: pytest.CaptureFixture[str]
) -> None:
    again = [f"{word}-again" if word in ("kept", "some", "chats") else word for word in before["command"]]
    now = printed(capsys, *again)
    assert len(now) == len(before["said"]) == 1
    assert {name: now[0].get(name) for name in before["said"][0].keys() - PASSING} == {
        name: value for name, value in before["said"][0].items() if name not in PASSING
    }


@pytest.mark.parametrize("written", [NEWEST])
def test_a_judge_is_not_asked_twice(earlier: Written, capsys: pytest.CaptureFixture[str]) -> None:
    [before] = [one for one in earlier.commands(again=False) if one["command"][0] == "prefer"]
    [now] = printed(capsys, *before["command"], codes=(0, 1))
    # One of the four pairs is no more: a person took back a verdict after it was judged.
    assert now["paid"]["tokens"] == 0 and now["pairs"] == 3
    assert all(one in before["said"][0]["items"] for one in now["items"])


@pytest.mark.parametrize("written", [NEWEST])
def test_the_endpoint_answers_from_the_store(earlier: Written) -> None:
    state = partial(State, Path("store.sqlite"), config=load_config(Path("stepdown.toml")))
    with served(state) as address:
        for asked in earlier.facts["endpoint"]:
            status, headers, now = post_json(f"{address}/v1", asked["request"] | {"stepdown_answer": "stored"})
            assert status == 200 and headers["x-stepdown-answer"] == "stored", now
            assert now["choices"] == asked["response"]["choices"]
            assert now["usage"]["total_tokens"] == asked["response"]["usage"]["total_tokens"]
