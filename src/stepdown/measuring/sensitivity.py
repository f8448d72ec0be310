"""How much a run's accuracy hangs on how its solutions are read: the same solutions under each grader."""

import asyncio
from collections import Counter
from collections.abc import Sequence

import msgspec

from stepdown.graders import load_grader, majority_grade
from stepdown.runner import grade_trace, plain
from stepdown.stats import wilson
from stepdown.store import Run
from stepdown.types import Grader, Verdict

GRADERS = ("default", "strict", "lenient", "last-number", "box-first")


class GraderReading(msgspec.Struct, frozen=True):
    """A run's accuracy (right / graded, by vote where there are several samples) under one grader, as a share of 1."""

    grader: str
    right: int
    graded: int
    total: int
    accuracy: float | None
    low: float
    high: float


class Sensitivity(msgspec.Struct, frozen=True):
    """One run under each grader."""

    run: str
    readings: tuple[GraderReading, ...]


def sensitivity(run: Run, graders: Sequence[str] = GRADERS) -> Sensitivity:
    """Grade a run's stored solutions by each grader in memory; no model is asked and nothing is stored.

    `last-number` grades numbers and expressions only. The accuracy of a grader that grades nothing is None.
    """
    return Sensitivity(run.id, plain(_readings(run, [load_grader(name) for name in graders])))


async def _readings(run: Run, graders: Sequence[Grader]) -> tuple[GraderReading, ...]:
    counts = {grader.name: Counter[Verdict]() for grader in graders}
    for attempts in run.by_problem():
        for grader in graders:
            grades = await asyncio.gather(*(grade_trace(grader, trace) for trace, _ in attempts))
            graded = [(trace, grade) for (trace, _), grade in zip(attempts, grades, strict=True)]
            counts[grader.name][majority_grade(graded).verdict] += 1
    return tuple(_reading(name, verdicts) for name, verdicts in counts.items())


def _reading(name: str, verdicts: Counter[Verdict]) -> GraderReading:
    right, graded = verdicts["right"], verdicts["right"] + verdicts["wrong"]
    low, high = wilson(right, graded)
    accuracy = right / graded if graded else None
    return GraderReading(name, right, graded, verdicts.total(), accuracy, low, high)
