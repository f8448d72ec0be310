"""The points that no other point beats."""

import math
from collections.abc import Iterable


def frontier(points: Iterable[tuple[float, float]]) -> list[int]:
    """Return the places of the (cost, gain) points that no other point beats: none is cheaper and as good."""
    best, places = -math.inf, []
    for index, (_, gain) in sorted(enumerate(points), key=lambda item: (item[1][0], -item[1][1])):
        if gain > best:
            best = gain
            places.append(index)
    return places
