"""The filter `open-ended`: more chains for problems whose chains differ more."""

import itertools
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise

from stepdown.corpus.selection.filters import Filter, FilterSpec, Group, rank, words

_AMOUNTS = (1, 3, 5, 7, 9)


def open_ended(request: FilterSpec) -> Filter:
    """Return the filter that keeps 1, 3, 5, 7 or 9 chains by the problem's quintile of distinct bigrams."""
    definition = (
        "1, 3, 5, 7 or 9 random chains of each problem, by its quintile when problems are sorted by the number of"
        " distinct pairs of adjacent words in their chains (Li et al. 2023, section 3.3)"
    )

    def ready(seen: Sequence["array[int]"]) -> Filter:
        bounds = quintiles(array("Q", itertools.chain.from_iterable(seen)))
        return request.filter(definition, lambda group: _keep(group, bounds, request.seed))

    return request.surveyed(definition, ready, _count)


def _count(groups: Iterator[Group]) -> "array[int]":
    return array("Q", (bigrams(group) for group in groups if group))


def bigrams(group: Group) -> int:
    """Return how many distinct pairs of adjacent words a problem's chains hold together."""
    found: set[tuple[str, str]] = set()
    for chain in group:
        found.update(pairwise(words(chain.text)))
    return len(found)


def quintiles(counts: "array[int]") -> list[int]:
    """Return the four counts at which the second to the fifth quintile begin; equal counts share a quintile."""
    ordered = sorted(counts)
    return [ordered[len(ordered) * fifth // 5] for fifth in range(1, 5)] if ordered else []


def _keep(group: Group, bounds: list[int], seed: int) -> Group:
    amount = _AMOUNTS[bisect_right(bounds, bigrams(group))]
    chosen = sorted(range(len(group)), key=lambda at: rank(seed, group[at]))[:amount]
    return [group[at] for at in sorted(chosen)]
