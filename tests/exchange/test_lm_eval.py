"""Logs of lm-evaluation-harness come in as runs with its verdicts beside ours, and runs go out as it writes them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from places import ROOT
from stepdown.errors import BadRow, StepdownError
from stepdown.exchange import export_run, import_traces, other_verdicts
from stepdown.exchange.lm_eval_samples import LARGEST
from stepdown.reports import report
from stepdown.store import Store
from stepdown.types import Message

# Written by lm_eval 0.4.13 (`local-chat-completions`, `--log_samples`) that asked `stepdown serve`.
LOG = ROOT / "tests" / "data" / "lm_eval" / "samples_sums_test_2026-11-27T05-12-45.821471.jsonl"
STRICT, FLEXIBLE = "lm-eval/exact_match/strict-match", "lm-eval/exact_match/flexible-extract"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "s.sqlite") as opened:
        yield opened


def sample(**changes: Any) -> dict[str, Any]:
    doc = {"question": "What is one and one?", "answer": "1+1=2\n#### 2"}
    return {
        "doc_id": 0, "doc": doc, "target": "2", "arguments": {"gen_args_0": {"arg_0": "Q: ?", "arg_1": {}}},
        "resps": [["It is 2."]], "filtered_resps": ["2"], "filter": "none", "metrics": ["acc"], "acc": 1.0, **changes,
    }  # fmt: skip


def written(folder: Path, *rows: Any) -> Path:
    path = folder / "log.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_real_log_is_a_run_with_the_harness_s_verdicts_beside_ours(store: Store) -> None:
    run = import_traces(LOG, store=store)
    assert (run.settings.dataset, run.settings.student) == (
        "sums_test",
        "trace-of-thought/openai/teacher->openai/student",
    )
    assert run.grader == "default@2" and [grade.verdict for _, grade in run.graded()] == ["right"] * 5
    found = {one.grader: (one.right, one.graded, one.differing) for one in other_verdicts(run)}
    assert found == {STRICT: (0, 5, 5), FLEXIBLE: (5, 5, 0)}
    trace = run.trace("sums_test/0")
    assert (trace.problem.question, trace.problem.answer) == ("What is 10 plus one?", "11")
    assert trace.calls[0].messages == (Message("user", "Question: What is 10 plus one?\nAnswer:"),)
    assert (trace.calls[0].sampling.max_tokens, trace.calls[0].sampling.stop) == (64, ("Question:",))


def test_a_figure_that_is_none_hides_neither_the_model_nor_the_log(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "samples_t_2026-11-27T05-12-45.821471.jsonl"
    path.write_text(json.dumps(sample(acc=float("nan"))) + "\n")
    beside = {"model_name": "of/NaN", "results": {"t": {"acc,none": float("nan")}}}
    (tmp_path / "results_2026-11-27T05-12-45.821471.json").write_text(json.dumps(beside))
    run = import_traces(path, store=store)
    assert (run.settings.student, run.settings.dataset) == ("of/NaN", "t")
    assert [grade.verdict for _, grade in run.graded("lm-eval/acc/none")] == ["ungraded"]


def test_logs_of_two_models_pair_by_question_with_an_interval(store: Store, tmp_path: Path) -> None:
    first = import_traces(LOG, store=store)
    other = written(tmp_path, *({**json.loads(line), "resps": [["No."]]} for line in LOG.read_text().splitlines()))
    rows = report(first, import_traces(other, store=store)).rows
    assert rows[1].baseline == first.id
    low = rows[1].difference_low
    assert rows[1].difference == -1.0 and low is not None and low >= -1.0


def test_samples_go_out_and_come_back_with_the_same_texts_and_verdicts(store: Store, tmp_path: Path) -> None:
    run = import_traces(LOG, store=store)
    assert export_run(run, "lm-eval-samples", tmp_path / "out.jsonl") == 15
    back = import_traces(tmp_path / "out.jsonl", store=store)
    assert [trace.solution for trace in back] == [trace.solution for trace in run]
    assert [trace.problem.question for trace in back] == [trace.problem.question for trace in run]
    found = {one.grader: one.right for one in other_verdicts(back)}
    assert found == {STRICT: 0, FLEXIBLE: 5, "lm-eval/exact_match/default-2": 5}


def test_a_results_file_has_the_share_of_each_grader(store: Store, tmp_path: Path) -> None:
    export_run(import_traces(LOG, store=store), "lm-eval", tmp_path / "results.json")
    found = json.loads((tmp_path / "results.json").read_text())
    scores = found["results"]["sums_test"]
    assert scores["exact_match,default@2"] == 1.0 and scores["exact_match,strict-match"] == 0.0
    assert scores["exact_match_stderr,default@2"] == 0.0 and found["n-samples"]["sums_test"]["effective"] == 5


def test_the_likeliest_continuation_is_the_solution_and_the_harness_grades_it(store: Store, tmp_path: Path) -> None:
    asked = {f"gen_args_{at}": {"arg_0": "Up is", "arg_1": text} for at, text in enumerate((" down", " high"))}
    likely = [[["-3.5", "False"]], [["-1.5", "True"]]]
    row = sample(doc={"query": "Up is"}, arguments=asked, resps=likely, target="1", filtered_resps=likely)
    run = import_traces(written(tmp_path, row), store=store)
    trace = run.trace("log/0")
    assert (trace.solution, trace.problem.choices, trace.problem.answer) == (" high", ("down", "high"), "B")
    assert run.grader == "lm-eval/acc/none" and run.summary().right == 1


def test_repeats_are_samples_and_a_score_between_is_ungraded(store: Store, tmp_path: Path) -> None:
    row = sample(resps=[["2", None, "3"]], metrics=["f1"], f1=0.43)
    run = import_traces(written(tmp_path, row), store=store)
    assert [trace.solution for trace in run] == ["2", None, "3"] and run.settings.samples == 3
    assert next(run.graded("lm-eval/f1/none"))[1].verdict == "ungraded"
    assert "0.43" in next(run.graded("lm-eval/f1/none"))[1].why


@pytest.mark.parametrize(
    ("change", "column"),
    [
        (lambda row: row.pop("target"), "the row"),
        (lambda row: row.update(doc_id="x"), "doc_id"),
        (lambda row: row.update(doc_id=0), "doc_id"),
        (lambda row: row.update(resps=[{"a": 1}]), "resps"),
        (lambda row: row.update(resps=[["x"] * 10_001]), "resps"),
        (lambda row: row.update(arguments=[]), "arguments"),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_kept(
    change: Callable[[dict[str, Any]], object], column: str, store: Store, tmp_path: Path
) -> None:
    second = sample(doc_id=1)
    change(second)
    with pytest.raises(BadRow) as caught:
        import_traces(written(tmp_path, sample(), second), store=store)
    assert (caught.value.line, caught.value.column) == (2, column) and store.runs() == []


def test_a_line_beyond_the_limit_is_refused(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert LARGEST == 1 << 26
    monkeypatch.setattr("stepdown.exchange.lm_eval_samples.LARGEST", 2_000)
    with pytest.raises(BadRow, match="MiB on a line"):
        import_traces(written(tmp_path, sample(), sample(doc_id=1, doc="x" * 2_000)), store=store)
    assert store.runs() == []


def test_depth_is_bounded(store: Store, tmp_path: Path) -> None:
    path = written(tmp_path, sample())
    path.write_text(path.read_text() + '{"doc_id":' + "[" * 200_000)
    with pytest.raises(StepdownError):
        import_traces(path, store=store)
    assert store.runs() == []
