"""How sure a share is: of problems, of problems with several samples each, and of a table of seeds and problems."""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, variance

from stepdown.stats.distributions import binomial, quantile, student_quantile

Interval = tuple[float, float]

# Below so much n p (1 - p), the variance between clusters is known too badly to be trusted where it is small.
ENOUGH = 10.0


def wilson(right: float, total: float, confidence: float = 0.95) -> Interval:
    """Return the score interval of a share, within 0 and 1; of nothing it is (0, 1).

    Wilson (1927), JASA 22: 209-212, without continuity correction.
    """
    if not total:
        return 0.0, 1.0
    return score_interval(right / total, total, quantile(0.5 + confidence / 2))


def score_interval(share: float, total: float, z: float) -> Interval:
    """Return Wilson's interval of a share of so many independent observations, `z` standard errors to either side."""
    scale = 1 + z * z / total
    middle = (share + z * z / (2 * total)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return (max(0.0, middle - half) if share > 0 else 0.0), (min(1.0, middle + half) if share < 1 else 1.0)


def binomial_test(right: int, total: int, share: float = 0.5) -> float:
    """Return the exact two-sided p: the chance of every outcome that is no likelier than this one.

    Clopper & Pearson (1934), Biometrika 26: 404-413; the two-sided rule is that of R and SciPy.
    """
    bar = binomial(right, total, share) * (1 + 1e-7)
    chances = (binomial(k, total, share) for k in range(total + 1))
    return min(1.0, math.fsum(chance for chance in chances if chance <= bar))


def clustered_interval(means: Mapping[float, int], samples: int, confidence: float = 0.95) -> Interval:
    """Return the interval of the mean of cluster means within 0 and 1, given how many clusters have each mean.

    A problem with its `samples` is a cluster. Wilson's interval with the effective number of observations, the
    binomial variance over the one found between clusters: Rao & Scott (1992), Biometrics 48: 577-585. Few clusters
    count as one observation each: never too narrow, and too wide where a problem's samples differ much.
    """
    total = sum(means.values())
    if not total:
        return 0.0, 1.0
    mean = math.fsum(value * count for value, count in means.items()) / total
    spread = math.fsum(count * (value - mean) ** 2 for value, count in means.items()) / max(1, total - 1)
    effective = effective_size(mean * (1 - mean), spread / total, clusters=total, each=samples)
    return score_interval(mean, effective, quantile(0.5 + confidence / 2))


def ratio_interval(clusters: Sequence[tuple[float, int]], samples: int, confidence: float = 0.95) -> Interval:
    """Return the interval of a share over all observations of clusters that have unequal numbers of them.

    A cluster is its sum (of 0 and 1, or of values between) and its number, at most `samples`. The variance is that of
    a ratio of totals (Cochran 1977, Sampling Techniques, section 6.4), in Wilson's interval as `clustered_interval`.
    """
    total = sum(count for _, count in clusters)
    if not total:
        return 0.0, 1.0
    share = math.fsum(value for value, _ in clusters) / total
    squares = math.fsum((value - share * count) ** 2 for value, count in clusters)
    between = squares * len(clusters) / max(1, len(clusters) - 1) / total**2
    effective = effective_size(share * (1 - share), between, clusters=len(clusters), each=samples)
    return score_interval(share, effective, quantile(0.5 + confidence / 2))


def crossed_interval(rights: Sequence[Sequence[int]], confidence: float = 0.95) -> Interval:
    """Return the interval of the mean of a table of 0 and 1: one row per seed, one column per problem.

    Over seeds and problems alike: the variance of the mean is that between problems plus that between seeds, which
    counts the rest twice and is never too small (Owen 2007, Ann. Appl. Stat. 1: 386-411), with Satterthwaite's degrees
    of freedom, in Wilson's interval. With one row it is over problems only, as `wilson`.
    """
    if not rights or not rights[0]:
        return 0.0, 1.0
    rows, columns = len(rights), len(rights[0])
    mean = fmean(map(fmean, rights))
    if rows == 1:
        return wilson(sum(rights[0]), columns, confidence)
    between, freedom = crossed_variance(rights)
    effective = effective_size(mean * (1 - mean), between, clusters=columns, each=rows)
    return score_interval(mean, effective, student_quantile(confidence, freedom))


def crossed_variance(table: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Return the variance of a table's mean over rows and columns, and its degrees of freedom."""
    rows, columns = len(table), len(table[0])
    across = [fmean(column) for column in zip(*table, strict=True)]
    parts = [(variance(across) / columns, columns - 1)] if columns > 1 else []
    parts += [(variance([fmean(row) for row in table]) / rows, rows - 1)] if rows > 1 else []
    total = sum(part for part, _ in parts)
    if not total:
        return 0.0, max(1, columns - 1)
    return total, total**2 / sum(part**2 / freedom for part, freedom in parts)


def effective_size(single: float, between: float, *, clusters: int, each: int) -> float:
    """Return how many independent observations clusters are worth: at most one each, or all where there is enough.

    `single` is the variance of one observation, `between` that of the mean as it was found.
    """
    most = clusters * (each if clusters * single >= ENOUGH else 1)
    return min(most, single / between) if between > 1e-15 else clusters
