"""The distributions that the other files stand on: normal, Student's t, binomial."""

import math
from functools import lru_cache
from statistics import NormalDist

_STEPS = 80  # of Simpson's rule: seven digits of Student's t
_NEARLY_NORMAL = 10_000  # degrees of freedom beyond which t differs from the normal by less than 1e-4


def quantile(level: float) -> float:
    """Return the standard normal quantile of a level in (0, 1)."""
    return NormalDist().inv_cdf(level)


def beyond(t: float, freedom: float) -> float:
    """Return the chance that Student's t with so many degrees of freedom is as far from 0 as `t`, on either side."""
    if freedom > _NEARLY_NORMAL:
        return 2 * NormalDist().cdf(-abs(t))
    # With t = sqrt(freedom) tan(angle) the density is cos(angle) ** (freedom - 1), up to a constant.
    end = math.atan(abs(t) / math.sqrt(freedom))
    step = end / _STEPS
    heights: list[float] = [math.cos(index * step) ** (freedom - 1) for index in range(_STEPS + 1)]
    area: float = step / 3 * (heights[0] + heights[-1] + 4 * sum(heights[1::2]) + 2 * sum(heights[2:-1:2]))
    whole = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(math.pi)
    return min(1.0, max(0.0, 1 - 2 * whole * area))


@lru_cache(maxsize=1024)
def student_quantile(confidence: float, freedom: float) -> float:
    """Return how far from 0 Student's t lies at most with this confidence, on both sides together."""
    low, high = 0.0, 1e6
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if beyond(middle, freedom) > 1 - confidence else (low, middle)
    return high


def binomial(right: int, total: int, share: float) -> float:
    """Return the chance of exactly `right` of `total`; 0 outside of them."""
    if not 0 <= right <= total:
        return 0.0
    if share in (0.0, 1.0):
        return float(right == total * share)
    ways = math.lgamma(total + 1) - math.lgamma(right + 1) - math.lgamma(total - right + 1)
    return math.exp(ways + right * math.log(share) + (total - right) * math.log1p(-share))
