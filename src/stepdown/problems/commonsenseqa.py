"""CommonsenseQA (Talmor et al., NAACL 2019): five choices; the test split is published without golds."""

from stepdown.problems.benchmarks import Benchmark, Dataset, HubFiles
from stepdown.problems.choices import gold_letter, read_choices
from stepdown.tabular import Row
from stepdown.types import Problem


def read_problem(row: Row) -> Problem:
    """Return a row's problem, from the official file (`question.stem`) or the hub's flat columns."""
    inner = row.value("question")
    nested = Row(row.file, row.line, inner) if isinstance(inner, dict) else row
    question = nested.text("stem" if nested is not row else "question", "a question")
    choices, labels = read_choices(row, "choices", nested.value("choices"))
    if not row.optional("answerKey"):
        raise row.bad("answerKey", "the gold's letter", "the official test split has none: use the split `dev`")
    gold = gold_letter(row, "answerKey", choices, labels)
    return Problem(id=row.text("id", "an id"), question=question, answer=gold, choices=choices, kind="choice")


BENCHMARK = Benchmark(
    about=Dataset(
        name="commonsenseqa",
        kind="choice",
        splits=("dev", "train"),
        rows={"dev": 1221, "train": 9741},
        licence="MIT",
        source="https://www.tau-nlp.org/commonsenseqa",
    ),
    hub=HubFiles(
        repo="tau/commonsense_qa",
        revision="94630fe30dad47192a8546eb75f094926d47e155",
        files={
            "dev": ("data/validation-00000-of-00001.parquet",),
            "train": ("data/train-00000-of-00001.parquet",),
        },
    ),
    read=read_problem,
)
