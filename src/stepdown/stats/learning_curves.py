"""What students score that learn from more than was tried: learning curves through small trainings, extrapolated.

A curve starts at the base as it is and goes to a level that it need not reach: `start + (end - start) * f(n)` with
`f(n) = 1 - (1 + n / scale) ** -exponent`. That is the rectified power law of fine-tuning (Lin et al. 2024, ICML, arXiv
2402.02314, equation 5: a flat part before the power law, as long as `scale`); of accuracies in log-odds, of losses in
logarithms. Few points do not fix four numbers, so each has a prior, wide and said below, and all curves that fit are
kept, as Domhan et al. (2015, IJCAI) do: where a curve does not bend yet, the interval stays wide.
"""

import math
import random
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Literal

import msgspec

Link = Literal["accuracy", "loss"]
# Resamples of the problems; of each, steps that are let go and steps that are kept.
RESAMPLES, _BURN, _KEPT = 60, 20, 30
_PARAMETERS = 5


class CurveTrial(msgspec.Struct, frozen=True):
    """A student that learned from `size` chains, and its score on each problem: 1 or 0, or its loss in nats.

    Size 0 is the base as it is. All trials of a curve have scores on the same problems, in the same order.
    """

    size: int
    scores: tuple[float, ...]


class LearningCurve(msgspec.Struct, frozen=True):
    """One curve that fits the trials: `start` and `end` are log-odds of accuracies, or logarithms of losses.

    `spread` is how far students of one size differ: of accuracies the share of p (1 - p) that their variance is, of
    losses a standard deviation of logarithms.
    """

    link: Link
    start: float
    end: float
    scale: float
    exponent: float
    spread: float

    def at(self, size: float) -> float:
        """Return the mean accuracy, or the loss, of students of so many chains."""
        learned = 1 - (1 + size / self.scale) ** -self.exponent
        level = self.start + (self.end - self.start) * learned
        return math.exp(level) if self.link == "loss" else _share(level)

    def student(self, size: float, drawing: random.Random, *, problems: int = 0) -> float:
        """Return what one student of so many chains has, as seeds and subsamples have it.

        With `problems` it is what a test on so many would find.
        """
        mean = self.at(size)
        if self.link == "loss":
            return mean * math.exp(drawing.gauss(0.0, self.spread)) if size else mean
        if size:
            strength = 1 / self.spread - 1
            mean = drawing.betavariate(max(mean * strength, 1e-6), max((1 - mean) * strength, 1e-6))
        return fmean(drawing.random() < mean for _ in range(problems)) if problems else mean


def learning_curves(
    trials: Sequence[CurveTrial], *, link: Link = "accuracy", largest: int = 1, seed: int = 0
) -> list[LearningCurve]:
    """Return curves as likely as the trials make them: 1,800 draws of the posterior, bagged over problems.

    For each resample of the problems the posterior is drawn anew (bagged posteriors: Huggins & Miller 2019, arXiv
    1912.07104), so that problems that all students find hard do not count as independent; by elliptical slice sampling
    (Murray, Adams & MacKay 2010, AISTATS), which has nothing to tune. Students of one size are beta-binomial. Priors,
    one standard deviation: start -1.5 ± 2 log-odds; end half of that plus 0.5 ± 1.5; scale twice the largest size,
    times or by 4.5; exponent 0.7, times or by 1.65; spread 0.006, times or by 2.7 (between seeds of one training here
    it was 0.005). The largest size is that of the trials, or `largest`. Of losses: start 0.5 ± 1, end 0.4 ± 0.5 below,
    spread 0.02, times or by 2.7. Raises `ValueError` without a trial or without a problem.
    """
    if not trials or not trials[0].scores:
        raise ValueError("a learning curve needs trials with scores")
    drawing, largest = random.Random(seed), max(largest, *(one.size for one in trials))
    places, curves = range(len(trials[0].scores)), list[LearningCurve]()
    point = [0.0] * _PARAMETERS
    for _ in range(RESAMPLES):
        chosen = drawing.choices(places, k=len(places))
        sums = [(one.size, math.fsum(one.scores[at] for at in chosen)) for one in trials]

        def likelihood(at: Sequence[float], sums: Sequence[tuple[int, float]] = sums) -> float:
            return _likelihood(_curve(at, link, largest), sums, len(places))

        height = likelihood(point)
        for step in range(_BURN + _KEPT):
            point, height = _slice(point, height, likelihood, drawing)
            if step >= _BURN:
                curves.append(_curve(point, link, largest))
    return curves


def _curve(at: Sequence[float], link: Link, largest: int) -> LearningCurve:
    """Return the curve of a point of the prior, whose coordinates are standard normal."""
    if link == "accuracy":
        start = -1.5 + 2 * at[0]
        end, spread = 0.5 * start + 0.5 + 1.5 * at[1], 0.006 * math.exp(at[4])
    else:
        start = 0.5 + at[0]
        end, spread = start - 0.4 + 0.5 * at[1], 0.02 * math.exp(at[4])
    scale, exponent = 2 * largest * math.exp(1.5 * at[2]), 0.7 * math.exp(0.5 * at[3])
    return LearningCurve(link, start, end, scale, exponent, min(spread, 0.5))


def _likelihood(curve: LearningCurve, sums: Sequence[tuple[int, float]], problems: int) -> float:
    if curve.link == "accuracy":
        return math.fsum(_beta_binomial(curve, size, total, problems) for size, total in sums)
    return math.fsum(_log_normal(curve, size, total / problems) for size, total in sums)


def _beta_binomial(curve: LearningCurve, size: int, right: float, problems: int) -> float:
    mean = curve.at(size)
    if not size:
        return right * math.log(mean) + (problems - right) * math.log1p(-mean)
    strength = 1 / curve.spread - 1
    one, other = mean * strength, (1 - mean) * strength
    return (
        math.lgamma(one + right)
        - math.lgamma(one)
        + math.lgamma(other + problems - right)
        - math.lgamma(other)
        + math.lgamma(strength)
        - math.lgamma(strength + problems)
    )


def _log_normal(curve: LearningCurve, size: int, loss: float) -> float:
    # The base is no draw of a seed; a little room keeps the sampler moving.
    spread = curve.spread if size else 0.005
    return -math.log(spread) - (math.log(max(loss, 1e-9)) - math.log(curve.at(size))) ** 2 / (2 * spread * spread)


def _slice(
    point: Sequence[float], height: float, likelihood: Callable[[Sequence[float]], float], drawing: random.Random
) -> tuple[list[float], float]:
    """Return the next point of the chain and its log-likelihood (Murray, Adams & MacKay 2010, figure 2)."""
    other = [drawing.gauss(0.0, 1.0) for _ in point]
    least = height + math.log(1 - drawing.random())
    angle = drawing.uniform(0.0, 2 * math.pi)
    low, high = angle - 2 * math.pi, angle
    while True:
        found = [a * math.cos(angle) + b * math.sin(angle) for a, b in zip(point, other, strict=True)]
        reached = likelihood(found)
        if reached >= least:
            return found, reached
        low, high = (angle, high) if angle < 0 else (low, angle)
        angle = drawing.uniform(low, high)


def _share(odds: float) -> float:
    """Return the share of some log-odds, never quite 0 or 1."""
    return min(1 - 1e-9, max(1e-9, 1 / (1 + math.exp(-max(-40.0, min(40.0, odds))))))
