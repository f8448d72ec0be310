"""IMDB (Maas et al., ACL 2011): film reviews, and their contrast sets (Gardner et al., Findings of EMNLP 2020)."""

from stepdown.problems.benchmarks import Benchmark, Dataset, HubFiles
from stepdown.problems.choices import gold_letter
from stepdown.tabular import Row
from stepdown.types import Problem

CHOICES = ("positive", "negative")
LABELS = ("1", "0")
ASKED = "\n\nIs this film review positive or negative?"
BREAK = "<br />"


def read_problem(row: Row) -> Problem:
    """Return a row's problem, from the contrast sets' files (`Text`, `Sentiment`) or the hub (`text`, `label`)."""
    published = "Sentiment" in row.fields
    text = row.text("Text" if published else "text", "a review").replace(BREAK, "\n")
    gold = gold_letter(row, "Sentiment" if published else "label", CHOICES, () if published else LABELS)
    return Problem(id="", question=text + ASKED, answer=gold, choices=CHOICES, kind="choice")


BENCHMARK = Benchmark(
    about=Dataset(
        name="imdb",
        kind="choice",
        splits=("test", "train", "dev", "contrast"),
        rows={"test": 25000, "train": 25000, "dev": 100, "contrast": 100},
        licence="unknown",
        source="https://ai.stanford.edu/~amaas/data/sentiment/, https://github.com/allenai/contrast-sets",
    ),
    hub=HubFiles(
        repo="stanfordnlp/imdb",
        revision="e6281661ce1c48d982bc483cf8a173c1bbeb5d31",
        files={
            "test": ("plain_text/test-00000-of-00001.parquet",),
            "train": ("plain_text/train-00000-of-00001.parquet",),
            "dev": (),
            "contrast": (),
        },
    ),
    read=read_problem,
)
