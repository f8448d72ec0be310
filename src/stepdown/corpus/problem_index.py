"""Where each problem's chains lie in a corpus folder, so that one problem is read without the rest."""

from array import array
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

from stepdown.corpus.card import Card
from stepdown.corpus.folder import parts_of
from stepdown.corpus.parquet_rows import chains_of, check_rows, schema
from stepdown.corpus.part_writer import ROWS
from stepdown.errors import UsageError
from stepdown.extras import load_polars
from stepdown.types import Chain
from stepdown.untrusted import reading

_AGAIN = "copy the folder again from where it came, or make the corpus anew"


class ProblemIndex:
    """The problems of a corpus in their order, and the rows of each; made by `index_problems`.

    `ids` are the problems' ids. It holds the ids and 8 bytes for each problem: 200,000 problems need some 20 MB.
    """

    def __init__(self, parts: tuple[Path, ...], bounds: tuple[int, ...], ids: list[str], starts: "array[int]") -> None:
        self.ids = ids
        self._parts, self._bounds, self._starts = parts, bounds, starts
        self._at = {name: number for number, name in enumerate(ids)}

    def __len__(self) -> int:
        return len(self.ids)

    def find(self, problem: str) -> int | None:
        """Return the number of a problem, from 0, by its id."""
        return self._at.get(problem)

    def read(self, number: int) -> list[Chain]:
        """Return all chains of a problem by its number, from 0; raise `BadRow` or `UsageError` for broken rows."""
        chains: list[Chain] = []
        for part, first, count in self._pieces(self._starts[number], self._starts[number + 1]):
            frame = _read(part, tuple(schema()), first, count)
            check_rows(frame, part, first + 1)
            chains += chains_of(frame, chains[-1].problem if chains else None)
        return chains

    def search(self, words: str, *, most: int = 20) -> list[int]:
        """Return the numbers of the first problems whose question or id holds these words, in either case."""
        wanted = words.casefold()
        found = {number for number, name in enumerate(self.ids) if wanted in name.casefold()}
        for numbers in self._asked(words):
            found |= numbers
            if len(found) >= most:
                break
        return sorted(found)[:most]

    def _asked(self, words: str) -> Iterator[set[int]]:
        """Stream, piece by piece of the corpus, the numbers of the problems whose question holds words."""
        polars = load_polars()
        fits = polars.col("question").str.to_lowercase().str.contains(words.lower(), literal=True)
        for part, (start, end) in zip(self._parts, pairwise(self._bounds), strict=True):
            for first in range(0, end - start, ROWS):
                frame = _read(part, ("question",), first, ROWS)
                rows = frame.select(fits.fill_null(value=False).arg_true()).to_series()
                yield {bisect_right(self._starts, start + first + row) - 1 for row in rows}

    def _pieces(self, start: int, end: int) -> Iterator[tuple[Path, int, int]]:
        """Give the parts that hold some rows of the corpus, each with its own first row and how many."""
        for part, (low, high) in zip(self._parts, pairwise(self._bounds), strict=True):
            if start < high and end > low:
                yield part, max(start, low) - low, min(end, high) - max(start, low)


def index_problems(folder: Path, card: Card) -> ProblemIndex:
    """Read the ids of a corpus once and return where its problems lie; raise `UsageError` where it is broken."""
    polars = load_polars()
    parts = tuple(parts_of(folder, card))
    ids: list[str] = []
    starts, sizes = array("Q"), list[int]()
    for part in parts:
        column = _read(part, ("problem",), 0, None).to_series()
        runs = polars.DataFrame({"id": column}).select(polars.col("id").rle()).unnest("id")
        at = sum(sizes)
        for count, name in runs.iter_rows():
            if not ids or ids[-1] != name:
                ids.append(name)
                starts.append(at)
            at += count
        sizes.append(len(column))
    starts.append(sum(sizes))
    if len(ids) != card.problems or None in ids:
        raise UsageError(f"`{folder}` holds {len(ids):,} problems, but its card says {card.problems:,}", _AGAIN)
    return ProblemIndex(parts, tuple(accumulate(sizes, initial=0)), ids, starts)


def _read(part: Path, columns: tuple[str, ...], first: int, count: int | None) -> Any:
    polars = load_polars()
    with reading(f"`{part}` cannot be read", _AGAIN):
        return polars.scan_parquet(part, glob=False).select(*columns).slice(first, count).collect()
