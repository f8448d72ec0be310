"""What k samples of a problem would have given, from the n that were drawn: unbiased, without drawing again."""

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from math import comb


def pass_at(k: int, total: int, right: int) -> float:
    """Return the chance that k of `total` samples, of which `right` are right, hold a right one.

    Chen et al. (2021), arXiv 2107.03374, section 2.1. `total` is at least k.
    """
    return 1 - comb(total - right, k) / comb(total, k)


@lru_cache(maxsize=4096)
def majority_at(k: int, right: tuple[int, ...], wrong: tuple[int, ...], silent: int = 0) -> float:
    """Return the chance that the vote of k samples, drawn from those at hand without replacement, is right.

    `right` and `wrong` are the sizes of the groups of equal answers, `silent` counts the samples that do not vote; all
    together are at least k. Of groups of the same size the one reached first wins, and each is as often the first.
    """
    groups = (*right, *wrong)
    if k == sum(groups) + silent:
        most = max(groups, default=0)
        return right.count(most) / groups.count(most) if most else 0.0
    whole = comb(sum(groups) + silent, k)
    return sum(
        ways / ((1 + ties) * whole)
        for index, own in enumerate(right)
        for ties, ways in _wins(k, own, (*groups[:index], *groups[index + 1 :]), silent).items()
    )


def _wins(k: int, own: int, others: Sequence[int], silent: int) -> Counter[int]:
    """Count the draws in which a group has most votes, by how many other groups have as many."""
    wins: Counter[int] = Counter()
    for votes in range(1, min(own, k) + 1):
        large = [size for size in others if size >= votes]
        rest = silent + sum(others) - sum(large)  # of these any number leaves the group in front
        for (drawn, ties), ways in _below(votes, k - votes, large).items():
            wins[ties] += comb(own, votes) * ways * comb(rest, k - votes - drawn)
    return wins


def _below(votes: int, room: int, groups: Sequence[int]) -> Counter[tuple[int, int]]:
    """Count the ways to draw at most `room` from groups, none above `votes`, by how many are drawn and how many tie."""
    states: Counter[tuple[int, int]] = Counter({(0, 0): 1})
    for size in groups:
        grown: Counter[tuple[int, int]] = Counter()
        for (drawn, ties), ways in states.items():
            for more in range(min(votes, size, room - drawn) + 1):
                grown[drawn + more, ties + (more == votes)] += ways * comb(size, more)
        states = grown
    return states
