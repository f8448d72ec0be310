"""Problems by runs: verdict and answer in each cell, from the store's summaries, and the rows that a question picks."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from operator import or_
from typing import Literal, get_args

import msgspec

from stepdown.audits import audited
from stepdown.errors import UsageError
from stepdown.graders import majority_grade
from stepdown.reports.sampled_blocks import TraceKey, all_single, problems_of
from stepdown.store import VERDICTS, Run, Shape, answers_of, trace_keys, unpacked, verdicts_of
from stepdown.types import Verdict

RowFilter = Literal["", "wrong", "differ", "won", "lost", "all-wrong", "all-right", "truncated", "failed", "leaked"]
ROW_FILTERS: tuple[RowFilter, ...] = get_args(RowFilter)
MOST_CELLS = 4_000_000
_ABSENT = 255  # the verdict of a run that has not tried a problem
_Cell = tuple[int, TraceKey, Verdict, str | None, Shape]


class MatrixColumn(msgspec.Struct, frozen=True, kw_only=True):
    """One run's cells by row; in the numbers, row n is bit n.

    `ordinals` and `samples` are those of a row's first trace, -1 where the run has none; `plans`: some trace has one.
    """

    run: str
    ordinals: "array[int]"
    samples: "array[int]"
    verdicts: bytes
    found: tuple[str | None, ...]
    tried: int
    right: int
    wrong: int
    truncated: int
    failed: int
    plans: bool

    def verdict(self, row: int) -> Verdict | None:
        """Return the verdict in a cell, None where the run has not tried the problem."""
        code = self.verdicts[row]
        return None if code == _ABSENT else VERDICTS[code]


class VerdictMatrix(msgspec.Struct, frozen=True):
    """Problems (`rows`, in the order in which the runs have them) by runs (`columns`)."""

    columns: tuple[MatrixColumn, ...]
    rows: int

    def chosen(self, kind: RowFilter, *, base: int = 0, of: int | None = None) -> int:
        """Return the rows of which a filter is true, as bits; `leaked` asks more: `leaked_rows`.

        `base` is the column that `won` and `lost` start from, `of` the one that is judged, None for any of them.
        """
        judged = [self.columns[of]] if of is not None else list(self.columns)
        first = self.columns[base]
        others = [one for one in judged if one is not first]
        if kind in ("wrong", "truncated", "failed"):
            return union(getattr(one, kind) for one in judged)
        if kind in ("won", "lost"):
            before, after = ("wrong", "right") if kind == "won" else ("right", "wrong")
            return int(getattr(first, before)) & union(getattr(one, after) for one in others)
        if kind == "differ" and of is not None:
            return self.chosen("won", base=base, of=of) | self.chosen("lost", base=base, of=of)
        right, wrong = union(one.right for one in self.columns), union(one.wrong for one in self.columns)
        sets: dict[RowFilter, int] = {"differ": right & wrong, "all-wrong": wrong & ~right, "all-right": right & ~wrong}
        return sets.get(kind, (1 << self.rows) - 1)

    def wins(self, one: int, other: int) -> int:
        """Return how many problems one column has right that another has wrong."""
        return (self.columns[one].right & self.columns[other].wrong).bit_count()

    def hardest_first(self, rows: Sequence[int]) -> list[int]:
        """Return rows by the number of runs that have them right, fewest first."""
        return sorted(rows, key=lambda row: self._counts(row)[0])

    def most_split_first(self, rows: Sequence[int]) -> list[int]:
        """Return rows by how evenly right and wrong divide the runs."""
        return sorted(rows, key=lambda row: -min(self._counts(row)))

    def wrong_first(self, rows: Sequence[int], column: int) -> list[int]:
        """Return rows by one column's verdict: wrong, ungraded, right, not tried."""
        ranks = {VERDICTS.index("wrong"): 0, VERDICTS.index("ungraded"): 1, VERDICTS.index("right"): 2}
        verdicts = self.columns[column].verdicts
        return sorted(rows, key=lambda row: ranks.get(verdicts[row], 3))

    def _counts(self, row: int) -> tuple[int, int]:
        codes = [one.verdicts[row] for one in self.columns]
        return codes.count(VERDICTS.index("right")), codes.count(VERDICTS.index("wrong"))


def union(sets: Iterable[int]) -> int:
    """Return the rows that are in any of some sets of bits."""
    return reduce(or_, sets, 0)


def rows_in(bits: int) -> list[int]:
    """Return the rows that a set of bits holds, in order."""
    return [row for row, digit in enumerate(reversed(f"{bits:b}")) if digit == "1"]


def bits_of(rows: Iterable[int], count: int) -> int:
    """Return a set of bits of some rows of `count`."""
    digits = bytearray(b"0" * max(1, count))
    for row in rows:
        digits[-1 - row] = 49
    return int(digits, 2)


def verdict_matrix(runs: Sequence[Run]) -> VerdictMatrix:
    """Return the problems of some runs with each run's verdict and answer, paired by question; samples vote.

    Raises `UsageError` for runs of more traces together than a page can hold.
    """
    traces = sum(run.tally().traces for run in runs)
    if traces > MOST_CELLS:
        raise UsageError(f"these runs have {traces:,} traces together", f"choose fewer runs: {MOST_CELLS:,} fit")
    known: dict[int, int] = {}
    cells = [_numbered(_cells(run), known) for run in runs]
    return VerdictMatrix(
        tuple(_column(run, some, len(known)) for run, some in zip(runs, cells, strict=True)), len(known)
    )


def leaked_rows(run: Run, column: MatrixColumn) -> int:
    """Return the rows whose plan in a run holds the gold answer, by what the audit keeps of it."""
    if not column.plans:
        return 0
    keys = (key for block, _ in run.columns() for key in trace_keys(block))
    leaked = {ordinal for (ordinal, _), one in zip(keys, audited(run), strict=False) if one.leak.gold}
    return bits_of((row for row, ordinal in enumerate(column.ordinals) if ordinal in leaked), len(column.ordinals))


def rows_at(column: MatrixColumn, places: Iterable[TraceKey]) -> int:
    """Return the rows of a run's traces at (ordinal, sample)."""
    ordinals = {ordinal for ordinal, _ in places}
    return bits_of((row for row, ordinal in enumerate(column.ordinals) if ordinal in ordinals), len(column.ordinals))


def _numbered(cells: Iterator[_Cell], known: dict[int, int]) -> list[tuple[int, _Cell]]:
    """Give each cell its row: that of its question; a question that comes twice in a run has two rows."""
    numbered, seen = list[tuple[int, _Cell]](), set[int]()
    for cell in cells:
        key = cell[0]
        while key in seen:
            key += 1
        seen.add(key)
        numbered.append((known.setdefault(key, len(known)), cell))
    return numbered


def _cells(run: Run) -> Iterator[_Cell]:
    """Stream (question, first trace, verdict, answer, shape) of a run's problems."""
    if run.settings.samples > 1 or not all_single(run):
        for one in problems_of(run, ""):
            grade = majority_grade(one.attempts)
            yield one.question, one.trace_key, grade.verdict, grade.found, one.shape
        return
    for block, grades in run.columns():
        shapes = [block.shapes[place] for place in unpacked("I", block.shape)]
        questions, keys = unpacked("q", block.questions), trace_keys(block)
        yield from zip(questions, keys, verdicts_of(block, grades), answers_of(block, grades), shapes, strict=True)


def _column(run: Run, cells: Sequence[tuple[int, _Cell]], rows: int) -> MatrixColumn:
    verdicts, found = bytearray([_ABSENT]) * rows, list[str | None]([None]) * rows
    ordinals, samples = array("q", [-1]) * rows, array("q", [-1]) * rows
    codes = {verdict: code for code, verdict in enumerate(VERDICTS)}
    for row, (_, (ordinal, sample), verdict, answer, _) in cells:
        ordinals[row], samples[row] = ordinal, sample
        verdicts[row], found[row] = codes[verdict], answer
    return MatrixColumn(
        run=run.id,
        ordinals=ordinals,
        samples=samples,
        verdicts=bytes(verdicts),
        found=tuple(found),
        tried=bits_of((row for row, _ in cells), rows),
        right=bits_of((row for row, cell in cells if cell[2] == "right"), rows),
        wrong=bits_of((row for row, cell in cells if cell[2] == "wrong"), rows),
        truncated=bits_of((row for row, cell in cells if cell[4].truncated), rows),
        failed=bits_of((row for row, cell in cells if cell[4].failed), rows),
        plans=any(cell[4].steps is not None for _, cell in cells),
    )
