"""Paired statistics: what their intervals hold by enumeration, what the exact test finds, and what it cannot."""

import math
from collections.abc import Iterator
from functools import cache
from itertools import product
from random import Random

import pytest
import scipy
from hypothesis import given
from hypothesis import strategies as st

from stepdown.stats import (
    crossed_difference,
    gain_interval,
    mcnemar_exact,
    mcnemar_power,
    minimum_detectable_difference,
    paired_interval,
    ratio_of_means_interval,
    relative_gain,
    sample_size,
)

SIZES = (8, 12, 20, 50, 200)
DISCORDANCES = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4)
SPLITS = (0.5, 0.6, 0.75, 0.9, 1.0)  # the share of the discordant pairs that is better: none, to one-sided
counts = st.integers(0, 400)
cached_interval = cache(paired_interval)
cached_gain = cache(gain_interval)


def outcomes(total: int, *shares: float) -> Iterator[tuple[tuple[int, ...], float]]:
    """Stream counts of all but the last kind with their multinomial chance, but for those rarer than 1e-7."""
    spans = []
    for share in shares:
        spread = 6 * math.sqrt(total * share * (1 - share)) + 2
        spans.append(range(max(0, int(total * share - spread)), min(total, int(total * share + spread)) + 1))
    ways = math.lgamma(total + 1)
    for some in product(*spans):
        if (rest := total - sum(some)) >= 0:
            kinds = [*zip(some, shares, strict=True), (rest, max(0.0, 1 - sum(shares)))]
            if all(share > 1e-12 or not count for count, share in kinds):
                logs = (count * math.log(share) - math.lgamma(count + 1) for count, share in kinds if count)
                yield some, math.exp(ways + sum(logs))


@pytest.mark.slow
@pytest.mark.parametrize("total", SIZES)
def test_the_interval_of_a_difference_holds_it_in_93_of_100_studies(total: int) -> None:
    for discordance, split in product(DISCORDANCES, SPLITS):
        better, worse = discordance * split, discordance * (1 - split)
        held = whole = 0.0
        for (won, lost), chance in outcomes(total, better, worse):
            low, high = cached_interval(won, lost, total)
            whole += chance
            held += chance * (low - 1e-9 <= better - worse <= high + 1e-9)
        assert whole > 0.9999 and held >= 0.93, (discordance, split)


@pytest.mark.parametrize("total", [8, 12, 20])
@pytest.mark.parametrize("both", [0.0, 0.05, 0.4, 0.8])
def test_the_interval_of_a_gain_holds_it_in_93_of_100_studies(total: int, both: float) -> None:
    for discordance, split in product((0.05, 0.2, 0.4), (0.0, 0.5, 0.8, 1.0)):
        shares = both * (1 - discordance), discordance * split, discordance * (1 - split)
        if not shares[0] + shares[2]:
            continue
        gain = (shares[1] - shares[2]) / (shares[0] + shares[2])
        held = 0.0
        for some, chance in outcomes(total, *shares):
            low, high = cached_gain(*some, total)
            held += chance * (low - 1e-9 <= gain <= high + 1e-9)
        assert held >= 0.93, (discordance, split)


@pytest.mark.parametrize(("better", "worse", "total"), [(2, 1, 12), (9, 1, 44), (30, 30, 200), (5, 2, 8)])
def test_at_the_ends_of_the_difference_the_score_is_196_standard_errors(better: int, worse: int, total: int) -> None:
    for end, sign in zip(paired_interval(better, worse, total), (1, -1), strict=True):

        def unlikely(share: float, end: float = end) -> float:
            cells = (better, share + end), (worse, share), (total - better - worse, 1 - 2 * share - end)
            return -sum(count * math.log(one) for count, one in cells)

        bounds = max(0.0, -end) + 1e-9, (1 - end) / 2 - 1e-9
        share = scipy.optimize.minimize_scalar(unlikely, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x
        error = math.sqrt(total * (2 * share + end - end**2))
        assert (better - worse - total * end) / error == pytest.approx(sign * 1.959964, abs=1e-3)


@pytest.mark.parametrize(("both", "better", "worse", "total"), [(2, 5, 1, 8), (9, 1, 4, 44), (30, 30, 25, 200)])
def test_at_the_ends_of_the_gain_the_score_is_196_standard_errors(
    both: int, better: int, worse: int, total: int
) -> None:
    for end, sign in zip(gain_interval(both, better, worse, total), (1, -1), strict=True):
        ratio, right = 1 + end, (both + better + worse) / total

        def unlikely(share: float, ratio: float = ratio, right: float = right) -> float:
            fewer = ratio * share - (ratio - 1) * right
            cells = (better, share), (worse, fewer), (both, right - share - fewer)
            return -sum(count * math.log(one) for count, one in cells)

        bounds = max(0.0, right * (ratio - 1) / ratio) + 1e-9, right * ratio / (1 + ratio) - 1e-9
        share = scipy.optimize.minimize_scalar(unlikely, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x
        error = math.sqrt(total * ratio * (share + ratio * share - (ratio - 1) * right))
        assert (both + better - ratio * (both + worse)) / error == pytest.approx(sign * 1.959964, abs=1e-3)


def test_no_discordant_pair_and_nothing_but_them_are_not_certain() -> None:
    assert paired_interval(0, 0, 12) == pytest.approx((-0.2425, 0.2425), abs=1e-4)
    assert paired_interval(12, 0, 12) == pytest.approx((0.5150, 1.0), abs=1e-4)


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 200), st.integers(0, 200))
def test_a_difference_and_a_gain_are_not_0_together_and_lie_within_their_intervals(
    better: int, worse: int, both: int, neither: int
) -> None:
    total = better + worse + both + neither
    low, high = paired_interval(better, worse, total)
    least, most = gain_interval(both, better, worse, total)
    if total:
        assert low <= (better - worse) / total <= high
        assert paired_interval(worse, better, total) == pytest.approx((-high, -low), abs=1e-9)
    if both + worse > 1 and both + better > 1:
        assert least <= (better - worse) / (both + worse) <= most
        assert (low > 1e-9, high < -1e-9) == (least > 1e-9, most < -1e-9)


def test_the_gain_over_a_rate_that_may_be_0_has_no_upper_end() -> None:
    assert gain_interval(0, 4, 0, 8)[1] == gain_interval(1, 4, 0, 8)[1] == math.inf
    assert gain_interval(2, 5, 1, 8)[1] < math.inf
    assert gain_interval(0, 0, 3, 8)[0] == -1.0 and gain_interval(0, 0, 0, 8) == (-1.0, math.inf)


def test_relative_gain_is_the_papers() -> None:
    assert relative_gain(0.42, 0.2) == pytest.approx(1.1)
    assert relative_gain(0.42, 0.0) is None


# --- the exact test


@given(counts, counts)
def test_mcnemar_is_the_binomial_test_of_the_discordant_pairs(better: int, worse: int) -> None:
    expected = scipy.stats.binomtest(better, better + worse).pvalue if better + worse else 1.0
    assert mcnemar_exact(better, worse) == pytest.approx(expected, rel=1e-7)


def test_mcnemar_by_hand() -> None:
    assert mcnemar_exact(5, 0) == pytest.approx(2 / 2**5)
    assert mcnemar_exact(1, 9) == pytest.approx(2 * (1 + 10) / 2**10)
    assert mcnemar_exact(3, 3) == 1.0


# --- its power


def enumerated(total: int, discordance: float, difference: float, alpha: float) -> float:
    """The chance of all outcomes that the test finds significant."""
    shares = (discordance + difference) / 2, (discordance - difference) / 2
    return sum(chance for some, chance in outcomes(total, *shares) if mcnemar_exact(*some) <= alpha)


@pytest.mark.parametrize("figures", [(12, 0.33, 0.33), (40, 0.4, 0.2), (120, 0.25, 0.1), (60, 0.3, 0.0)])
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_the_power_is_the_chance_of_the_outcomes_that_are_significant(
    figures: tuple[int, float, float], alpha: float
) -> None:
    assert mcnemar_power(*figures, alpha) == pytest.approx(enumerated(*figures, alpha), abs=1e-5)


def test_a_third_of_twelve_problems_is_found_in_17_of_100_studies_only() -> None:
    assert mcnemar_power(12, 0.33, 0.33) == pytest.approx(0.171, abs=0.001)


@pytest.mark.parametrize("total", [5, 12, 50, 200])
@pytest.mark.parametrize("discordance", [0.0, 0.05, 0.2, 0.4, 0.8, 1.0])
def test_the_detectable_difference_is_the_least_with_its_power(total: int, discordance: float) -> None:
    found = minimum_detectable_difference(total, discordance)
    if found is None:
        assert mcnemar_power(total, discordance, discordance) < 0.8
        return
    assert found <= discordance
    assert mcnemar_power(total, discordance, found) >= 0.8 > mcnemar_power(total, discordance, found - 1e-4)


@pytest.mark.parametrize("total", range(6))
def test_nothing_is_detectable_where_no_outcome_is_significant(total: int) -> None:
    assert min([mcnemar_exact(better, total - better) for better in range(total + 1)], default=1.0) > 0.05
    assert minimum_detectable_difference(total, 1.0) is None


def test_detectable_differences_of_the_papers_sizes() -> None:
    points = [minimum_detectable_difference(n, 0.3) for n in (200, 500, 1319)]
    assert [round(100 * (one or 0), 1) for one in points] == [11.1, 7.0, 4.3]


@pytest.mark.parametrize(("difference", "discordance"), [(0.1, 0.3), (0.3, 0.3), (0.05, 0.1), (-0.2, 0.4), (0.02, 0.3)])
def test_the_sample_size_is_the_least_with_its_power(difference: float, discordance: float) -> None:
    size = sample_size(difference, discordance)
    assert mcnemar_power(size, discordance, difference) >= 0.8 > mcnemar_power(size - 1, discordance, difference)


def test_a_difference_above_the_discordance_has_no_sample_size() -> None:
    with pytest.raises(ValueError, match="no number of pairs"):
        sample_size(0.3, 0.2)


# --- tables of seeds and problems


def test_of_one_seed_the_difference_is_that_of_the_pairs() -> None:
    found = crossed_difference([[1] * 6 + [0] * 6], [[0] * 4 + [1] * 2 + [1] + [0] * 5])
    assert (found.value, found.low, found.high) == (3 / 12, *paired_interval(4, 1, 12))
    assert found.p == mcnemar_exact(4, 1)


def test_of_several_seeds_the_interval_and_p_are_over_seeds_too() -> None:
    old = [[int(place % 10 < 4) for place in range(100)]] * 3
    steady = crossed_difference([[int(place % 10 < 6) for place in range(100)]] * 3, old)
    wavering = crossed_difference([[int(place % 10 < right) for place in range(100)] for right in (3, 6, 9)], old)
    assert (steady.value, wavering.value) == pytest.approx((0.2, 0.2))
    assert steady.low > 0 > wavering.low and steady.p < 0.05 < wavering.p


def test_nothing_paired_says_nothing() -> None:
    assert paired_interval(0, 0, 0) == (-1.0, 1.0)
    assert crossed_difference([], []).p == crossed_difference([[]], [[]]).p == 1.0
    assert crossed_difference([[1, 0]] * 3, [[1, 0]] * 3).value == 0.0


@pytest.mark.parametrize("problems", [2, 3, 5, 12])
def test_the_interval_of_a_ratio_of_means_holds_it_in_91_of_100_studies(problems: int) -> None:
    random, held, studies = Random(1), 0, 1_000
    for _ in range(studies):
        rows = [(4 * math.exp(size + random.gauss(0, 0.3)), math.exp(size / 2)) for size in gausses(random, problems)]
        low, high = ratio_of_means_interval([one for one, _ in rows], [other for _, other in rows])
        held += low <= 4 * math.exp((0.35**2 + 0.3**2 - 0.35**2 / 4) / 2) <= high
    assert 0.91 <= held / studies <= 0.98
    assert ratio_of_means_interval([3.0], [2.0]) == (0.0, math.inf)


def gausses(random: Random, count: int) -> list[float]:
    return [random.gauss(0, 0.35) for _ in range(count)]
