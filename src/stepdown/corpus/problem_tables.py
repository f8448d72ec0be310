"""A corpus as tables of whole problems: the same chains in the same order as its groups, without their objects."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from stepdown.corpus.card import Card
from stepdown.corpus.folder import AGAIN, frames_of, parts_of
from stepdown.corpus.parquet_rows import PROBLEM, check_rows
from stepdown.corpus.selection import ChainTable
from stepdown.errors import UsageError
from stepdown.extras import load_polars
from stepdown.untrusted import reading


def read_tables(folder: Path, card: Card) -> Iterator[ChainTable]:
    """Stream the problems of a corpus, many at a time; raise `BadRow` or `UsageError` where it is broken."""
    count = 0
    for table in tables_of(parts_of(folder, card)):
        count += table.problems
        yield table
    if count != card.problems:
        raise UsageError(f"`{folder}` holds {count:,} problems, but its card says {card.problems:,}", AGAIN)


def tables_of(parts: Iterable[Path]) -> Iterator[ChainTable]:
    """Stream the problems of some parts that follow one another; a problem may reach over several of them."""
    polars, met = load_polars(), set[int]()
    left: Any = None
    for part in parts:
        for start, frame in frames_of(part):
            with reading(f"`{part}` cannot be read", AGAIN):
                check_rows(frame, part, start)
                table = ChainTable(frame if left is None else polars.concat([left, frame]))
                _check_ids(table.frame, table.starts)
                last = table.starts.arg_true()[-1]
            left = table.frame[last:]
            if last:
                yield _met(ChainTable(table.frame[:last]), met)
    if left is not None:
        yield _met(ChainTable(left), met)


def _check_ids(frame: Any, starts: Any) -> None:
    polars = load_polars()
    changed = [polars.col(name).ne_missing(polars.col(name).shift(1)) for name in PROBLEM]
    wrong = frame.filter(frame.select(polars.any_horizontal(changed)).to_series() & ~starts)
    if len(wrong):
        raise UsageError(f"two problems have the id `{wrong['problem'][0]}`", "give each problem an id of its own")


def _met(table: ChainTable, met: set[int]) -> ChainTable:
    """Note the problems of a table by hash; raise `UsageError` where one was met before."""
    for name in table.frame.filter(table.starts)["problem"]:
        one = hash(name)
        if one in met:
            what = f"the chains of the problem `{name}` do not lie together"
            raise UsageError(what, "sort the chains by problem first")
        met.add(one)
    return table
