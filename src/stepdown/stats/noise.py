"""What makes a paired difference uncertain: which problems there are, and what was drawn for each."""

import math
from collections.abc import Sequence
from statistics import fmean, variance

import msgspec

from stepdown.stats.distributions import quantile


class PairedNoise(msgspec.Struct, frozen=True, kw_only=True):
    """The variance of a problem's mean difference, split by the law of total variance (Wang 2025, arXiv 2512.21326).

    `data` is that between problems, `prediction` that within them, by the draws that there are; both unbiased over
    `pairs` problems, `data` cut at 0. `prediction` is None where a single draw cannot tell.
    """

    difference: float
    total: float
    prediction: float | None
    pairs: int

    @property
    def data(self) -> float | None:
        """The part between problems, None where it cannot be told from the other."""
        return None if self.prediction is None else max(0.0, self.total - self.prediction)

    def half_width(self, sure: float = 0.95) -> float:
        """Return half the width of the normal interval of the difference, a share of 1."""
        return quantile(0.5 + sure / 2) * math.sqrt(self.total / self.pairs)

    def more_problems(self, precision: float, sure: float = 0.95) -> int:
        """Return how many more problems, with as many draws each, bring half the interval down to `precision`."""
        return max(0, math.ceil(self.total * (quantile(0.5 + sure / 2) / precision) ** 2 - 1e-9) - self.pairs)

    def times_the_draws(self, precision: float, sure: float = 0.95) -> float | None:
        """Return how many times the draws do it on the same problems; None where no number does or nobody knows."""
        if self.prediction is None or self.data is None:
            return None
        room = self.pairs * (precision / quantile(0.5 + sure / 2)) ** 2 - self.data
        return max(1.0, self.prediction / room) if room > 0 else None


def paired_noise(
    new: Sequence[Sequence[int]], old: Sequence[Sequence[int]], *, greedy: tuple[bool, bool] = (False, False)
) -> PairedNoise | None:
    """Return the noise of two results over the same problems, 0 or 1 for each draw; None of fewer than two problems.

    `greedy` says of each side that drawing again would bring the same.
    """
    if len(new) < 2:
        return None
    differences = [fmean(one) - fmean(other) for one, other in zip(new, old, strict=True)]
    parts = [0.0 if same else _within(side) for side, same in zip((new, old), greedy, strict=True)]
    known = [part for part in parts if part is not None]
    prediction = sum(known) if len(known) == 2 else None
    return PairedNoise(
        difference=fmean(differences), total=variance(differences), prediction=prediction, pairs=len(new)
    )


def _within(side: Sequence[Sequence[int]]) -> float | None:
    """The mean variance of a problem's mean over its draws, None unless each was drawn more than once."""
    known = [variance(draws) / len(draws) for draws in side if len(draws) > 1]
    return fmean(known) if len(known) == len(side) else None
