"""What a sample vouches for with a level of certainty that was asked for, however the chances lie: exact, one-sided."""

import math
from collections.abc import Sequence
from functools import lru_cache

from stepdown.stats.distributions import binomial

_HALVINGS = 50
_MOST = 1_000_000  # observations beyond which nobody would wait
# Bets, as shares of the largest that cannot lose everything: small ones suit noisy values, large ones steady values.
_BETS = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)


def binomial_below(count: int, total: int, share: float) -> float:
    """Return the chance of at most `count` of `total`, each with the chance `share`."""
    if count >= total:
        return 1.0
    return min(1.0, math.fsum(binomial(k, total, share) for k in range(count + 1)))


@lru_cache(maxsize=4096)
def upper_bound(count: int, total: int, sure: float = 0.95) -> float:
    """Return the share that is not exceeded with the certainty `sure`, given `count` of `total`; of nothing it is 1.

    The one-sided exact bound of Clopper & Pearson (1934), Biometrika 26: 404-413.
    """
    if count >= total:
        return 1.0
    low, high = count / total, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if binomial_below(count, total, middle) > 1 - sure else (low, middle)
    return high


def observations_needed(rate: float, limit: float, sure: float = 0.95, *, beyond: int = 0) -> int | None:
    """Return how many observations, beyond so many, vouch for a share of at most `limit` if `rate` is found in them.

    None where no number does. `rate` of them is rounded up: one that was found in few is no promise.
    """
    if not rate < limit < 1:
        return None

    def are_enough(total: int) -> bool:
        return binomial_below(math.ceil(rate * total - 1e-9), total, limit) <= 1 - sure

    few, enough = beyond, beyond + 1
    while not are_enough(enough):
        few, enough = enough, 2 * enough
        if enough > _MOST:
            return None
    while enough - few > 1:
        middle = (few + enough) // 2
        few, enough = (few, middle) if are_enough(middle) else (middle, enough)
    return enough


def mean_not_below(values: Sequence[float], limit: float, most: float) -> float:
    """Return p that values between 0 and `most` have a mean of `limit` or more, though these are so small.

    Bets on the mean being smaller win nothing on average if it is not: Waudby-Smith & Ramdas (2024), JRSS B 86: 1-27.
    Several bets share the stake equally, and p is one over what they made of it (Ville 1939). Independent of the order.
    """
    if not 0 < limit < most:
        return 0.0 if limit >= most else 1.0
    largest = 1 / (most - limit)
    logs = [math.fsum(_log1p(share * largest * (limit - value)) for value in values) for share in _BETS]
    top = max(logs)
    if top == -math.inf:
        return 1.0
    return min(1.0, math.exp(-top) * len(logs) / math.fsum(math.exp(one - top) for one in logs))


def fixed_sequence(ps: Sequence[float], sure: float = 0.95) -> int:
    """Return how many hypotheses, tested in the order given until the first is kept, are rejected.

    With the certainty `sure` none of them is true, whatever their number: Maurer, Hothorn & Lehmacher (1995); for
    thresholds that keep to a risk, Angelopoulos et al. (2025), Ann. Appl. Stat. 19: 1641-1662 (Learn then Test).
    """
    return next((place for place, p in enumerate(ps) if p > 1 - sure + 1e-12), len(ps))


def _log1p(gain: float) -> float:
    return math.log1p(gain) if gain > -1 else -math.inf
