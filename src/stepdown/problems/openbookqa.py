"""OpenBookQA (Mihaylov et al., EMNLP 2018): four choices, in the official form and three forms of later papers."""

from stepdown.problems.benchmarks import Benchmark, Dataset, HubFiles
from stepdown.problems.choices import gold_letter, read_choices, split_inline
from stepdown.tabular import Row, clip_value
from stepdown.types import LETTERS, Problem

LLM_ADAPTERS = "Please choose the correct answer to the question:"


def read_problem(row: Row) -> Problem:
    """Return a row's problem, from the official file, the hub, LLM-Adapters' instructions or INK-USC's text."""
    if "instruction" in row.fields:
        return read_instruction(row)
    if "question_stem" in row.fields:
        return read_official(row, row, "question_stem")
    inner = row.value("question")
    if isinstance(inner, dict):
        return read_official(row, Row(row.file, row.line, inner), "stem")
    return read_inline(row)


def read_official(row: Row, nested: Row, stem: str) -> Problem:
    """Return the problem of an official row, whose question and choices stand in `nested`."""
    choices, labels = read_choices(row, "choices", nested.value("choices"))
    gold = gold_letter(row, "answerKey", choices, labels)
    question = nested.text(stem, "a question")
    return Problem(id=row.text("id", "an id"), question=question, answer=gold, choices=choices, kind="choice")


def read_inline(row: Row) -> Problem:
    """Return the problem of a row whose question ends in `(a) x (b) y (c) z (d) w` (or in capitals)."""
    text = row.text("question", "a question")
    parts = split_inline(text)
    if parts is None or not parts[0] or not all(parts[1]):
        raise row.bad("question", f"a question with choices `(a) ... (b) ...` in it, found {clip_value(text)}")
    question, choices = parts
    gold = gold_letter(row, "answer", choices)
    return Problem(id=row.optional("id"), question=question, answer=gold, choices=choices, kind="choice")


def read_instruction(row: Row) -> Problem:
    """Return the problem of an LLM-Adapters row: `Answer1: x Answer2: y ...` inside the instruction."""
    text = row.text("instruction", "an instruction")
    question, _, rest = text.removeprefix(LLM_ADAPTERS).partition("\n\nAnswer1:")
    listed = rest.partition("\n\nAnswer format:")[0]
    choices: list[str] = []
    for number in range(2, len(LETTERS)):
        one, more, listed = listed.partition(f" Answer{number}:")
        choices.append(one.strip())
        if not more:
            break
    if not question.strip() or len(choices) < 2 or not all(choices):
        raise row.bad("instruction", f"a question and `Answer1: ... Answer2: ...`, found {clip_value(text)}")
    labels = [f"answer{number}" for number in range(1, len(choices) + 1)]
    gold = gold_letter(row, "answer", choices, labels)
    return Problem(id="", question=question.strip(), answer=gold, choices=tuple(choices), kind="choice")


BENCHMARK = Benchmark(
    about=Dataset(
        name="openbookqa",
        kind="choice",
        splits=("test", "dev", "train"),
        rows={"test": 500, "dev": 500, "train": 4957},
        licence="Apache-2.0",
        source="https://github.com/allenai/OpenBookQA",
    ),
    hub=HubFiles(
        repo="allenai/openbookqa",
        revision="388097ea7776314e93a529163e0fea805b8a6454",
        files={
            "test": ("main/test-00000-of-00001.parquet",),
            "dev": ("main/validation-00000-of-00001.parquet",),
            "train": ("main/train-00000-of-00001.parquet",),
        },
    ),
    read=read_problem,
)
