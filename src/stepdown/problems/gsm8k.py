"""GSM8K (Cobbe et al., 2021, arXiv 2110.14168): grade-school word problems whose gold stands after `####`."""

import re

from stepdown.problems.benchmarks import Benchmark, Dataset, HubFiles
from stepdown.tabular import Row, clip_value
from stepdown.types import Problem

NUMBER = re.compile(r"-?\d+(\.\d+)?")


def read_problem(row: Row) -> Problem:
    """Return a row's problem: gold without commas, the worked solution verbatim with its calculator marks."""
    solution, mark, gold = row.text("answer", "a solution that ends in `#### N`").rpartition("####")
    number = gold.strip().replace(",", "")
    if not mark or not NUMBER.fullmatch(number):
        raise row.bad("answer", f"a solution that ends in `#### N`, found {clip_value(mark + gold)}")
    question = row.text("question", "a question")
    return Problem(id="", question=question, answer=number, solution=solution.strip())


BENCHMARK = Benchmark(
    about=Dataset(
        name="gsm8k",
        kind="number",
        splits=("test", "train"),
        rows={"test": 1319, "train": 7473},
        licence="MIT",
        source="https://github.com/openai/grade-school-math",
    ),
    hub=HubFiles(
        repo="openai/gsm8k",
        revision="740312add88f781978c0658806c59bc2815b9866",
        files={split: (f"main/{split}-00000-of-00001.parquet",) for split in ("test", "train")},
    ),
    read=read_problem,
)
