"""The words of a table's chains by their hashes, and which chains may resemble another of their problem.

A chain is a set of runs of three words. A run that stands once in all chains of a problem is shared with none; a chain
with too many of these cannot share enough with any other, whatever the others are, and need not be compared. Words and
runs are known by 64 bits: two of a problem that meet in them, one case in 10**13, would be taken for one.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from stepdown.corpus.selection.tables import ChainTable
from stepdown.corpus.selection.word_hashes import hashed_words
from stepdown.extras import load_numpy

# Rows whose runs are counted at once, so that the table of counts stays in the processor's cache.
_ROWS = 3_000
_ODD = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9)


class WordTable:
    """The words of a table's chains: what tells equal texts from others, runs of three, and who shares them."""

    def __init__(self, table: ChainTable) -> None:
        numpy = load_numpy()
        self._table = table
        self._hashes, counts = hashed_words(table.frame["text"])
        self._rows = numpy.repeat(numpy.arange(len(counts)), counts)
        first, second, _ = (numpy.uint64(one) for one in _ODD)
        self._runs = (self._hashes[:-2] * first + self._hashes[1:-1]) * second + self._hashes[2:]

    def may_resemble(self, near: float) -> Any:
        """Return an array that is false only for chains that share less than `near` of their runs with any other.

        Of two runs that meet in a hash both count as shared, which costs a comparison and no chain.
        """
        numpy = load_numpy()
        inside = self._rows[:-2] == self._rows[2:]
        at = self._rows[:-2][inside]
        group = self._table.group.to_numpy().astype(numpy.uint64)
        runs = (self._runs[inside] + group[at]) * numpy.uint64(_ODD[2])
        found = numpy.zeros(len(self._table), bool)
        for start, end in _pieces(self._table):
            low, high = numpy.searchsorted(at, (start, end))
            found[start:end] = _shared(runs[low:high], at[low:high] - start, end - start, near)
        return found

    def texts(self, rows: Any) -> Iterator[tuple[bytes, frozenset[int | bytes]]]:
        """Stream of some rows what stands for all words in their order, and the runs; of a shorter text the former."""
        numpy = load_numpy()
        starts, ends = (numpy.searchsorted(self._rows, rows, side).tolist() for side in ("left", "right"))
        for start, end in zip(starts, ends, strict=True):
            exact = self._hashes[start:end].tobytes()
            yield exact, frozenset(self._runs[start : end - 2].tolist() if end - start > 2 else [exact])


def _shared(runs: Any, rows: Any, count: int, near: float) -> Any:
    """Tell of each of `count` rows whether at most `1 - near` of its runs are its own alone; rows without runs may."""
    numpy = load_numpy()
    bits = len(runs).bit_length() + 2
    slots = (runs >> numpy.uint64(64 - bits)).astype(numpy.int64)
    alone = numpy.bincount(slots, minlength=1 << bits)[slots] == 1
    own = numpy.bincount(rows[alone], minlength=count)
    return own <= (1 - near) * numpy.bincount(rows, minlength=count) + 1e-6


def _pieces(table: ChainTable) -> list[tuple[int, int]]:
    """Part a table between problems into pieces of some thousand rows."""
    cuts = [0]
    for bound in table.bounds():
        if bound - cuts[-1] >= _ROWS:
            cuts.append(bound)
    return list(pairwise([*cuts, len(table)] if cuts[-1] < len(table) else cuts))
