"""What a paired test can find: the power of the exact McNemar test, and the differences and sizes that go with it."""

import math
from statistics import NormalDist

from stepdown.stats.distributions import binomial, quantile

_MANY = 1000  # discordant pairs expected from which on the normal approximation is right to 0.01
_HALVINGS = 24


def mcnemar_power(total: int, discordance: float, difference: float, alpha: float = 0.05) -> float:
    """Return the chance that the exact McNemar test finds a paired difference (a share of 1) significant at `alpha`.

    `discordance` is the share of pairs of which one is right and one wrong; their number varies from study to study,
    and the chance is over that too: Duffy (1984), Biometrics 40: 1005-1015. Above 1000 discordant pairs expected it
    is the normal approximation of Connor (1987), Biometrics 43: 207-211. A difference is at most the discordance.
    """
    if not 0 < discordance <= 1 or abs(difference) > discordance or not total:
        return 0.0
    if total * discordance > _MANY:
        return _nearly(total, discordance, abs(difference), alpha)
    share = (1 + difference / discordance) / 2
    most = min(total, math.ceil(total * discordance + 12 * math.sqrt(total * discordance) + 40))
    tails = _Tails(share, alpha)
    power = 0.0
    for pairs in range(1, most + 1):
        tails.add_pair()
        power += binomial(pairs, total, discordance) * tails.rejected
    return min(1.0, power)


def minimum_detectable_difference(
    total: int, discordance: float, alpha: float = 0.05, power: float = 0.8
) -> float | None:
    """Return the smallest paired difference (a share of 1) that `total` pairs find with this power, None if none.

    `discordance` is the share of pairs of which one is right and one wrong: no difference can be larger. By
    `mcnemar_power`, so that it is None where even the largest is found less often, as where there are so few pairs
    that no outcome is significant.
    """
    if mcnemar_power(total, discordance, discordance, alpha) < power:
        return None
    low, high = 0.0, discordance
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if mcnemar_power(total, discordance, middle, alpha) >= power else (middle, high)
    return high


def sample_size(difference: float, discordance: float, alpha: float = 0.05, power: float = 0.8) -> int:
    """Return how many pairs find this paired difference (a share of 1) with this power, by `mcnemar_power`.

    Raises `ValueError` for a difference that is 0 or above the discordance.
    """
    if not 0 < abs(difference) <= discordance <= 1:
        raise ValueError(f"no number of pairs finds {difference:g} at a discordance of {discordance:g}")
    few, enough = 0, 8
    while mcnemar_power(enough, discordance, difference, alpha) < power:
        few, enough = enough, 2 * enough
    while enough - few > 1:
        middle = (few + enough) // 2
        is_enough = mcnemar_power(middle, discordance, difference, alpha) >= power
        few, enough = (few, middle) if is_enough else (middle, enough)
    return enough


class _Tails:
    """The chance to reject, as one discordant pair after another is added.

    `edge` is the largest count of the rarer side that is significant. With each pair it stays or grows by one, so that
    the sums below it are carried along instead of summed anew: by Pascal's rule.
    """

    def __init__(self, share: float, alpha: float) -> None:
        self.shares = (0.5, share, 1 - share)
        self.sums = [0.0, 0.0, 0.0]
        self.alpha, self.pairs, self.edge = alpha, 0, -1

    def add_pair(self) -> None:
        """Add a discordant pair."""
        for index, share in enumerate(self.shares):
            self.sums[index] -= share * binomial(self.edge, self.pairs, share)
        self.pairs += 1
        further = self.sums[0] + binomial(self.edge + 1, self.pairs, 0.5)
        # No count of both sides at once: of 2 pairs, 1 is on either.
        if 2 * further <= self.alpha + 1e-12 and 2 * (self.edge + 1) < self.pairs:
            self.edge += 1
            for index, share in enumerate(self.shares):
                self.sums[index] += binomial(self.edge, self.pairs, share)

    @property
    def rejected(self) -> float:
        """The chance that either side is so rare as to be significant."""
        return self.sums[1] + self.sums[2]


def _nearly(total: int, discordance: float, difference: float, alpha: float) -> float:
    spread = math.sqrt(max(1e-12, discordance - difference**2))
    bar = quantile(1 - alpha / 2) * math.sqrt(discordance)
    shift = difference * math.sqrt(total)
    return NormalDist().cdf((shift - bar) / spread) + NormalDist().cdf((-shift - bar) / spread)
