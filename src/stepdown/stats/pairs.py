"""Two results on the same problems: how far apart they are, how sure that is, and whether chance explains it.

`better` and `worse` count the discordant pairs: the problems that only the new result or only the old one has right.
"""

import math
from collections.abc import Callable, Sequence
from itertools import accumulate
from statistics import fmean, variance

import msgspec

from stepdown.stats.distributions import beyond, binomial, quantile, student_quantile
from stepdown.stats.shares import Interval, crossed_variance, effective_size, wilson

Share = tuple[int, int]
_HALVINGS = 60
_FEW = 1  # right answers that are too few to say that a rate is not as near 0 as one pleases


class Difference(msgspec.Struct, frozen=True):
    """The mean difference of two tables (new - old, a share of 1), its interval, and p."""

    value: float
    low: float
    high: float
    p: float


def mcnemar_exact(better: int, worse: int) -> float:
    """Return the exact two-sided p that `better` and `worse` discordant pairs differ by chance; 1 without any.

    McNemar (1947), Psychometrika 12: 153-157, as a binomial test with share 1/2.
    """
    total, fewer = better + worse, min(better, worse)
    return min(1.0, 2 * math.fsum(binomial(k, total, 0.5) for k in range(fewer + 1)))


def paired_interval(better: int, worse: int, total: int, confidence: float = 0.95) -> Interval:
    """Return the score interval of the paired difference (better - worse) / total, a share of 1.

    Tango (1998), Statistics in Medicine 17: 891-908. Its coverage is at least 93 % for 8 to 200 pairs at a discordance
    of .05 to .4 (enumerated in the tests), where Newcombe's method 10 falls to 91 %.
    """
    if not total:
        return -1.0, 1.0
    return _score_difference(better, worse, total, quantile(0.5 + confidence / 2))


def independent_interval(new: Share, old: Share, confidence: float = 0.95) -> Interval:
    """Return the interval of the difference of two shares of independent draws, each (right, total).

    Newcombe (1998), Statistics in Medicine 17: 873-890, method 10: the sides of Wilson's intervals put together.
    """
    (one, total), (other, whole) = new, old
    if not total or not whole:
        return -1.0, 1.0
    share, before = one / total, other / whole
    (low, high), (low_before, high_before) = wilson(one, total, confidence), wilson(other, whole, confidence)
    below = math.hypot(share - low, high_before - before)
    above = math.hypot(high - share, before - low_before)
    return max(-1.0, share - before - below), min(1.0, share - before + above)


def mean_interval(values: Sequence[float], confidence: float = 0.95, *, bounds: Interval | None = None) -> Interval:
    """Return Student's interval of the mean of values that are one a problem; of fewer than two it has no end.

    With `bounds`, which no value can leave, it is within these, and has a width also where all values are equal: as if
    so many problems had the bound as could be missed by chance.
    """
    low, high = bounds or (-math.inf, math.inf)
    if len(values) < 2:
        return low, high
    mean, spread = fmean(values), variance(values)
    if bounds and spread < 1e-15:
        missed = 1 - ((1 - confidence) / 2) ** (1 / len(values))
        return mean - missed * (mean - low), mean + missed * (high - mean)
    half = student_quantile(confidence, len(values) - 1) * math.sqrt(spread / len(values))
    return max(low, mean - half), min(high, mean + half)


def ratio_of_means_interval(above: Sequence[float], below: Sequence[float], confidence: float = 0.95) -> Interval:
    """Return the interval of the mean of positive values over that of others, a pair of them for each problem.

    Student's, of the logarithm, whose variance is linearized (Cochran 1977, Sampling Techniques, section 6.4); of fewer
    than two problems it is from 0 without an end.
    """
    count = len(above)
    if count < 2:
        return 0.0, math.inf
    mean = max(fmean(below), 1e-12)
    ratio = fmean(above) / mean
    squares = math.fsum(((one - ratio * other) / mean) ** 2 for one, other in zip(above, below, strict=True))
    half = student_quantile(confidence, count - 1) * math.sqrt(squares / (count * (count - 1))) / ratio
    return ratio * math.exp(-half), ratio * math.exp(min(half, 700.0))


def relative_gain(new: float, old: float) -> float | None:
    """Return (new - old) / old, as the Trace-of-Thought paper states its gains (section 4); None where old is 0."""
    return (new - old) / old if old else None


def gain_interval(both: int, better: int, worse: int, total: int, confidence: float = 0.95) -> Interval:
    """Return the score interval of the relative gain over pairs; `both` counts the pairs that both have right.

    Of the ratio of paired proportions, less 1: Nam & Blackwelder (2002), Statistics in Medicine 21: 689-699. It holds
    0 if and only if `paired_interval` does. With at most one right answer of the old its rate may be as near 0 as one
    pleases, so that the upper end is infinite; with at most one of the new the lower end is -1.
    """
    z, new, old = quantile(0.5 + confidence / 2), both + better, both + worse
    low, high = -1.0, math.inf
    if not new + old or not total:
        return low, high
    centre = math.log(new / old) if new and old else 0.0

    def score(log: float) -> float:
        return _ratio_score(both, better, worse, total, math.exp(log))

    if new > _FEW:
        low = math.expm1(_crossing(lambda log: score(log) - z, -30.0, centre if old else 30.0))
    if old > _FEW:
        high = math.expm1(_crossing(lambda log: score(log) + z, centre if new else -30.0, 30.0))
    return low, high


def crossed_difference(
    new: Sequence[Sequence[int]], old: Sequence[Sequence[int]], confidence: float = 0.95
) -> Difference:
    """Return how far two tables of 0 and 1 are apart, one row per seed, one column per problem, both in one order.

    With one seed: Tango's interval and the exact McNemar test, over problems. With several it is over seeds and
    problems alike: the same score with the effective number of pairs, as `crossed_interval` has it, and Student's t.
    """
    table = [[one - other for one, other in zip(*rows, strict=True)] for rows in zip(new, old, strict=True)]
    if not table or not table[0]:
        return Difference(0.0, -1.0, 1.0, 1.0)
    seeds, pairs = len(table), len(table[0])
    counts = [sum(row.count(step) for row in table) for step in (1, -1)]
    if seeds == 1:
        better, worse = counts
        return Difference(
            (better - worse) / pairs,
            *paired_interval(better, worse, pairs, confidence),
            mcnemar_exact(better, worse),
        )
    value, discordance = fmean(map(fmean, table)), sum(counts) / seeds / pairs
    between, freedom = crossed_variance(table)
    size = effective_size(discordance - value**2, between, clusters=pairs, each=seeds)
    better_share, worse_share = (count * size / seeds / pairs for count in counts)
    low, high = _score_difference(better_share, worse_share, size, student_quantile(confidence, freedom))
    apart = abs(value) * math.sqrt(size / discordance) if discordance else 0.0
    return Difference(value, low, high, beyond(apart, freedom))


def holm(ps: Sequence[float]) -> list[float]:
    """Return the p-values adjusted for their number, in the given order: Holm (1979), Scand. J. Stat. 6: 65-70."""
    order = sorted(range(len(ps)), key=ps.__getitem__)
    scaled = (min(1.0, ps[index] * (len(ps) - rank)) for rank, index in enumerate(order))
    adjusted = dict(zip(order, accumulate(scaled, max), strict=True))
    return [adjusted[index] for index in range(len(ps))]


def _score_difference(better: float, worse: float, total: float, z: float) -> Interval:
    value = (better - worse) / total

    def score(difference: float) -> float:
        return _difference_score(better, worse, total, difference)

    low = _crossing(lambda difference: score(difference) - z, -1.0, value) if value > -1 else -1.0
    high = _crossing(lambda difference: score(difference) + z, value, 1.0) if value < 1 else 1.0
    return low, high


def _difference_score(better: float, worse: float, total: float, difference: float) -> float:
    """Tango's statistic: how many standard errors the difference found is above the one supposed."""
    square = 2 * total
    linear = (2 * total - better + worse) * difference - better - worse
    constant = -worse * difference * (1 - difference)
    root = math.sqrt(max(0.0, linear**2 - 4 * square * constant))
    fewer = (root - linear) / (2 * square)  # the likeliest share of `worse` if the difference is the one supposed
    return _standardised(better - worse - total * difference, total * (2 * fewer + difference * (1 - difference)))


def _ratio_score(both: int, better: int, worse: int, total: int, ratio: float) -> float:
    """Nam & Blackwelder's statistic: how many standard errors the new share is above `ratio` times the old one."""
    right = both + better + worse
    share = right / total
    square = ratio * (1 + ratio) * right
    linear = share * (both + better - ratio**2 * (both + worse + 2 * better))
    constant = better * ratio * (ratio - 1) * share**2
    root = math.sqrt(max(0.0, linear**2 - 4 * square * constant))
    more = (root - linear) / (2 * square)  # the likeliest share of `better` if the ratio is the one supposed
    fewer = ratio * more - (ratio - 1) * share
    return _standardised(both + better - ratio * (both + worse), total * ratio * (more + fewer))


def _standardised(excess: float, variance: float) -> float:
    return excess / math.sqrt(variance) if variance > 1e-12 else math.copysign(math.inf, excess) if excess else 0.0


def _crossing(falling: Callable[[float], float], low: float, high: float) -> float:
    """Where a falling function crosses 0 between two places, or the nearer of them where it does not."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return (low + high) / 2
