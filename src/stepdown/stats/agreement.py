"""How far raters agree over items that each of them, or only some, have rated."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import sqrt
from typing import TypeVar

import msgspec

from stepdown.stats.distributions import student_quantile

V = TypeVar("V", str, float)
_LEAST = 3  # items from which the jackknife says something


class Agreement(msgspec.Struct, frozen=True):
    """How far raters agree: the share of `pairs` of ratings of one item that are the same, and Krippendorff's alpha.

    Alpha takes missing ratings: Krippendorff (2004), Content Analysis, chapter 11; nominal for votes, with squared
    differences for marks on a scale. `low` and `high` are its 95 % interval by the jackknife over items (Efron & Stein
    1981, Ann. Stat. 9: 586-596). `kappa` is Cohen's (1960, Educ. Psychol. Meas. 20: 37-46) of two raters, or Fleiss's
    (1971, Psychol. Bull. 76: 378-382) where each item has as many ratings; `kappa_by` says whose. None if undefined.
    """

    pairs: int
    share: float
    alpha: float | None
    low: float | None = None
    high: float | None = None
    kappa: float | None = None
    kappa_by: str = ""


def nominal(one: object, other: object) -> float:
    """Return how far two ratings are apart of which no order is known: 1 where they differ."""
    return float(one != other)


def squared(one: float, other: float) -> float:
    """Return how far two numbers are apart: the square of their difference."""
    return (one - other) ** 2


def agreement(items: Sequence[Sequence[V | None]], distance: Callable[[V, V], float] = nominal) -> Agreement | None:
    """Return how far raters agree, given each item's ratings in the raters' order; None where no item has two."""
    counts = [Counter(one for one in votes if one is not None) for votes in items]
    shared = [count for count in counts if count.total() > 1]
    if not shared:
        return None
    pairs = sum(count.total() * (count.total() - 1) // 2 for count in shared)
    same = sum(n * (n - 1) // 2 for count in shared for n in count.values())
    alpha, (low, high) = _alpha_with_interval(shared, distance)
    kappa, name = _kappa(items, shared)
    return Agreement(pairs, same / pairs, alpha, low, high, kappa, name)


def _alpha_with_interval(
    shared: Sequence[Counter[V]], distance: Callable[[V, V], float]
) -> tuple[float | None, tuple[float | None, float | None]]:
    apart = [_apart(count, count, distance) / (count.total() - 1) for count in shared]
    whole: Counter[V] = Counter()
    for count in shared:
        whole.update(count)
    expected, observed, size = _apart(whole, whole, distance), sum(apart), whole.total()
    alpha = _alpha(observed, expected, size)
    if alpha is None or len(shared) < _LEAST:
        return alpha, (None, None)
    without = []
    for count, own in zip(shared, apart, strict=True):
        # The pairs of all values without one item's: with it twice over, its own would be taken out twice.
        rest = expected - 2 * _apart(count, whole, distance) + _apart(count, count, distance)
        one = _alpha(observed - own, rest, size - count.total())
        without.append(alpha if one is None else one)
    mean, n = sum(without) / len(without), len(without)
    error = sqrt((n - 1) / n * sum((one - mean) ** 2 for one in without))
    half = student_quantile(0.95, n - 1) * error
    return alpha, (max(-1.0, alpha - half), min(1.0, alpha + half))


def _apart(some: Mapping[V, int], others: Mapping[V, int], distance: Callable[[V, V], float]) -> float:
    """Return the distances of all pairs, one of each, added up."""
    return sum(n * m * distance(one, other) for one, n in some.items() for other, m in others.items())


def _alpha(observed: float, expected: float, size: int) -> float | None:
    return 1 - observed * (size - 1) / expected if expected > 1e-12 and size > 1 else None


def _kappa(items: Sequence[Sequence[V | None]], shared: Sequence[Counter[V]]) -> tuple[float | None, str]:
    raters = {place for votes in items for place, one in enumerate(votes) if one is not None}
    if len(raters) == 2:
        first, second = sorted(raters)
        both = [(votes[first], votes[second]) for votes in items if None not in (votes[first], votes[second])]
        margins = [Counter(pair[place] for pair in both) for place in (0, 1)]
        chance = sum(margins[0][one] * margins[1][one] for one in margins[0]) / len(both) ** 2
        return _beyond(sum(one == other for one, other in both) / len(both), chance), "Cohen"
    sizes = {count.total() for count in shared}
    if len(sizes) > 1:
        return None, ""
    size = sizes.pop()
    agreed = _mean(sum(n * (n - 1) for n in count.values()) / (size * (size - 1)) for count in shared)
    whole: Counter[V] = Counter()
    for count in shared:
        whole.update(count)
    return _beyond(agreed, sum((n / whole.total()) ** 2 for n in whole.values())), "Fleiss"


def _mean(values: Iterable[float]) -> float:
    every = list(values)
    return sum(every) / len(every)


def _beyond(agreed: float, chance: float) -> float | None:
    return (agreed - chance) / (1 - chance) if chance < 1 - 1e-12 else None
