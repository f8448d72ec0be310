"""NeQA (Zhang et al., Findings of ACL 2023; Inverse Scaling Prize, arXiv 2306.09479): negated OpenBookQA questions."""

from stepdown.problems.benchmarks import Benchmark, Dataset, HubFiles
from stepdown.problems.choices import counted, read_choices
from stepdown.tabular import Row, clip_value
from stepdown.types import LETTERS, Problem


def read_problem(row: Row) -> Problem:
    """Return a row's problem, from the prize's form (all inside `prompt`) or the authors' (`choices`, `answer`)."""
    if "prompt" not in row.fields and "choices" in row.fields:
        return read_authors(row)
    prompt = row.text("prompt", "a prompt")
    body = prompt.rpartition("Question:")[2].removesuffix("Answer:")
    question, first, rest = body.partition("\nA.")
    one, second, two = rest.partition("\nB.")
    if not (first and second and question.strip()):
        raise row.bad("prompt", f"`Question: ...`, `A. ...` and `B. ...` on lines, found {clip_value(prompt)}")
    index = row.text("answer_index", "0 or 1")
    if index not in ("0", "1"):
        raise row.bad("answer_index", f"0 or 1, found {clip_value(index)}")
    choices = (one.strip(), two.strip())
    return Problem(id="", question=question.strip(), answer=LETTERS[int(index)], choices=choices, kind="choice")


def read_authors(row: Row) -> Problem:
    """Return the problem of a row of the authors' file; the gold counts the choices from 0."""
    choices, _ = read_choices(row, "choices", row.value("choices"))
    index = counted(row.text("answer", "the gold's place, from 0"), len(choices))
    if index is None:
        raise row.bad("answer", f"a place from 0 to {len(choices) - 1}, found {clip_value(row.fields['answer'])}")
    question = row.text("question", "a question")
    return Problem(id="", question=question, answer=LETTERS[index], choices=choices, kind="choice")


BENCHMARK = Benchmark(
    about=Dataset(
        name="neqa",
        kind="choice",
        splits=("test",),
        rows={"test": 300},
        licence="CC-BY-SA-4.0",
        source="https://github.com/inverse-scaling/prize",
    ),
    hub=HubFiles(
        repo="inverse-scaling/NeQA",
        revision="44681e312f20bc99445e2fbc6a35e0e242c486e9",
        files={"test": ("neqa.jsonl",)},
    ),
    read=read_problem,
)
