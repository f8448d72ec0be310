"""What makes a paired difference uncertain: which problems there are, and what was drawn for each."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from statistics import fmean, variance

import msgspec

from stepdown.stats.distributions import quantile

Draws = Sequence[int]
_LEAST_KNOWN = 0.5  # of a side's problems must be drawn more than once, or nothing is said of the others


class SideNoise(msgspec.Struct, frozen=True):
    """How the draws of one result vary within a problem: the variance of one draw, and that of a problem's mean.

    Both are means over the problems, which may have unequal numbers of draws. Of a greedy result both are 0. Where the
    draws follow several plans, `one_draw` is by one plan, and `plans` the part of `mean` that these plans make, however
    often each is followed.
    """

    one_draw: float
    mean: float
    plans: float = 0.0

    def with_more(self, draws: float) -> float:
        """Return the variance of a problem's mean with so many more draws each, by the same plans."""
        own = self.mean - self.plans
        return self.plans + (self.one_draw / (self.one_draw / own + draws) if own > 0 else 0.0)


class PairedNoise(msgspec.Struct, frozen=True, kw_only=True):
    """The variance of a problem's mean difference, split by the law of total variance (Wang 2025, arXiv 2512.21326).

    `data` is that between problems, `prediction` that within them, by the draws that there are; both unbiased over
    `pairs` problems, `data` cut at 0. `sides` are the new and the old result; both are None where too few problems have
    several draws to tell. Where all problems have the same difference, `total` is 0 and says nothing of others: then
    widths are those of Tango's score interval without a discordant pair.
    """

    difference: float
    total: float
    sides: tuple[SideNoise, SideNoise] | None
    pairs: int

    @property
    def prediction(self) -> float | None:
        """The part between draws, None where it cannot be told from the other."""
        return None if self.sides is None else sum(side.mean for side in self.sides)

    @property
    def data(self) -> float | None:
        """The part between problems, None where it cannot be told from the other."""
        return None if self.prediction is None else max(0.0, self.total - self.prediction)

    @property
    def is_alike(self) -> bool:
        """Whether all problems have the same difference."""
        return self.total < 1e-12

    def half_width(self, sure: float = 0.95) -> float:
        """Return half the width of the normal interval of the difference, a share of 1."""
        z = quantile(0.5 + sure / 2)
        return z * z / (self.pairs + z * z) if self.is_alike else z * math.sqrt(self.total / self.pairs)

    def more_problems(self, precision: float, sure: float = 0.95) -> int:
        """Return how many more problems, with as many draws each, bring half the interval down to `precision`."""
        z = quantile(0.5 + sure / 2)
        wanted = z * z * (1 / precision - 1) if self.is_alike else self.total * (z / precision) ** 2
        return max(0, math.ceil(wanted - 1e-9) - self.pairs)

    def more_draws(self, precision: float, most: int, sure: float = 0.95, *, step: int = 1) -> int | None:
        """Return how many more draws each, a multiple of `step`, do it on the same problems.

        None where `most` do not, or nobody knows.
        """
        if self.sides is None or self.data is None or self.is_alike:
            return None
        room = self.pairs * (precision / quantile(0.5 + sure / 2)) ** 2 - self.data + 1e-12
        one, other = self.sides
        tried = range(0, most + 1, step)
        found = bisect_left(tried, True, key=lambda more: one.with_more(more) + other.with_more(more) <= room)
        return tried[found] if found < len(tried) else None


def paired_noise(
    new: Sequence[Draws],
    old: Sequence[Draws],
    *,
    greedy: tuple[bool, bool] = (False, False),
    by_plan: tuple[Sequence[Sequence[Draws]] | None, Sequence[Sequence[Draws]] | None] = (None, None),
) -> PairedNoise | None:
    """Return the noise of two results over the same problems, 0 or 1 for each draw; None of fewer than two problems.

    `greedy` says of each side that drawing again, by the same plan, would bring the same. `by_plan` has the draws of
    each problem by each of its plans, of a side with several.
    """
    if len(new) < 2:
        return None
    differences = [fmean(one) - fmean(other) for one, other in zip(new, old, strict=True)]
    one, other = (
        _by_plans(plans, greedy=same) if plans is not None else SideNoise(0.0, 0.0) if same else _within(side)
        for side, same, plans in zip((new, old), greedy, by_plan, strict=True)
    )
    sides = (one, other) if one is not None and other is not None else None
    return PairedNoise(difference=fmean(differences), total=variance(differences), sides=sides, pairs=len(new))


def _within(side: Sequence[Draws]) -> SideNoise | None:
    """Return how draws vary, None unless at least half of the problems were drawn more than once.

    A problem with a single draw, as where others failed, counts with the mean variance of those with several.
    """
    known = [variance(draws) if len(draws) > 1 else None for draws in side]
    several = [one for one in known if one is not None]
    if len(several) < max(1, _LEAST_KNOWN * len(side)):
        return None
    one_draw = fmean(several)
    return SideNoise(one_draw, fmean((one_draw if one is None else one) / len(draws)
                                     for one, draws in zip(known, side, strict=True)))  # fmt: skip


def _by_plans(side: Sequence[Sequence[Draws]], *, greedy: bool) -> SideNoise | None:
    """Return how draws by several plans vary: means of plans as if drawn, and solutions by one plan within them.

    None unless at least half of the problems have two plans, and as many a plan with two solutions, if not `greedy`.
    """
    least = max(1, _LEAST_KNOWN * len(side))
    means = [variance(map(fmean, plans)) / len(plans) for plans in side if len(plans) > 1]
    within = [fmean(some) for plans in side if (some := [variance(draws) for draws in plans if len(draws) > 1])]
    if len(means) < least or (len(within) < least and not greedy):
        return None
    one_draw = 0.0 if greedy else fmean(within)
    own = one_draw * fmean(1 / sum(map(len, plans)) for plans in side)
    mean = max(fmean(means), own)
    return SideNoise(one_draw, mean, mean - own)
