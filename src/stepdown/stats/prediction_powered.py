"""A mean of people's marks, from a few of them and many of a judge's: prediction-powered inference.

The judge's marks narrow the interval as far as they follow people's, and never bias it: what the judge gets wrong is
measured on the texts that both have marked, which must be drawn at random. Angelopoulos, Bates, Fannjiang, Jordan &
Zrnic (2023), Science 382: 669-674; with the weight of Angelopoulos, Duchi & Zrnic (2023), PPI++, arXiv 2311.01453.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Self

import msgspec

from stepdown.stats.distributions import student_quantile
from stepdown.stats.shares import Interval


class MarkSums(msgspec.Struct, frozen=True):
    """Sums over `count` texts: of the `marks` of people and of a judge (`judged`), their squares and products."""

    count: float = 0.0
    marks: float = 0.0
    judged: float = 0.0
    marks_squared: float = 0.0
    judged_squared: float = 0.0
    product: float = 0.0

    @classmethod
    def of(cls, pairs: Iterable[tuple[float, float]]) -> Self:
        """Return the sums over texts, each with the mark of people and of a judge."""
        rows = list(pairs)
        sums = (math.fsum(one) for one in zip(*((y, f, y * y, f * f, y * f) for y, f in rows), strict=True))
        return cls(len(rows), *sums)

    def spread(self, weight: float) -> float:
        """Return the variance of `mark - weight * judged` over the texts."""
        total = self.marks_squared - 2 * weight * self.product + weight * weight * self.judged_squared
        rest = self.marks - weight * self.judged
        return max(0.0, total - rest * rest / self.count) / (self.count - 1)

    @property
    def judged_spread(self) -> float:
        """The variance of the judge's marks."""
        return max(0.0, self.judged_squared - self.judged * self.judged / self.count) / (self.count - 1)

    def rest(self, weight: float) -> float:
        """Return the mean of `mark - weight * judged`."""
        return (self.marks - weight * self.judged) / self.count

    def widened(self, step: float) -> Self:
        """Return the sums with four texts more, on which people and judge go each of the four ways.

        So that marks that all agree do not give an interval of no width. Of yes and no (`step` 1) these are one text
        for each cell of the table of people and judge, and the interval of people alone is that of Agresti & Coull
        (1998), The American Statistician 52: 119-126; of a scale, half a step to either side of the means.
        """
        own = (self.marks / self.count, self.judged / self.count)
        mark, judged = (0.5, 0.5) if step == 1 else own
        spread = step * step
        return type(self)(
            self.count + 4,
            self.marks + 4 * mark,
            self.judged + 4 * judged,
            self.marks_squared + 4 * mark * mark + spread,
            self.judged_squared + 4 * judged * judged + spread,
            self.product + 4 * mark * judged,
        )


class PoweredMean(msgspec.Struct, frozen=True):
    """The mean mark of people over all texts, between 0 and 1, with its interval.

    `weight` is how far the judge is followed, from 0 to 1; `alone` is the mean of people's marks without the judge,
    with its interval.
    """

    mean: float
    low: float
    high: float
    weight: float
    alone: float
    alone_low: float
    alone_high: float


def powered_mean(
    marked: MarkSums, others: Sequence[float], *, step: float = 1.0, confidence: float = 0.95
) -> PoweredMean | None:
    """Return the mean mark of people over all texts; None where they marked none.

    `marked` are the texts that people and judge marked, drawn at random, and `others` the judge's marks of the rest,
    all from 0 to 1, `step` between two next to each other. The interval is Student's, with a degree of freedom less
    than there are marked texts.
    """
    total = math.fsum(others)
    return powered_of(marked, (len(others), total, math.fsum(one * one for one in others)), step, confidence)


def powered_of(
    marked: MarkSums, others: tuple[float, float, float], step: float = 1.0, confidence: float = 0.95
) -> PoweredMean | None:
    """Return what `powered_mean` does, given the number, the sum and the sum of squares of the judge's other marks."""
    if not marked.count:
        return None
    wide = marked.widened(step)
    mean, variance = _moments(others)
    weight = _weight(wide, others[0], variance)
    z = student_quantile(confidence, max(1.0, marked.count - 1))
    alone = _interval(marked.rest(0), wide.rest(0), z * math.sqrt(wide.spread(0) / wide.count))
    error = wide.spread(weight) / wide.count + (weight * weight * variance / others[0] if others[0] else 0.0)
    shift = weight * mean
    found = _interval(marked.rest(weight) + shift, wide.rest(weight) + shift, z * math.sqrt(error))
    return PoweredMean(_within(marked.rest(weight) + shift), *found, weight, marked.rest(0), *alone)


def _moments(others: tuple[float, float, float]) -> tuple[float, float]:
    count, total, squares = others
    if not count:
        return 0.0, 0.0
    return total / count, max(0.0, squares - total * total / count) / max(1.0, count - 1)


def _weight(wide: MarkSums, others: float, variance: float) -> float:
    """Return the weight of the judge that makes the interval narrowest: PPI++, section 6."""
    if not others or not variance:
        return 0.0
    together = (wide.product - wide.marks * wide.judged / wide.count) / (wide.count - 1)
    return _within(together / ((1 + wide.count / others) * max(variance, wide.judged_spread)))


def _interval(mean: float, middle: float, half: float) -> Interval:
    """Return an interval within 0 and 1 that has the mean in it."""
    return _within(min(mean, middle - half)), _within(max(mean, middle + half))


def _within(value: float) -> float:
    return min(1.0, max(0.0, value))
