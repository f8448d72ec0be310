"""A part's chains as a table of columns, and rules over it, which make no object of a chain."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from io import BytesIO
from itertools import pairwise
from typing import Any

from stepdown.corpus.parquet_rows import chains_of, encode_rows, frame_of, row_of, rows_of, unicode_row
from stepdown.extras import load_polars
from stepdown.types import Chain

# A polars series of booleans, true for the rows that stay.
Mask = Any
Columns = Callable[["ChainTable"], Mask]
_GROUP = "group"


class ChainTable:
    """Whole problems as a polars frame, in order: a row for each chain, and a number for each problem.

    `encoded` are the rows by `encode_rows`, where whoever made the table has them.
    """

    def __init__(self, frame: Any, group: Any = None, encoded: bytes = b"") -> None:
        polars = load_polars()
        if group is None:
            group = (frame["problem"] != frame["problem"].shift(1)).fill_null(value=True).cum_sum().cast(polars.Int64)
        self.frame, self.group = frame, group.alias(_GROUP)
        self._encoded = encoded

    def __reduce__(self) -> tuple[Any, ...]:
        # Polars' own pickles take three times as long.
        body = BytesIO()
        self.frame.with_columns(self.group).write_ipc(body, compat_level=load_polars().CompatLevel.newest())
        return _unpickled, (body.getvalue(), self._encoded)

    @property
    def encoded(self) -> bytes:
        """The rows as JSON, one after the other, over which a corpus's fingerprint is taken."""
        return self._encoded or encode_rows(rows_of(self.frame))

    def __len__(self) -> int:
        return int(self.frame.height)

    @property
    def problems(self) -> int:
        """How many problems there are."""
        return int(self.starts.sum())

    @property
    def firsts(self) -> Any:
        """The frame of each problem's first row."""
        return self.frame.filter(self.starts)

    @property
    def numbers(self) -> Any:
        """The number of each row's problem, from 0, as a series."""
        return self.starts.cast(load_polars().Int64).cum_sum() - 1

    @cached_property
    def starts(self) -> Mask:
        """True for the first row of each problem."""
        return (self.group != self.group.shift(1)).fill_null(value=True)

    @cached_property
    def chains(self) -> list[Chain]:
        """The rows as chains."""
        return chains_of(self.frame)

    def keep(self, mask: Mask) -> "ChainTable":
        """Return the table of the rows that stay."""
        return self if mask.all() else ChainTable(self.frame.filter(mask), self.group.filter(mask))

    def groups(self) -> Iterator[list[Chain]]:
        """Stream the chains of one problem at a time."""
        for start, end in pairwise(self.bounds()):
            yield self.chains[start:end]

    def bounds(self) -> list[int]:
        """Return where each problem starts, and the end."""
        return [*self.starts.arg_true().to_list(), len(self)]

    def lists(self, *names: str) -> list[list[Any]]:
        """Return columns as lists."""
        return [self.frame[name].to_list() for name in names]

    def choose(self, rows: Sequence[int]) -> Mask:
        """Return the mask that is true for rows by number."""
        polars = load_polars()
        chosen = polars.Series("row", rows, dtype=polars.UInt32)
        return polars.int_range(0, len(self), eager=True, dtype=polars.UInt32).is_in(chosen.implode())


def table_of(chains: Sequence[Chain], *, encoded: bool = False) -> ChainTable:
    """Return the table of whole problems' chains; raise `UsageError` for what no corpus can hold.

    `encoded` has the table carry its rows' JSON, for a writer in another process.
    """
    rows = [row_of(chain) for chain in chains]
    try:
        frame = frame_of(rows)
    except UnicodeEncodeError:
        rows = list(map(unicode_row, rows))
        frame = frame_of(rows)
    return ChainTable(frame, encoded=encode_rows(rows) if encoded else b"")


def _unpickled(body: bytes, encoded: bytes) -> ChainTable:
    frame = load_polars().read_ipc(BytesIO(body))
    return ChainTable(frame.drop(_GROUP), frame[_GROUP], encoded)


def expression(make: Callable[[], Any]) -> Columns:
    """Return the rule that a polars expression over the columns is, which is made when polars is there."""
    return lambda table: table.frame.select(make().alias("stays")).to_series()


def by_chains(keep: Callable[[Sequence[Chain]], Sequence[Chain]]) -> Columns:
    """Return the rule of a function of one problem's chains, which returns some of them."""

    def mask(table: ChainTable) -> Mask:
        bounds, chains, stay = table.bounds(), table.chains, list[int]()
        for start, end in pairwise(bounds):
            group = chains[start:end]
            kept = {id(chain) for chain in keep(group)}
            stay += (start + at for at, chain in enumerate(group) if id(chain) in kept)
        return table.choose(stay)

    return mask


def by_problem(keep: Callable[[Sequence[Chain]], Sequence[Chain]]) -> Columns:
    """Return the rule of a function that keeps a problem whole or not at all, by what the problem is."""

    def mask(table: ChainTable) -> Mask:
        polars = load_polars()
        stays = [bool(keep([chain])) for chain in chains_of(table.firsts)]
        return polars.Series("stays", stays, dtype=polars.Boolean).gather(table.numbers)

    return mask


def by_name(column: str, fits: Callable[[str], bool]) -> Columns:
    """Return the rule that a name in a column fits; it is asked once for each name."""

    def mask(table: ChainTable) -> Mask:
        polars = load_polars()
        names = polars.Series([name for name in table.frame[column].unique() if fits(name)], dtype=polars.String)
        return table.frame[column].is_in(names.implode())

    return mask


def word_count() -> Any:
    """Return the expression of how many words between blanks a chain has, as `str.split` parts them."""
    # Python counts four control characters among the blanks that Unicode's property leaves out.
    return load_polars().col("text").str.count_matches(r"[^\s\x1c-\x1f]+").cast(load_polars().Int64)
