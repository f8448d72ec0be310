"""Which of a table's chains may resemble another of their problem, found without comparing any two.

A chain is a set of runs of three words. A run that stands once in all chains of a problem is shared with none; a chain
with too many of these cannot share enough with any other, whatever the others are, and need not be compared.
"""

from itertools import pairwise
from typing import Any

from stepdown.corpus.selection.filters import words
from stepdown.corpus.selection.tables import ChainTable
from stepdown.extras import load_numpy, load_polars

# `filters.words` in the words of Rust's expressions, which know no look around: two and more `*` are taken out before.
_WORD = r"[^\W_]+(?:[.,:][^\W_]+)*|[+/=<>^%×÷−*-]"
_BOLD = r"\*\*+"
# Beyond these characters the two languages disagree on what a letter is.
_OTHER = r"[^\x00-\x7f“”‘’–—…×÷−→≤≥≈•]"
# Rows whose runs are counted at once, so that the table of counts stays in the processor's cache.
_ROWS = 3_000
_ODD = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9)


def may_resemble(table: ChainTable, near: float) -> Any:
    """Return an array that is false only for chains that share less than `near` of their runs with any other.

    Runs are known by hashes: of two that meet in one both count as shared, which costs a comparison and no chain.
    """
    numpy = load_numpy()
    hashes, rows = _hashed_words(table)
    first, second, third = (numpy.uint64(one) for one in _ODD)
    group = table.group.to_numpy().astype(numpy.uint64)
    inside = rows[:-2] == rows[2:]
    at = rows[:-2][inside]
    runs = ((hashes[:-2] * first + hashes[1:-1]) * second + hashes[2:])[inside]
    runs = (runs + group[at]) * third
    found = numpy.zeros(len(table), bool)
    for start, end in _pieces(table):
        low, high = numpy.searchsorted(at, (start, end))
        found[start:end] = _shared(runs[low:high], at[low:high] - start, end - start, near)
    return found


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


def _hashed_words(table: ChainTable) -> tuple[Any, Any]:
    """Return the hash of every word, row after row, and the row of each."""
    polars, numpy = load_polars(), load_numpy()
    text = polars.col("text")
    frame = table.frame.select(text, text.str.contains(_OTHER).alias("other"))
    plain = text.str.to_lowercase().str.replace_all(_BOLD, " ").str.extract_all(_WORD)
    if frame["other"].any():
        ours = polars.Series([words(one) for one in frame.filter("other")["text"]], dtype=polars.List(polars.String))
        rows = [frame.with_row_index("row").filter(~polars.col("other")).select("row", plain.alias("words"))]
        rows.append(frame.with_row_index("row").filter("other").select("row", ours.alias("words")))
        found = polars.concat(rows).sort("row")["words"]
    else:
        found = frame.select(plain.alias("words")).to_series()
    counts = found.list.len()
    exploded = found.filter(counts > 0).explode()
    return exploded.hash(1).to_numpy(), numpy.repeat(numpy.arange(len(found)), counts.to_numpy())
