"""Every statistic against SciPy, against full enumeration, or against printed figures."""

from collections import Counter
from random import Random

import pytest
import scipy
from hypothesis import given
from hypothesis import strategies as st

from stepdown.stats import binomial_test, clustered_interval, crossed_interval, frontier, holm, wilson
from stepdown.stats.distributions import beyond, student_quantile

counts = st.integers(0, 400)


@pytest.mark.slow
@given(counts, counts)
def test_wilson_agrees_with_scipy(right: int, wrong: int) -> None:
    if not right + wrong:
        assert wilson(right, wrong) == (0.0, 1.0)
        return
    expected = scipy.stats.binomtest(right, right + wrong).proportion_ci(0.95, method="wilson")
    assert wilson(right, right + wrong) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_wilson_reaches_the_ends_exactly() -> None:
    assert wilson(0, 10)[0] == 0.0
    assert wilson(10, 10)[1] == 1.0
    assert wilson(0, 10) == pytest.approx((0, 0.2775), abs=1e-4)


@given(counts, counts, st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0]))
def test_the_binomial_test_agrees_with_scipy(right: int, wrong: int, share: float) -> None:
    if right + wrong:
        expected = scipy.stats.binomtest(right, right + wrong, share).pvalue
        # SciPy's own digits end below 1e-200 (13 of 330 at 0.9: it is 1e-5 beside the sum in whole fractions).
        assert binomial_test(right, right + wrong, share) == pytest.approx(expected, rel=1e-7, abs=1e-200)


def test_clusters_of_one_sample_are_a_binomial() -> None:
    assert clustered_interval({1.0: 30, 0.0: 70}, 1) == pytest.approx(wilson(30, 100), abs=1e-3)


def test_few_clusters_count_as_one_observation_each_however_alike() -> None:
    assert clustered_interval({0.6: 20}, 5) == pytest.approx(wilson(12, 20))
    assert clustered_interval({1.0: 12}, 5) == wilson(12, 12)
    assert clustered_interval({0.5: 400}, 5) == pytest.approx(wilson(200, 400))


def test_many_clusters_whose_samples_differ_are_worth_more_than_one_observation_each() -> None:
    low, high = clustered_interval({0.4: 200, 0.6: 200}, 5)
    assert wilson(1000, 2000)[0] <= low < high <= wilson(1000, 2000)[1]


@pytest.mark.parametrize(
    ("clusters", "mean", "alike"), [(8, 0.95, 0.9), (20, 0.2, 0.5), (20, 0.8, 0.2), (100, 0.5, 0.2)]
)
def test_the_clustered_interval_holds_the_mean_in_93_of_100_studies(clusters: int, mean: float, alike: float) -> None:
    draw = Random(clusters)
    one, other = (share * (1 - alike) / alike for share in (mean, 1 - mean))
    held = 0
    for _ in range(400):
        shares = (draw.betavariate(one, other) for _ in range(clusters))
        means = Counter(sum(draw.random() < share for _ in range(5)) / 5 for share in shares)
        low, high = clustered_interval(means, 5)
        held += low <= mean <= high
    assert held >= 0.93 * 400


def test_the_interval_over_one_seed_is_that_over_its_problems() -> None:
    assert crossed_interval([[1] * 30 + [0] * 70]) == wilson(30, 100)
    assert crossed_interval([[1] * 12]) == wilson(12, 12)


def test_seeds_that_are_alike_add_nothing_and_seeds_that_differ_widen_the_interval() -> None:
    problems = [int(place % 10 < 6) for place in range(200)]
    alone, thrice = crossed_interval([problems]), crossed_interval([problems] * 3)
    assert thrice == pytest.approx(alone, abs=0.01)
    apart = [[int(place % 10 < right) for place in range(200)] for right in (3, 6, 9)]
    low, high = crossed_interval(apart)
    assert high - low > 2 * (alone[1] - alone[0])


def test_nothing_says_nothing_and_one_outcome_is_not_certain() -> None:
    assert crossed_interval([]) == crossed_interval([[], []]) == clustered_interval({}, 3) == (0.0, 1.0)
    assert crossed_interval([[1, 1], [1, 1]])[0] < 0.5 and crossed_interval([[0]] * 3)[1] > 0.5


@pytest.mark.parametrize("problems", [12, 40])
def test_the_crossed_interval_holds_the_mean_over_further_seeds_and_problems(problems: int) -> None:
    draw, held = Random(problems), 0
    for _ in range(200):
        hard = [draw.choice((-0.25, 0.25)) for _ in range(problems)]
        seeds = [draw.choice((-0.05, 0.05)) for _ in range(3)]
        low, high = crossed_interval([[int(draw.random() < 0.6 + one + seed) for one in hard] for seed in seeds])
        held += low <= 0.6 <= high
    assert held >= 0.93 * 200


@given(st.floats(0, 12), st.floats(1, 9000))
def test_students_t_agrees_with_scipy(t: float, freedom: float) -> None:
    assert beyond(t, freedom) == pytest.approx(2 * scipy.stats.t.sf(t, freedom), abs=1e-7)


@pytest.mark.parametrize("freedom", [1, 2, 3.7, 50, 20_000])
def test_students_quantile_agrees_with_scipy(freedom: float) -> None:
    assert student_quantile(0.95, freedom) == pytest.approx(scipy.stats.t.ppf(0.975, freedom), abs=1e-3)


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_keeps_the_order_and_never_lowers_a_p(ps: list[float]) -> None:
    adjusted = holm(ps)
    assert all(old <= new <= 1 for old, new in zip(ps, adjusted, strict=True))
    assert [new for _, new in sorted(zip(ps, adjusted, strict=True))] == sorted(adjusted)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_the_frontier_keeps_what_nothing_cheaper_beats() -> None:
    assert frontier([(3, 0.9), (1, 0.5), (2, 0.4), (1, 0.6), (4, 0.9)]) == [3, 0]
