"""How wide an interval over seeds and problems would be with more of either."""

import math
from collections.abc import Sequence
from statistics import fmean, variance

from stepdown.stats.distributions import student_quantile

Table = Sequence[Sequence[float]]


def crossed_half_width(table: Table, *, seeds: int, problems: int, confidence: float = 0.95) -> float:
    """Return the half width to expect of the mean of a table of so many seeds (rows) and problems (columns).

    From the variances between seeds, between problems and of the rest that this table of two rows and columns or more
    has (moments of a crossed design without repeats: Searle, Casella & McCulloch 1992, chapter 4), put together as
    `crossed_interval` does: the rest counts twice, so that the width is never too small. It is itself an estimate, and
    a rough one from a handful of seeds.
    """
    by_seed, by_problem, rest = variances(table)
    parts = [(by_problem + rest / seeds) / problems, (by_seed + rest / problems) / seeds]
    total = sum(parts)
    if not total or min(seeds, problems) < 2:
        return 0.0 if not total else math.inf
    freedom = total**2 / sum(part**2 / (count - 1) for part, count in zip(parts, (problems, seeds), strict=True))
    return student_quantile(confidence, freedom) * math.sqrt(total)


def variances(table: Table) -> tuple[float, float, float]:
    """Return the variances between seeds, between problems and of the rest; none is below 0."""
    rows, columns = len(table), len(table[0])
    seeds, problems = [fmean(row) for row in table], [fmean(column) for column in zip(*table, strict=True)]
    mean = fmean(seeds)
    squares = math.fsum(
        (value - seed - problem + mean) ** 2
        for row, seed in zip(table, seeds, strict=True)
        for value, problem in zip(row, problems, strict=True)
    )
    rest = squares / ((rows - 1) * (columns - 1))
    return max(0.0, variance(seeds) - rest / columns), max(0.0, variance(problems) - rest / rows), rest
