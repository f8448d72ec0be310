"""Every statistic against SciPy, against full enumeration, or against printed figures."""

from collections import Counter
from fractions import Fraction
from itertools import product
from math import comb
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as oracle

from stepdown.stats import (
    binomial_test,
    clustered_bootstrap,
    crossed_bootstrap,
    frontier,
    holm,
    mcnemar_exact,
    minimum_detectable_difference,
    paired_bootstrap,
    relative_gain,
    sample_size,
    wilson,
)

counts = st.integers(0, 400)
pairs = st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(1, 200))


@given(counts, counts)
def test_wilson_agrees_with_scipy(right: int, wrong: int) -> None:
    if not right + wrong:
        assert wilson(right, wrong) == (0.0, 1.0)
        return
    expected = oracle.binomtest(right, right + wrong).proportion_ci(0.95, method="wilson")
    assert wilson(right, right + wrong) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_wilson_reaches_the_ends_exactly() -> None:
    assert wilson(0, 10)[0] == 0.0
    assert wilson(10, 10)[1] == 1.0
    assert wilson(0, 10) == pytest.approx((0, 0.2775), abs=1e-4)


@given(counts, counts, st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0]))
def test_the_binomial_test_agrees_with_scipy(right: int, wrong: int, share: float) -> None:
    if right + wrong:
        expected = oracle.binomtest(right, right + wrong, share).pvalue
        # SciPy's own digits end below 1e-200 (13 of 330 at 0.9: it is 1e-5 beside the sum in whole fractions).
        assert binomial_test(right, right + wrong, share) == pytest.approx(expected, rel=1e-7, abs=1e-200)


@given(counts, counts)
def test_mcnemar_is_the_binomial_test_of_the_discordant_pairs(better: int, worse: int) -> None:
    expected = oracle.binomtest(better, better + worse).pvalue if better + worse else 1.0
    assert mcnemar_exact(better, worse) == pytest.approx(expected, rel=1e-7)


def test_mcnemar_by_hand() -> None:
    assert mcnemar_exact(5, 0) == pytest.approx(2 / 2**5)
    assert mcnemar_exact(1, 9) == pytest.approx(2 * (1 + 10) / 2**10)
    assert mcnemar_exact(3, 3) == 1.0


@given(pairs)
def test_mcnemar_and_the_bootstrap_swap_with_their_arguments(figures: tuple[int, int, int]) -> None:
    better, worse, same = figures
    low, high = paired_bootstrap(better, worse, better + worse + same)
    swapped = paired_bootstrap(worse, better, better + worse + same)
    step = 1.5 / (better + worse + same)
    assert swapped == pytest.approx((-high, -low), abs=step)
    assert low <= (better - worse) / (better + worse + same) <= high


@pytest.mark.parametrize(("better", "worse", "same"), [(3, 1, 2), (1, 0, 5), (2, 4, 0), (0, 0, 4), (5, 0, 0)])
def test_the_paired_bootstrap_is_the_percentile_over_all_resamples(better: int, worse: int, same: int) -> None:
    data = [1] * better + [-1] * worse + [0] * same
    sums = sorted(sum(resample) for resample in product(data, repeat=len(data)))
    low, high = (
        next(sum_ for place, sum_ in enumerate(sums, 1) if place >= level * len(sums)) for level in (0.025, 0.975)
    )
    assert paired_bootstrap(better, worse, len(data)) == (low / len(data), high / len(data))


def test_the_paired_bootstrap_without_ties_is_a_binomial_quantile() -> None:
    low, high = (int(oracle.binom.ppf(level, 100, 0.6)) for level in (0.025, 0.975))
    assert paired_bootstrap(60, 40, 100) == ((2 * low - 100) / 100, (2 * high - 100) / 100)


def test_the_paired_bootstrap_of_many_pairs_is_nearly_normal() -> None:
    low, high = paired_bootstrap(900, 600, 5000)
    half = 1.959964 * ((1500 - 300**2 / 5000) ** 0.5) / 5000
    assert (low, high) == pytest.approx((0.06 - half, 0.06 + half), abs=2e-4)


def test_nothing_paired_says_nothing() -> None:
    assert paired_bootstrap(0, 0, 0) == (-1.0, 1.0)
    assert clustered_bootstrap({}) == (0.0, 1.0)


def test_clusters_of_one_are_a_binomial() -> None:
    low, high = clustered_bootstrap({Fraction(1): 30, Fraction(0): 70})
    assert (low, high) == (oracle.binom.ppf(0.025, 100, 0.3) / 100, oracle.binom.ppf(0.975, 100, 0.3) / 100)


def test_the_clustered_bootstrap_is_the_percentile_over_all_resamples() -> None:
    data = [Fraction(1, 3), Fraction(1), Fraction(0), Fraction(2, 3), Fraction(1, 2)]
    means = sorted(sum(resample) / 5 for resample in product(data, repeat=5))
    low, high = means[int(0.025 * 3125)], means[int(0.975 * 3125)]
    assert clustered_bootstrap(Counter(data)) == pytest.approx((float(low), float(high)))


TABLES = ([[1, 0, 1, 1], [0, 0, 1, 1], [1, 0, 0, 1]], [[1, 1, 0], [0, 0, 0], [1, 1, 1]], [[1, 0, 0, 1, 1]], [[1], [0]])


@pytest.mark.parametrize("table", TABLES)
def test_the_crossed_bootstrap_is_near_the_percentiles_over_all_resamples_of_seeds_and_problems(
    table: list[list[int]],
) -> None:
    rows, columns = range(len(table)), range(len(table[0]))
    size = len(rows) * len(columns)
    means = sorted(
        sum(table[row][column] for row in some for column in others) / size
        for some in product(rows, repeat=len(rows))
        for others in product(columns, repeat=len(columns))
    )
    low, high = crossed_bootstrap(table)
    # Of 2,000 draws, 0.025 of a distribution is found between its 0.015 and its 0.035: three standard errors.
    assert means[int(0.015 * len(means))] <= low <= means[int(0.035 * len(means))]
    assert means[int(0.965 * len(means))] <= high <= means[int(0.985 * len(means))]


def test_the_crossed_bootstrap_of_one_seed_is_nearly_that_of_its_problems() -> None:
    exact = clustered_bootstrap({Fraction(1): 30, Fraction(0): 70})
    assert crossed_bootstrap([[1] * 30 + [0] * 70]) == pytest.approx(exact, abs=0.0101)


def test_seeds_that_are_alike_add_nothing_and_seeds_that_differ_widen_the_interval() -> None:
    problems = [int(place % 10 < 6) for place in range(200)]
    alone, thrice = crossed_bootstrap([problems]), crossed_bootstrap([problems] * 3)
    assert thrice == pytest.approx(alone, abs=0.0101)
    apart = [[int(place % 10 < right) for place in range(200)] for right in (3, 6, 9)]
    low, high = crossed_bootstrap(apart)
    assert high - low > 2 * (alone[1] - alone[0])


def test_the_crossed_bootstrap_holds_the_mean_and_is_the_same_again() -> None:
    draw = Random(7)
    table = [[int(draw.random() < 0.3) for _ in range(60)] for _ in range(3)]
    low, high = crossed_bootstrap(table)
    assert 0 <= low < sum(map(sum, table)) / 180 < high <= 1 and (low, high) == crossed_bootstrap(table)
    inner = crossed_bootstrap(table, 0.5)
    assert low < inner[0] < inner[1] < high


def test_the_crossed_bootstrap_of_nothing_says_nothing_and_of_one_outcome_is_that() -> None:
    assert crossed_bootstrap([]) == crossed_bootstrap([[], []]) == (0.0, 1.0)
    assert crossed_bootstrap([[1, 1], [1, 1]]) == (1.0, 1.0) and crossed_bootstrap([[0]] * 3) == (0.0, 0.0)


def test_means_off_every_grid_are_rounded_to_the_finest() -> None:
    means = Counter(Fraction(place, 7 + place % 4) for place in range(8))
    low, high = clustered_bootstrap(means)
    exact = float(sum(mean * count for mean, count in means.items())) / means.total()
    assert low < exact < high


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_keeps_the_order_and_never_lowers_a_p(ps: list[float]) -> None:
    adjusted = holm(ps)
    assert all(old <= new <= 1 for old, new in zip(ps, adjusted, strict=True))
    assert [new for _, new in sorted(zip(ps, adjusted, strict=True))] == sorted(adjusted)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_detectable_differences_are_those_printed_for_the_papers_sizes() -> None:
    points = [round(100 * minimum_detectable_difference(n, 0.3), 1) for n in (200, 500, 1319)]
    assert points == [10.8, 6.9, 4.2]


@given(st.integers(10, 5000), st.floats(0.01, 0.3))
def test_sample_size_inverts_the_detectable_difference(total: int, discordance: float) -> None:
    difference = minimum_detectable_difference(total, discordance)
    if difference < 1:
        assert sample_size(difference, discordance) == total


def test_mcnemar_finds_the_detectable_difference_in_about_four_of_five_studies() -> None:
    difference = minimum_detectable_difference(500, 0.3)
    share, power = 0.5 + difference / 2 / 0.3, 0.0
    for better in range(151):
        if mcnemar_exact(better, 150 - better) <= 0.05:
            power += comb(150, better) * share**better * (1 - share) ** (150 - better)
    assert 0.75 < power < 0.85


def test_relative_gain_is_the_papers() -> None:
    assert relative_gain(0.42, 0.2) == pytest.approx(1.1)
    assert relative_gain(0.42, 0.0) is None


def test_the_frontier_keeps_what_nothing_cheaper_beats() -> None:
    assert frontier([(3, 0.9), (1, 0.5), (2, 0.4), (1, 0.6), (4, 0.9)]) == [3, 0]
