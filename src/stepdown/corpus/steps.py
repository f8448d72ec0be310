"""The filters of a view at work: what comes in, what is kept, and how many."""

from collections.abc import Iterator

import msgspec

from stepdown.corpus.card import Selection
from stepdown.corpus.selection import ChainTable, Filter
from stepdown.types import Chain


class FilterStep(msgspec.Struct, frozen=True):
    """A filter of a view, with its seed."""

    filter: Filter
    seed: int


class StepCounter:
    """A filter at work, with counts of what came in and what it kept."""

    def __init__(self, step: FilterStep) -> None:
        self.step = step
        self._chains_in = self._chains_kept = self._problems_in = self._problems_kept = 0

    def sift(self, groups: Iterator[list[Chain]]) -> Iterator[list[Chain]]:
        """Stream the groups of which something is kept."""
        for group in groups:
            kept = self.take(group)
            if kept:
                yield kept

    def take(self, group: list[Chain]) -> list[Chain]:
        """Return what is kept of a group."""
        kept = list(self.step.filter.keep(group))
        self._chains_in += len(group)
        self._chains_kept += len(kept)
        self._problems_in += 1
        self._problems_kept += bool(kept)
        return kept

    def take_table(self, table: ChainTable) -> ChainTable:
        """Return what is kept of a table, by a filter that has `columns`."""
        assert self.step.filter.columns is not None
        kept = table.keep(self.step.filter.columns(table)) if len(table) else table
        self._chains_in += len(table)
        self._chains_kept += len(kept)
        self._problems_in += table.problems
        self._problems_kept += kept.problems
        return kept

    @property
    def kept(self) -> Selection:
        """What the filter let through so far."""
        one = self.step.filter
        return Selection(
            filter=one.name,
            definition=one.definition,
            chains_in=self._chains_in,
            chains_kept=self._chains_kept,
            problems_in=self._problems_in,
            problems_kept=self._problems_kept,
            report=one.report() if one.report else "",
            seed=self.step.seed,
        )
