"""Logs of Inspect come in as runs with its scores beside ours, and runs go out as logs that Inspect reads."""

import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import pytest

import stepdown as sd
from stepdown.errors import StepdownError
from stepdown.exchange import export_run, import_traces, other_verdicts
from stepdown.store import Run, Store

SAMPLE: dict[str, Any] = {
    "id": 1, "epoch": 1, "input": "What is one and one?", "target": "2",
    "output": {"choices": [{"message": {"role": "assistant", "content": "It is 2."}, "stop_reason": "stop"}],
               "usage": {"input_tokens": 5, "output_tokens": 3, "input_tokens_cache_read": 4}},
    "scores": {"match": {"value": "I", "answer": "1"}},
}  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "s.sqlite") as opened:
        yield opened


def log(folder: Path, *samples: Any, name: str = "a.eval") -> Path:
    with ZipFile(folder / name, "w", ZIP_DEFLATED) as archive:
        archive.writestr("header.json", json.dumps({"eval": {"task": "sums", "model": "openai/m"}}))
        for number, sample in enumerate(samples):
            body = sample if isinstance(sample, str) else json.dumps(sample)
            archive.writestr(f"samples/{len(samples) - number}_epoch_1.json", body)
    return folder / name


def traced(store: Store) -> Run:
    teacher, student = sd.ScriptedModel(["1. Add."] * 2), sd.ScriptedModel(["Answer: 1", "Answer: 2"])
    problems = sd.load_problems("wordsums", limit=2)
    return sd.run(problems, "trace-of-thought", teacher=teacher, student=student, store=store)


def test_a_log_is_a_run_with_its_scores_beside_ours(store: Store, tmp_path: Path) -> None:
    run = import_traces(log(tmp_path, SAMPLE), store=store)
    (trace,) = run
    assert (run.settings.dataset, run.settings.student, trace.solution) == ("sums", "openai/m", "It is 2.")
    usage = trace.calls[0].reply.usage
    assert usage is not None and (usage.input, usage.cached, usage.output) == (9, 4, 3)
    assert run.summary().right == 1
    assert [(one.grader, one.right, one.differing) for one in other_verdicts(run)] == [("inspect/match", 0, 1)]


def test_a_run_goes_out_and_comes_back_with_the_same_texts_and_verdicts(store: Store, tmp_path: Path) -> None:
    run = traced(store)
    assert export_run(run, "inspect", tmp_path / "out.eval") == 2
    back = import_traces(tmp_path / "out.eval", store=store)
    assert [trace.solution for trace in back] == [trace.solution for trace in run]
    assert [trace.problem.question for trace in back] == [trace.problem.question for trace in run]
    assert [one.right for one in other_verdicts(back)] == [run.summary().right]


@pytest.mark.parametrize("bad", ["[" * 200_000, "{", '{"input": "", "target": "2"}', '{"input": "x"}', "\ud800 null"])
def test_a_bad_sample_is_refused_and_nothing_is_kept(bad: str, store: Store, tmp_path: Path) -> None:
    bad = bad.encode("utf-8", "replace").decode()
    with pytest.raises(StepdownError, match=r"samples/|question"):
        import_traces(log(tmp_path, SAMPLE, bad), store=store)
    assert store.runs() == []


def test_a_sample_that_is_kept_in_parts_is_refused_by_name(store: Store, tmp_path: Path) -> None:
    path = log(tmp_path, SAMPLE)
    with ZipFile(path, "a") as archive:
        archive.writestr("samples/2_epoch_1/sample.json", json.dumps(SAMPLE))
    with pytest.raises(StepdownError, match=r"in parts, `samples/2_epoch_1/sample\.json`"):
        import_traces(path, store=store)
    assert not store.runs()


@pytest.mark.parametrize("limit", ["LARGEST", "LARGEST_LOG"])
def test_what_unpacks_to_more_than_the_limit_is_refused(
    limit: str, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = log(tmp_path, SAMPLE, {**SAMPLE, "target": "x" * 100_000})
    assert path.stat().st_size < 2_000
    monkeypatch.setattr(f"stepdown.exchange.inspect_log_in.{limit}", 5_000)
    with pytest.raises(StepdownError, match=r"unpack"):
        import_traces(path, store=store)
    assert store.runs() == []


@pytest.mark.slow
@pytest.mark.skipif(find_spec("inspect_ai") is None, reason="Inspect is not installed")
def test_inspect_reads_our_log_and_we_read_what_it_writes_of_it(store: Store, tmp_path: Path) -> None:
    from inspect_ai.log import read_eval_log, write_eval_log

    run = traced(store)
    export_run(run, "inspect", tmp_path / "out.eval")
    found = read_eval_log(str(tmp_path / "out.eval"))
    assert found.samples and found.results and set(found.eval.model_roles or {}) == {"teacher", "student"}
    events = [(one.event, getattr(one, "role", None)) for one in found.samples[0].events]
    assert events == [("model", "teacher"), ("model", "student"), ("info", None), ("info", None)]
    assert set(found.samples[0].role_usage) == {"teacher", "student"}
    assert found.results.scores[0].metrics["accuracy"].value == run.summary().right / 2
    # Inspect packs by zstd.
    write_eval_log(found, str(tmp_path / "theirs.eval"))
    back = import_traces(tmp_path / "theirs.eval", store=store)
    assert [trace.solution for trace in back] == [trace.solution for trace in run]
    assert [one.right for one in other_verdicts(back)] == [run.summary().right]
