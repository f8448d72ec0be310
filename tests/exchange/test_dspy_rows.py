"""A run goes out as examples for DSPy, and graders are its metric; `benchmarks/loaders.py` tries the real package."""

import json
from pathlib import Path
from typing import Any

import pytest

import stepdown as sd
from stepdown.errors import UsageError
from stepdown.exchange import dspy_examples, dspy_metric, export_run


class Fields(dict[str, Any]):
    """What `dspy.Example` and `dspy.Prediction` are to a metric."""

    def __getattr__(self, name: str) -> Any:
        return self[name]


def traced(folder: Path) -> sd.Run:
    """Of two problems the first is solved at the second of two draws, the second never."""
    problems = (sd.Problem("d/0", "Which?", "B", ("left", "right"), "choice"), sd.Problem("d/1", "1 + 1?", "2"))
    settings = sd.Settings(dataset="d", problems="p", count=2, method="trace-of-thought", student="s", samples=2)
    run = sd.Store(folder / "s.sqlite").open_run(settings)
    for place, problem in enumerate(problems):
        for sample, text in enumerate(("Answer: A", "Answer: B")):
            run.put_trace(
                place, sd.Trace(problem, "trace-of-thought", sd.Plan("1. Look.", "t"), (), text, None, sample)
            )
    return sd.grade(run)


def test_a_problem_goes_out_with_its_first_right_solution_and_else_with_none(tmp_path: Path) -> None:
    assert export_run(traced(tmp_path), "dspy", tmp_path / "out.jsonl") == 2
    first, second = map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())
    assert first["question"] == "Which?\nA. left\nB. right" and first["answer"] == "B"
    assert (first["reasoning"], first["plan"]) == ("Answer: B", "1. Look.")
    assert second == {"question": "1 + 1?", "answer": "2", "id": "d/1", "kind": "number"}


@pytest.mark.parametrize(("said", "right"), [("B", True), ("(b) right", True), ("Answer: A", False), ("", False)])
def test_a_metric_reads_an_answer_as_the_grader_does(said: str, right: bool, tmp_path: Path) -> None:
    export_run(traced(tmp_path), "dspy", tmp_path / "out.jsonl")
    example = Fields(json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0]))
    assert dspy_metric()(example, Fields(answer=said)) is right


def test_a_metric_takes_examples_that_are_not_ours() -> None:
    example = Fields(question="How much?", answer="So 1,000 + 24.\n#### 1,024")
    assert dspy_metric("strict")(example, Fields(answer="Answer: $1024")) is True
    assert dspy_metric("strict")(example, Fields(answer="Answer: 24")) is False


def test_without_dspy_the_way_out_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "dspy", None)
    with pytest.raises(UsageError, match="not installed") as caught:
        dspy_examples(traced(tmp_path))
    assert "export --to dspy" in caught.value.hint
