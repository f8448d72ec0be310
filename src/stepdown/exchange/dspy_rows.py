"""A run's traces as DSPy takes them: lines that need no DSPy to write, examples of them, and our graders as a metric.

Source of the form: DSPy 3.4.1, `primitives/example.py`, `adapters/base.py` and `evaluate/evaluate.py`.
"""

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from stepdown.errors import UsageError
from stepdown.graders import load_grader
from stepdown.models import Prices
from stepdown.problems import Columns, read_problem
from stepdown.prompts import question_text
from stepdown.runner import plain
from stepdown.store import Run
from stepdown.tabular import Row
from stepdown.types import Grade, Kind, Trace

# What is given to a program; every other field is a label, or of use to a metric.
INPUTS = ("question",)
Metric = Callable[..., bool]


class ExampleRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """One problem with its gold; `reasoning` and `plan` are its first right trace's, and missing where none is right.

    `question` has the choices below it. `id`, `kind` and `choices` are the problem's, for a metric.
    """

    question: str
    answer: str
    id: str
    kind: Kind
    choices: tuple[str, ...] = ()
    reasoning: str | None = None
    plan: str | None = None


def write_examples(run: Run, path: Path, prices: Prices) -> int:
    """Write a line for each problem of a run and return their number."""
    count, encode = 0, msgspec.json.Encoder().encode
    with path.open("xb") as file:
        for row in _rows(run):
            file.write(encode(row) + b"\n")
            count += 1
    return count


def dspy_examples(run: Run) -> list[Any]:
    """Return a run as a list of `dspy.Example`, one for each problem, with `question` as the input.

    `answer` is the gold; `reasoning` and `plan` are those of the problem's first right trace. A problem without one has
    neither, so that no wrong text is ever shown as a demonstration. Raises `UsageError` where DSPy is not installed.
    """
    example = _dspy().Example
    return [example(**msgspec.to_builtins(row)).with_inputs(*INPUTS) for row in _rows(run)]


def dspy_metric(grader: str = "default") -> Metric:
    """Return a grader of ours as a metric of DSPy: whether a prediction's `answer` is right, for `dspy.Evaluate`.

    It takes examples of `dspy_examples`, and any other with `question` and `answer`, read as a row of a file of one's
    own. Raises `UnknownName`.
    """
    grade = load_grader(grader)

    def metric(example: Any, prediction: Any, trace: object = None) -> bool:
        fields = {name: example.get(name) for name in ("question", "answer", "choices")}
        row = Row("the example", 0, fields)
        problem = read_problem(row, Columns("question", "answer", "choices", "", example.get("kind")))
        return plain(grade(problem, str(prediction.answer))).verdict == "right"

    return metric


def _rows(run: Run) -> Iterator[ExampleRow]:
    return (_row(attempts) for attempts in run.by_problem())


def _row(attempts: list[tuple[Trace, Grade]]) -> ExampleRow:
    problem = attempts[0][0].problem
    right = next((trace for trace, grade in attempts if grade.verdict == "right"), None)
    return ExampleRow(
        question_text(problem),
        problem.answer,
        problem.id,
        problem.kind,
        problem.choices,
        right.solution if right else None,
        right.plan.text if right and right.plan else None,
    )


def _dspy() -> Any:
    try:
        return import_module("dspy")
    except ImportError as error:
        raise UsageError(
            "examples for DSPy need `dspy`: not installed", "pip install dspy; `export --to dspy` needs none"
        ) from error
