"""What a sample vouches for: against SciPy, and against samples whose truth is known."""

from random import Random

import pytest
import scipy

from stepdown.stats import binomial_below, fixed_sequence, mean_not_below, observations_needed, upper_bound

COUNTS = [(0, 1), (0, 40), (1, 60), (7, 60), (59, 60), (3, 400)]


@pytest.mark.parametrize("share", [0.01, 0.3, 0.9])
def test_the_chance_of_so_few_agrees_with_scipy(share: float) -> None:
    for count, total in COUNTS:
        expected = scipy.special.bdtr(count, total, share)
        assert binomial_below(count, total, share) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("sure", [0.9, 0.99])
@pytest.mark.parametrize(("count", "total"), COUNTS)
def test_the_bound_is_that_of_clopper_and_pearson(count: int, total: int, sure: float) -> None:
    expected = scipy.special.bdtri(count, total, 1 - sure)
    assert upper_bound(count, total, sure) == pytest.approx(expected, abs=1e-9)


def test_one_percent_takes_299_problems_of_which_none_is_lost() -> None:
    assert observations_needed(0.0, 0.01) == 299
    assert upper_bound(0, 299) <= 0.01 < upper_bound(0, 298)


def test_no_number_of_problems_vouches_for_less_than_was_found() -> None:
    assert observations_needed(0.02, 0.02) is None
    assert (observations_needed(0.01, 0.02, beyond=100) or 0) > 100


def test_hypotheses_after_the_first_that_is_kept_are_not_looked_at() -> None:
    assert fixed_sequence([0.01, 0.05, 0.06, 0.0]) == 2
    assert fixed_sequence([]) == 0


def test_a_mean_at_its_limit_is_hardly_ever_said_to_be_below_it() -> None:
    draw = Random(8)
    ps = [mean_not_below([float(draw.random() < 0.2) for _ in range(60)], 0.2, 1.0) for _ in range(100)]
    assert sum(p <= 0.05 for p in ps) <= 5 and min(ps) < 0.3


def test_a_mean_well_below_its_limit_is_found() -> None:
    assert mean_not_below([0.1] * 60, 0.3, 1.0) < 0.01
    assert mean_not_below([0.3] * 60, 0.3, 1.0) == 1.0
