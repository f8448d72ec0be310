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
    met, waiting = set[int](), None
    for part in parts:
        for start, frame in frames_of(part):
            with reading(f"`{part}` cannot be read", AGAIN):
                check_rows(frame, part, start)
                if waiting is not None and waiting["problem"][-1] == frame["problem"][0]:
                    # The last problem that waits goes on: it waits for the rest of it.
                    whole, frame = _cut(waiting, frame)
                    yield from _checked(whole, met)
                elif waiting is not None:
                    yield from _checked(waiting, met)
            waiting = frame
    if waiting is not None:
        yield from _checked(waiting, met)


def _cut(waiting: Any, frame: Any) -> tuple[Any, Any]:
    """Return the problems of a frame that are whole, and its last one together with the next frame."""
    last = (waiting["problem"] != waiting["problem"][-1]).arg_true()
    start = last[-1] + 1 if len(last) else 0
    return waiting[:start], load_polars().concat([waiting[start:], frame])


def _checked(frame: Any, met: set[int]) -> Iterator[ChainTable]:
    if len(frame):
        table = ChainTable(frame)
        _check_ids(frame, table.starts)
        yield _met(table, met)


def _check_ids(frame: Any, starts: Any) -> None:
    polars = load_polars()
    changed = [polars.col(name).ne_missing(polars.col(name).shift(1)) for name in PROBLEM]
    wrong = frame.filter(frame.select(polars.any_horizontal(changed)).to_series() & ~starts)
    if len(wrong):
        raise UsageError(f"two problems have the id `{wrong['problem'][0]}`", "give each problem an id of its own")


def _met(table: ChainTable, met: set[int]) -> ChainTable:
    """Note the problems of a table by hash; raise `UsageError` where one was met before."""
    for name in table.firsts["problem"]:
        one = hash(name)
        if one in met:
            what = f"the chains of the problem `{name}` do not lie together"
            raise UsageError(what, "sort the chains by problem first")
        met.add(one)
    return table
