"""The filters of a view at work: what comes in, what is kept, and how many; here or in another process."""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from typing import Any

import msgspec

from stepdown.corpus.card import Content, Selection
from stepdown.corpus.selection import ChainTable, Filter, load_filter
from stepdown.errors import UsageError
from stepdown.types import Chain


class StepSpec(msgspec.Struct, frozen=True):
    """What a filter is made from again in another process; `seen` is what its first pass counted, bucket by bucket."""

    text: str
    seed: int
    content: Content
    code: bool
    seen: tuple[Any, ...] | None = None


class FilterStep:
    """A filter of a view, with its seed; as a pickle it is its `spec`, which a filter that is given has none of."""

    def __init__(
        self, filter: Filter, seed: int, spec: StepSpec | None = None, again: Callable[[], Filter] | None = None
    ) -> None:
        self.filter, self.seed, self.spec, self._again = filter, seed, spec, again

    def __reduce__(self) -> tuple[Any, ...]:
        if self.spec is None:
            what = f"`{self.filter.name}` is a filter of this process alone"
            raise UsageError(what, "name it, as `my.py:short`, or work in one job")
        return _made_again, (self.spec,)

    def ready(self, seen: Sequence[Any]) -> "FilterStep":
        """Return the step of a filter that has counted what it needs."""
        assert self.filter.survey is not None
        spec = None if self.spec is None else msgspec.structs.replace(self.spec, seen=tuple(seen))
        again = partial(self.filter.survey.ready, seen)
        return FilterStep(again(), self.seed, spec, again)

    def fresh(self) -> "FilterStep":
        """Return the step of an equal filter that has nothing to report yet."""
        made = self._again() if self._again and self.filter.notes else self.filter
        return FilterStep(made, self.seed, self.spec, self._again)


def step_of(text: str, seed: int, content: Content, *, code: bool) -> FilterStep:
    """Return the step of a filter by its text; raises as `load_filter` does."""
    return FilterStep(
        load_filter(text, seed=seed, content=content, code=code), seed, StepSpec(text, seed, content, code)
    )


@lru_cache(32)
def _loaded(text: str, seed: int, content: Content, code: bool) -> FilterStep:
    return step_of(text, seed, content, code=code)


def _made_again(spec: StepSpec) -> FilterStep:
    step = _loaded(spec.text, spec.seed, spec.content, spec.code)
    return step if spec.seen is None else step.ready(spec.seen)


class StepCounts(msgspec.Struct, frozen=True):
    """What one filter let through, of a corpus or of a bucket; `notes` are for its report."""

    chains_in: int = 0
    chains_kept: int = 0
    problems_in: int = 0
    problems_kept: int = 0
    notes: Any = None


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
    def counts(self) -> StepCounts:
        """What the filter let through so far."""
        notes = self.step.filter.notes
        return StepCounts(
            self._chains_in, self._chains_kept, self._problems_in, self._problems_kept, notes() if notes else None
        )

    @property
    def kept(self) -> Selection:
        """What the filter let through so far, for a card."""
        return selection_of(self.step, [self.counts])


def selection_of(step: FilterStep, counts: Sequence[StepCounts]) -> Selection:
    """Return what a filter let through in all buckets, for a card."""
    one = step.filter
    return Selection(
        filter=one.name,
        definition=one.definition,
        chains_in=sum(each.chains_in for each in counts),
        chains_kept=sum(each.chains_kept for each in counts),
        problems_in=sum(each.problems_in for each in counts),
        problems_kept=sum(each.problems_kept for each in counts),
        report=one.report([each.notes for each in counts if each.notes is not None]) if one.report else "",
        seed=step.seed,
    )
