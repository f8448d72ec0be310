"""QuaRel (Tafjord et al., AAAI 2019): two-way questions about qualities, their choices written into the question."""

from stepdown.problems.benchmarks import Benchmark, Dataset, HubFiles
from stepdown.problems.choices import gold_letter, split_inline
from stepdown.tabular import Row, clip_value
from stepdown.types import LETTERS, Problem


def read_problem(row: Row) -> Problem:
    """Return a row's problem; the gold is `answer_index` (official, hub) or `answer` as `(A)` (INK-USC's copy)."""
    text = row.text("question", "a question")
    parts = split_inline(text)
    if parts is None or not parts[0] or len(parts[1]) != 2 or not all(parts[1]):
        raise row.bad("question", f"a question with `(A) ... (B) ...` in it, found {clip_value(text)}")
    question, choices = parts
    if "answer_index" not in row.fields:
        gold = gold_letter(row, "answer", choices)
    elif (index := row.text("answer_index", "0 or 1")) in ("0", "1"):
        gold = LETTERS[int(index)]
    else:
        raise row.bad("answer_index", f"0 or 1, found {clip_value(index)}")
    return Problem(id=row.optional("id"), question=question, answer=gold, choices=choices, kind="choice")


BENCHMARK = Benchmark(
    about=Dataset(
        name="quarel",
        kind="choice",
        splits=("test", "dev", "train"),
        rows={"test": 552, "dev": 278, "train": 1941},
        licence="CC-BY-4.0",
        source="https://allenai.org/data/quarel",
    ),
    hub=HubFiles(
        repo="community-datasets/quarel",
        revision="52be7f062d2c13d401a9e53b6963d8fbcc4abeb4",
        files={
            "test": ("data/test-00000-of-00001.parquet",),
            "dev": ("data/validation-00000-of-00001.parquet",),
            "train": ("data/train-00000-of-00001.parquet",),
        },
    ),
    read=read_problem,
)
