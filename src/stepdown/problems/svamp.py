"""SVAMP (Patel et al., NAACL 2021, arXiv 2103.07191): one-step word problems varied so that cues mislead."""

import re

from stepdown.problems.benchmarks import Benchmark, Dataset, HubFiles
from stepdown.tabular import Row, clip_value
from stepdown.types import Problem

NUMBER = re.compile(r"-?\d+(\.\d+)?")


def read_problem(row: Row) -> Problem:
    """Return a row's problem: `Body` and `Question` joined by a blank, `Equation` as the worked solution."""
    gold = row.text("Answer", "a number")
    if not NUMBER.fullmatch(gold):
        raise row.bad("Answer", f"a number, found {clip_value(gold)}")
    question = f"{row.text('Body', 'a text')} {row.text('Question', 'a question')}"
    return Problem(id=row.optional("ID"), question=question, answer=gold, solution=row.optional("Equation"))


BENCHMARK = Benchmark(
    about=Dataset(
        name="svamp",
        kind="number",
        splits=("test", "train"),
        rows={"test": 300, "train": 700},
        licence="MIT",
        source="https://github.com/arkilpatel/SVAMP",
    ),
    hub=HubFiles(
        repo="ChilleD/SVAMP",
        revision="5e0bf1e5e7c0e9c4bc39180d224f41f3f801b7ef",
        files={split: (f"data/{split}-00000-of-00001.parquet",) for split in ("test", "train")},
    ),
    read=read_problem,
)
