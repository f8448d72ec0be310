"""The alarm for a share that has left what a calibration vouches for: false ones, and what it notices."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from stepdown.stats import drift, vouched_interval
from stepdown.stats.drift import SURE

TOTAL, SERVED, DRAWS = 100, 600, 600


def alarms(on: NDArray[np.bool_], edge: NDArray[np.float64], side: int) -> NDArray[np.bool_]:
    """Whether each row of questions raises the alarm after each of them, on one side: `drift` for all at once."""
    seen, count = np.arange(1, on.shape[1] + 1), on.cumsum(axis=1)
    before = np.where(on, count - 1, seen - 1 - count)
    mixture = np.log((before + 0.5) / seen).cumsum(axis=1)
    likelihood = count * np.log(edge)[:, None] + (seen - count) * np.log1p(-edge)[:, None]
    beyond = side * (count / seen - edge[:, None]) > 0
    found: NDArray[np.bool_] = beyond & (mixture - likelihood >= -math.log(1 - SURE))
    return found


def ever(share: float, becomes: float) -> float:
    """The share of calibrations and servings, each drawn anew, that ever raise the alarm."""
    random = np.random.default_rng(5)
    counts = random.binomial(TOTAL, share, DRAWS)
    vouched = np.clip([vouched_interval(int(one), TOTAL) for one in counts], 1e-12, 1 - 1e-12)
    on = random.random((DRAWS, SERVED)) < becomes
    return float((alarms(on, vouched[:, 0], -1) | alarms(on, vouched[:, 1], 1)).any(axis=1).mean())


def test_all_at_once_is_the_alarm_after_each_question() -> None:
    on = np.random.default_rng(1).random((4, 60)) < np.array([[0.02], [0.3], [0.6], [0.9]])
    low, high = vouched_interval(30, TOTAL)
    up, down = alarms(on, np.full(4, high), 1), alarms(on, np.full(4, low), -1)
    said = [[drift(int(row[: n + 1].sum()), n + 1, (low, high)) for n in range(60)] for row in on]
    assert (up.astype(int) - down).tolist() == said and {-1, 0, 1} == {one for row in said for one in row}


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
def test_a_share_that_stays_raises_hardly_any_alarm_however_long_it_is_watched(share: float) -> None:
    assert ever(share, share) <= 0.05


def test_a_share_that_doubles_or_halves_is_noticed() -> None:
    assert ever(0.3, 0.6) > 0.9 and ever(0.5, 0.25) > 0.9


def test_an_interval_widens_with_the_shares_it_was_picked_from_and_reaches_the_ends() -> None:
    (low, high), (lower, higher) = vouched_interval(30, TOTAL), vouched_interval(30, TOTAL, looks=5)
    assert lower < low < 0.3 < high < higher
    assert vouched_interval(0, TOTAL)[0] == 0.0 and vouched_interval(TOTAL, TOTAL)[1] == 1.0
    assert drift(0, 10_000, vouched_interval(0, TOTAL)) == 0
