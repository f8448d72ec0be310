"""The half width that more seeds or problems would bring: against what a table of that size then shows."""

import math
import random
from statistics import fmean

import pytest

from stepdown.stats import crossed_difference, crossed_half_width
from stepdown.stats.crossed_precision import variances


def table(seeds: int, problems: int, *, by_seed: float = 0.0, seed: int = 0) -> tuple[list[list[int]], list[list[int]]]:
    """Return what new and old students have right: problems differ in difficulty, seeds in ability."""
    draw = random.Random(seed)
    hard = [draw.random() for _ in range(problems)]
    able = [[draw.gauss(0, by_seed) for _ in range(seeds)] for _ in range(2)]
    new, old = ([[int(draw.random() < one + skill) for one in hard] for skill in skills] for skills in able)
    return new, old


def differences(new: list[list[int]], old: list[list[int]]) -> list[list[int]]:
    return [[a - b for a, b in zip(*rows, strict=True)] for rows in zip(new, old, strict=True)]


@pytest.mark.parametrize("by_seed", [0.0, 0.05])
def test_the_width_of_the_same_size_is_the_intervals_own(by_seed: float) -> None:
    new, old = table(6, 200, by_seed=by_seed)
    shown = crossed_difference(new, old)
    expected = crossed_half_width(differences(new, old), seeds=6, problems=200)
    assert expected == pytest.approx((shown.high - shown.low) / 2, rel=0.1)


def test_four_times_as_many_of_both_halve_it_at_least() -> None:
    apart = differences(*table(6, 200))
    now, more = (crossed_half_width(apart, seeds=6 * times, problems=200 * times) for times in (1, 4))
    assert now > 0 and more < now / 2


def test_problems_help_little_where_seeds_differ() -> None:
    apart = differences(*table(8, 400, by_seed=0.15))
    now = crossed_half_width(apart, seeds=8, problems=400)
    assert (
        crossed_half_width(apart, seeds=8, problems=800) > 0.9 * now > crossed_half_width(apart, seeds=16, problems=400)
    )


def test_what_is_predicted_is_what_a_larger_table_shows() -> None:
    small = [
        crossed_half_width(differences(*table(5, 100, by_seed=0.05, seed=n)), seeds=10, problems=100) for n in range(24)
    ]
    large = [
        crossed_half_width(differences(*table(10, 100, by_seed=0.05, seed=n)), seeds=10, problems=100)
        for n in range(24)
    ]
    assert fmean(small) == pytest.approx(fmean(large), rel=0.15)


def test_variances_are_those_of_a_table_that_is_made_of_them() -> None:
    rows, columns = [0.0, 2.0, 4.0], [0.0, 1.0, 2.0, 3.0]
    assert variances([[row + column for column in columns] for row in rows]) == pytest.approx((4.0, 5 / 3, 0.0))


def test_nothing_that_differs_is_certain_and_one_seed_more_than_nothing_is_unknown() -> None:
    assert crossed_half_width([[0, 0], [0, 0]], seeds=4, problems=4) == 0.0
    assert crossed_half_width([[0, 1], [1, 0]], seeds=1, problems=4) == math.inf
