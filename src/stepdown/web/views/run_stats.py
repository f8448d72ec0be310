"""Figures of runs, cached while the runs stay as they are: counts, spending and comparisons."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from stepdown.models import Prices
from stepdown.reports import Report, next_dollars, report
from stepdown.stats import wilson
from stepdown.store import Run, RunVersion, Store, letters_kept, payments, run_labels, run_version
from stepdown.text import method_of, plans_of, short
from stepdown.types import Settings

T = TypeVar("T")
KEPT = 32


class RunSpending(msgspec.Struct, frozen=True):
    """Tokens and US dollars a run paid for up to its call `last`; None where any of it is unknown.

    `aborted`: calls that were cancelled or broke mid-stream; their usage is an upper bound.
    """

    last: int = 0
    tokens: int | None = 0
    money: float | None = 0.0
    aborted: int = 0


class RunSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A run in the list: its settings, its figures and its spending; counts are of traces, shares of 1."""

    run: str
    created: float
    settings: Settings
    grader: str
    right: int
    graded: int
    done: int
    total: int
    spent: RunSpending

    @property
    def accuracy(self) -> float | None:
        """The share of the graded traces that is right."""
        return self.right / self.graded if self.graded else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Its 95 % Wilson interval; None for several samples of a problem, which are not independent."""
        return wilson(self.right, self.graded) if self.graded and self.settings.samples == 1 else None

    @property
    def method(self) -> str:
        """The method, with the number of samples where there are several."""
        return method_of(self.settings)

    @property
    def student(self) -> str:
        """The student's short name."""
        return short(self.settings.student, 32)

    @property
    def plans(self) -> str:
        """Whose plans it used, and what was done to them."""
        return plans_of(self.settings)


class RunStatsCache:
    """Thread-safe cache of run summaries and reports, keyed by the version of each run."""

    def __init__(self, prices: Prices) -> None:
        self.prices = prices
        self._spent: dict[tuple[str, str], RunSpending] = {}
        self._kept: OrderedDict[object, object] = OrderedDict()
        self._lock = threading.Lock()

    def summarize(self, run: Run) -> RunSummary:
        """Return the figures of a run as it is now."""
        now = run_version(run)
        return RunSummary(
            run=run.id,
            created=run.created,
            settings=run.settings,
            grader=now.grader,
            right=now.right,
            graded=now.graded,
            done=now.traces,
            total=max(run.settings.count * run.settings.samples, now.traces),
            spent=self._spending(run, now),
        )

    def _spending(self, run: Run, now: RunVersion) -> RunSpending:
        """Add to what is known only the calls paid for since."""
        cache_key = (str(run.store.path), run.id)
        known = self._spent.get(cache_key, RunSpending())
        if known.last < now.call:
            tokens, money, aborted = known.tokens, known.money, known.aborted
            for one in payments(run, after=known.last, until=now.call):
                cost = self.prices.cost(one.model, one.usage)
                money = None if money is None or cost is None else money + one.calls * cost
                used = None if one.usage is None else one.calls * (one.usage.input + one.usage.output)
                tokens = None if tokens is None or used is None else tokens + used
                aborted += one.calls * one.left
            known = self._spent[cache_key] = RunSpending(now.call, tokens, money, aborted)
        return known

    def report(
        self, store: Store, names: Sequence[str], baseline: str = "", *, followed: int | str = 0, precision: float = 0.0
    ) -> Report:
        """Return the report of runs by id, made anew where one of them has changed.

        `followed`: how many traces of each run are lined up with their plans, or the judge who says how these were
        followed, `precision` (a share of 1): what it takes for differences to be so precise.
        Raises `UnknownName`, and `UsageError` without a run.
        """
        runs = [store.run(name) for name in names]
        base = store.run(baseline) if baseline else None
        marks = tuple((run.id, run_version(run), run_labels(run)) for run in [*runs, *([base] if base else [])])

        def make() -> Report:
            made = report(*runs, baseline=base, prices=self.prices, every=True, followed=followed)
            if not precision:
                return made
            table = list({run.id: run for run in ([base] if base else []) + runs}.values())
            return msgspec.structs.replace(made, next_dollars=next_dollars(table, made.rows, precision))

        kept = letters_kept(store) if isinstance(followed, str) else 0.0
        return self.remember(("report", marks, baseline, followed, kept, precision), make)

    def remember(self, key: object, make: Callable[[], T]) -> T:
        """Return what `make` made under this key, of the last few that were asked for."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]  # type: ignore[return-value]
        made = make()
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return made
