"""What a benchmark is: its public entry, its files on the hub, and how one of its rows becomes a problem."""

from collections.abc import Callable

import msgspec

from stepdown.tabular import Row
from stepdown.types import Kind, Problem


class Dataset(msgspec.Struct, frozen=True):
    """One entry of `stepdown datasets`: `rows` gives the number of problems of each split, None = any number."""

    name: str
    kind: Kind
    splits: tuple[str, ...]
    rows: dict[str, int | None]
    licence: str
    source: str


class HubFiles(msgspec.Struct, frozen=True):
    """Where the hub keeps a benchmark: a repository at one commit, and each split's files in order, or none."""

    repo: str
    revision: str
    files: dict[str, tuple[str, ...]]


class Benchmark(msgspec.Struct, frozen=True):
    """A benchmark: `read` turns a row into a problem whose id is the row's own, or empty where it has none.

    The first of `about.splits` is the one loaded where none is named.
    """

    about: Dataset
    hub: HubFiles
    read: Callable[[Row], Problem]
