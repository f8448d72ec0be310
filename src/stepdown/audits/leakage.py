"""Does a plan give the answer away, and what does that do to accuracy?"""

from collections.abc import Iterable

import msgspec

from stepdown.answers import Leak, leak
from stepdown.types import Grade, Trace


class Share(msgspec.Struct, frozen=True):
    """Right of graded of total."""

    right: int = 0
    graded: int = 0
    total: int = 0

    def plus(self, grade: Grade) -> "Share":
        """Return the share with one grade more."""
        return Share(
            self.right + (grade.verdict == "right"), self.graded + (grade.verdict != "ungraded"), self.total + 1
        )

    def __str__(self) -> str:
        return f"{self.right} / {self.graded} / {self.total}"


class Leakage(msgspec.Struct, frozen=True):
    """Leaks over a run's plans, and its accuracy with all traces, without leaked ones, and on assessable clean ones."""

    plans: int = 0
    not_assessable: int = 0
    leaked: int = 0
    last_step: int = 0
    computed: int = 0
    everything: Share = Share()
    without_leaked: Share = Share()
    clean: Share = Share()


def leaked(trace: Trace) -> bool:
    """Whether a trace's plan holds the gold and the question does not."""
    return trace.plan is not None and leak(trace.problem, trace.plan).gold


def leakage(graded: Iterable[tuple[Trace, Grade]]) -> Leakage:
    """Return the leaks over graded traces; a plan that several samples share counts once."""
    counts = Leakage()
    for trace, grade in graded:
        if trace.plan is not None:
            counts = add_leak(counts, leak(trace.problem, trace.plan), grade, first=trace.sample == 0)
    return counts


def add_leak(counts: Leakage, one: Leak, grade: Grade, *, first: bool) -> Leakage:
    """Return the leakage with one trace more, and one plan more where this is its `first` trace."""
    return Leakage(
        plans=counts.plans + first,
        not_assessable=counts.not_assessable + (first and not one.assessable),
        leaked=counts.leaked + (first and one.gold),
        last_step=counts.last_step + (first and one.last_step),
        computed=counts.computed + (first and bool(one.computed)),
        everything=counts.everything.plus(grade),
        without_leaked=counts.without_leaked if one.gold else counts.without_leaked.plus(grade),
        clean=counts.clean.plus(grade) if one.assessable and not one.gold else counts.clean,
    )
