"""The statistics of reports: intervals, paired tests and sample sizes, in pure Python, each with its reference."""

import math
from cmath import exp, rect
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import accumulate
from random import Random
from statistics import NormalDist

Interval = tuple[float, float]

_FINEST = 120  # the finest grid of cluster means: a multiple of most numbers of samples up to 30


def wilson(right: int, total: int, confidence: float = 0.95) -> Interval:
    """Return the score interval of a share, within 0 and 1; of nothing it is (0, 1).

    Wilson (1927), JASA 22: 209-212, without continuity correction.
    """
    if not total:
        return 0.0, 1.0
    z, share = _quantile(0.5 + confidence / 2), right / total
    scale = 1 + z * z / total
    middle = (share + z * z / (2 * total)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return (max(0.0, middle - half) if right else 0.0), (min(1.0, middle + half) if right < total else 1.0)


def binomial_test(right: int, total: int, share: float = 0.5) -> float:
    """Return the exact two-sided p: the chance of every outcome that is no likelier than this one.

    Clopper & Pearson (1934), Biometrika 26: 404-413; the two-sided rule is that of R and SciPy.
    """
    bar = _binomial(right, total, share) * (1 + 1e-7)
    chances = (_binomial(k, total, share) for k in range(total + 1))
    return min(1.0, math.fsum(chance for chance in chances if chance <= bar))


def mcnemar_exact(better: int, worse: int) -> float:
    """Return the exact two-sided p that `better` and `worse` discordant pairs differ by chance; 1 without any.

    McNemar (1947), Psychometrika 12: 153-157, as a binomial test with share 1/2.
    """
    total, fewer = better + worse, min(better, worse)
    return min(1.0, 2 * math.fsum(_binomial(k, total, 0.5) for k in range(fewer + 1)))


def paired_bootstrap(better: int, worse: int, total: int, confidence: float = 0.95) -> Interval:
    """Return the percentile interval of the paired difference (better - worse) / total, a share of 1.

    Efron & Tibshirani (1993), chapter 13. Not drawn: the resampled difference is a sum of `total` draws
    from -1, 0 and 1, whose distribution is computed to 12 digits, as from endlessly many resamples.
    """
    if not total:
        return -1.0, 1.0
    counts = {1: better, -1: worse, 0: total - better - worse}
    low, high = _resampled_sums({step: count for step, count in counts.items() if count}, confidence)
    return low / total, high / total


def clustered_bootstrap(means: Mapping[Fraction, int], confidence: float = 0.95) -> Interval:
    """Return the percentile interval of the mean of cluster means, given how many clusters have each mean.

    A problem with its samples is a cluster, resampled whole: Field & Welsh (2007), JRSS B 69: 369-390,
    Miller (2024), arXiv 2411.00640. Computed like `paired_bootstrap`, not drawn. Means lie on the grid of
    their common denominator, at most 120; beyond, they are rounded to 1/120.
    """
    grid = min(_FINEST, math.lcm(*(mean.denominator for mean in means)))
    counts: Counter[int] = Counter()
    for mean, clusters in means.items():
        counts[round(mean * grid)] += clusters
    total = counts.total()
    if not total:
        return 0.0, 1.0
    low, high = _resampled_sums(+counts, confidence)
    return low / total / grid, high / total / grid


def crossed_bootstrap(rights: Sequence[Sequence[int]], confidence: float = 0.95, draws: int = 2000) -> Interval:
    """Return the percentile interval of the mean of a table of 0 and 1: one row per seed, one column per problem.

    Both seeds and problems are resampled: the pigeonhole bootstrap, Owen (2007), Ann. Appl. Stat. 1: 386-411. Drawn
    with a fixed seed, so that the same table gives the same interval; with one row, only problems are resampled.
    Three seeds say little of how far a fourth would differ, and no resampling of them says more.
    """
    if not rights or not rights[0]:
        return 0.0, 1.0
    random, rows, columns = Random(0), len(rights), len(rights[0])
    # Few seeds are drawn in few ways: what each problem then adds up to is computed once for each.
    totals: dict[tuple[int, ...], list[int]] = {}
    means = []
    for _ in range(draws):
        drawn = tuple(sorted(random.choices(range(rows), k=rows)))
        if drawn not in totals:
            totals[drawn] = [sum(column) for column in zip(*(rights[row] for row in drawn), strict=True)]
        means.append(sum(random.choices(totals[drawn], k=columns)) / (rows * columns))
    means.sort()
    edge = (1 - confidence) / 2
    return means[round(edge * (draws - 1))], means[round((1 - edge) * (draws - 1))]


def holm(ps: Sequence[float]) -> list[float]:
    """Return the p-values adjusted for their number, in the given order: Holm (1979), Scand. J. Stat. 6: 65-70."""
    order = sorted(range(len(ps)), key=ps.__getitem__)
    scaled = (min(1.0, ps[place] * (len(ps) - rank)) for rank, place in enumerate(order))
    adjusted = dict(zip(order, accumulate(scaled, max), strict=True))
    return [adjusted[place] for place in range(len(ps))]


def minimum_detectable_difference(total: int, discordance: float, alpha: float = 0.05, power: float = 0.8) -> float:
    """Return the smallest paired difference (a share of 1) that `total` pairs find with this power.

    `discordance` is the share of pairs of which one is right and one wrong. Normal approximation of
    McNemar's test, Connor (1987), Biometrics 43: 207-211, with the variance under no difference, and
    quantiles to two decimals as in tables: the rule of 2.8 standard errors.
    """
    return min(1.0, _standard_errors(alpha, power) * math.sqrt(discordance / total)) if total else 1.0


def sample_size(difference: float, discordance: float, alpha: float = 0.05, power: float = 0.8) -> int:
    """Return how many pairs find this paired difference (a share of 1): `minimum_detectable_difference`, inverted."""
    pairs = discordance * (_standard_errors(alpha, power) / difference) ** 2
    return math.ceil(pairs - 1e-9)


def relative_gain(new: float, old: float) -> float | None:
    """Return (new - old) / old, as the Trace-of-Thought paper states its gains (section 4); None where old is 0."""
    return (new - old) / old if old else None


def frontier(points: Iterable[tuple[float, float]]) -> list[int]:
    """Return the places of the (cost, gain) points that no other point beats: none is cheaper and as good."""
    best, places = -math.inf, []
    for place, (_, gain) in sorted(enumerate(points), key=lambda item: (item[1][0], -item[1][1])):
        if gain > best:
            best = gain
            places.append(place)
    return places


def _quantile(share: float) -> float:
    return NormalDist().inv_cdf(share)


def _standard_errors(alpha: float, power: float) -> float:
    return round(_quantile(1 - alpha / 2), 2) + round(_quantile(power), 2)


def _binomial(right: int, total: int, share: float) -> float:
    if share in (0.0, 1.0):
        return float(right == total * share)
    ways = math.lgamma(total + 1) - math.lgamma(right + 1) - math.lgamma(total - right + 1)
    return math.exp(ways + right * math.log(share) + (total - right) * math.log1p(-share))


def _resampled_sums(counts: Mapping[int, int], confidence: float) -> tuple[int, int]:
    """Percentiles of the sum of n draws, with replacement, from the n integers that `counts` counts."""
    total = sum(counts.values())
    centre = sum(value * count for value, count in counts.items())
    chances = _chances(counts, total, centre)
    reach = len(chances) // 2
    tail = (1 - confidence) / 2

    def percentile(level: float) -> int:
        sums = accumulate(chances)
        return centre - reach + next(place for place, sum_ in enumerate(sums) if sum_ >= level - 1e-12)

    return percentile(tail), percentile(1 - tail)


def _chances(counts: Mapping[int, int], total: int, centre: int) -> list[float]:
    """The distribution of the sum within `reach` of `centre`, by inverting its characteristic function.

    Outside of ten standard deviations (and 20 steps of the coarsest value) lies less than 1e-12, so the
    Fourier sum over this window, not the whole range, is exact to that.
    """
    mean = centre / total
    deviation = math.sqrt(sum(count * (value - mean) ** 2 for value, count in counts.items()))
    reach = math.ceil(10 * deviation) + 20 * max(1, *(abs(value) for value in counts))
    reach = min(reach, total * max(abs(value - mean) for value in counts).__ceil__())
    width = 2 * reach + 1
    transform = _characteristic(counts, total, centre)
    waves = ((turn, transform(2 * math.pi * turn / width)) for turn in range(1, reach + 1))
    kept = [(turn, wave) for turn, wave in waves if abs(wave) > 1e-16]
    turns = [rect(1, -2 * math.pi * place / width) for place in range(width)]
    return [
        (1 + 2 * sum((wave * turns[turn * place % width]).real for turn, wave in kept)) / width
        for place in range(-reach, reach + 1)
    ]


def _characteristic(counts: Mapping[int, int], total: int, centre: int) -> Callable[[float], complex]:
    shares = [(value - centre / total, count / total) for value, count in counts.items()]
    return lambda angle: sum(share * exp(1j * angle * value) for value, share in shares) ** total
