"""Agreement among raters, against published figures."""

from typing import Any

import pytest

from stepdown.stats import agreement, nominal, squared

# Krippendorff (2011), Computing Krippendorff's Alpha-Reliability: four observers, twelve units, `None` where one is
# missing; nominal alpha .743, interval alpha .849.
OBSERVERS: list[list[float | None]] = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]
UNITS = [list(column) for column in zip(*OBSERVERS, strict=True)]


@pytest.mark.parametrize(("distance", "expected"), [(nominal, 0.743), (squared, 0.849)])
def test_alpha_is_that_of_krippendorffs_example(distance: Any, expected: float) -> None:
    found = agreement(UNITS, distance)
    assert found and found.alpha == pytest.approx(expected, abs=5e-4)
    assert found.low is not None and found.high is not None and found.low < expected < found.high


def test_kappa_of_two_raters_is_cohens() -> None:
    table = {("yes", "yes"): 20, ("yes", "no"): 5, ("no", "yes"): 10, ("no", "no"): 15}
    found = agreement([pair for pair, count in table.items() for _ in range(count)])
    assert found and found.kappa == pytest.approx(0.4) and found.kappa_by == "Cohen"


def test_kappa_of_more_raters_is_fleisss() -> None:
    # Fleiss (1971) by way of the usual worked example: ten subjects, fourteen raters, five categories, kappa .210.
    rows = [(0, 0, 0, 0, 14), (0, 2, 6, 4, 2), (0, 0, 3, 5, 6), (0, 3, 9, 2, 0), (2, 2, 8, 1, 1), (7, 7, 0, 0, 0),
            (3, 2, 6, 3, 0), (2, 5, 3, 2, 2), (6, 5, 2, 1, 0), (0, 2, 2, 3, 7)]  # fmt: skip
    found = agreement([[str(place) for place, count in enumerate(row) for _ in range(count)] for row in rows])
    assert found and (round(found.kappa or 0, 3), found.kappa_by) == (0.21, "Fleiss")


def test_where_only_some_rated_an_item_alpha_is_there_and_kappa_is_not() -> None:
    found = agreement([("a", "a", None), ("b", "b", "b"), ("a", "b", "a"), (None, None, "a")])
    assert found and found.alpha is not None and (found.kappa, found.kappa_by) == (None, "")
