"""SST-2 (Socher et al., EMNLP 2013, as in GLUE): phrases of film reviews, to see what transfers from other tasks."""

from stepdown.problems.benchmarks import Benchmark, Dataset, HubFiles
from stepdown.problems.choices import gold_letter
from stepdown.tabular import Row
from stepdown.types import Problem

CHOICES = ("positive", "negative")
LABELS = ("1", "0")
ASKED = "\n\nIs this phrase of a film review positive or negative?"


def read_problem(row: Row) -> Problem:
    """Return a row's problem, from GLUE's file or the hub; the hub's test split has no golds and is left out."""
    text = row.text("sentence", "a phrase")
    gold = gold_letter(row, "label", CHOICES, LABELS)
    return Problem(id="", question=text + ASKED, answer=gold, choices=CHOICES, kind="choice")


BENCHMARK = Benchmark(
    about=Dataset(
        name="sst2",
        kind="choice",
        splits=("dev", "train"),
        rows={"dev": 872, "train": 67349},
        licence="unknown",
        source="https://nlp.stanford.edu/sentiment/, https://gluebenchmark.com",
    ),
    hub=HubFiles(
        repo="stanfordnlp/sst2",
        revision="8d51e7e4887a4caaa95b3fbebbf53c0490b58bbb",
        files={
            "dev": ("data/validation-00000-of-00001.parquet",),
            "train": ("data/train-00000-of-00001.parquet",),
        },
    ),
    read=read_problem,
)
