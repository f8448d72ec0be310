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

    def plus(self, grade: Grade, number: int = 1) -> "Share":
        """Return the share with a number of like grades more."""
        right, graded = grade.verdict == "right", grade.verdict != "ungraded"
        return Share(self.right + number * right, self.graded + number * graded, self.total + number)

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
    """Whether what a teacher handed to the student, a plan or else, holds the gold and the question does not."""
    return trace.handed is not None and leak(trace.problem, trace.handed).gold


def leakage(graded: Iterable[tuple[Trace, Grade]]) -> Leakage:
    """Return the leaks over graded traces; a plan that several samples share counts once."""
    counts = Leakage()
    for trace, grade in graded:
        if trace.handed is not None:
            counts = add_leak(counts, leak(trace.problem, trace.handed), grade, first=trace.sample == 0)
    return counts


def add_leak(found: Leakage, one: Leak, grade: Grade, *, first: bool, number: int = 1) -> Leakage:
    """Return the leakage with a number of like traces more, and as many plans where these are their `first` traces."""
    plans = number if first else 0
    return Leakage(
        plans=found.plans + plans,
        not_assessable=found.not_assessable + (0 if one.assessable else plans),
        leaked=found.leaked + (plans if one.gold else 0),
        last_step=found.last_step + (plans if one.last_step else 0),
        computed=found.computed + (plans if one.computed else 0),
        everything=found.everything.plus(grade, number),
        without_leaked=found.without_leaked if one.gold else found.without_leaked.plus(grade, number),
        clean=found.clean.plus(grade, number) if one.assessable and not one.gold else found.clean,
    )
