"""`stepdown datasets`: the data sets that have a name."""

from stepdown.cli.console.tables import show_table
from stepdown.cli.console.terminal import show_json
from stepdown.cli.options import Json
from stepdown.problems import Dataset
from stepdown.problems import datasets as known


def datasets(*, json: Json = False) -> int:
    """List the data sets; any .jsonl, .json, .csv or .parquet file of your own is one too."""
    if json:
        for one in known():
            show_json(one)
        return 0
    note = "The first split is the default. From the hub (extra `hub`), or from a file with --data FILE."
    rows = [(one.name, one.kind, splits_of(one), one.licence) for one in known()]
    show_table("Data sets", ("name", "kind", "splits", "licence"), rows, words=4, note=note)
    return 0


def splits_of(one: Dataset) -> str:
    """Return a data set's splits with their numbers of problems."""
    return ", ".join(f"{split} {one.rows.get(split) or 'any'}" for split in one.splits)
