"""Prediction-powered means: intervals that cover, and are narrower only where the judge is worth it."""

import numpy as np
import pytest

from stepdown.stats import MarkSums, PoweredMean, powered_mean, powered_of

MARKED, OTHERS, TRIALS = 50, 1950, 1000


def trials(right: float, misses: float, alarms: float) -> list[PoweredMean]:
    """Trials in which people say yes to a share of texts, a judge misses some of these and raises false alarms."""
    draw = np.random.default_rng(7)
    cells = [(1 - right) * (1 - alarms), (1 - right) * alarms, right * misses, right * (1 - misses)]
    tables = draw.multinomial(MARKED, cells, TRIALS).tolist()
    others = draw.binomial(OTHERS, cells[1] + cells[3], TRIALS).tolist()
    found = []
    for (_, alarm, miss, hit), more in zip(tables, others, strict=True):
        sums = MarkSums(MARKED, miss + hit, alarm + hit, miss + hit, alarm + hit, hit)
        found.append(powered_of(sums, (OTHERS, more, more)))
    return [one for one in found if one]


def covered(found: list[PoweredMean], truth: float) -> float:
    return sum(one.low <= truth <= one.high for one in found) / TRIALS


def narrowing(found: list[PoweredMean]) -> float:
    """The mean width of the interval beside that of people's marks alone."""
    return sum(one.high - one.low for one in found) / sum(one.alone_high - one.alone_low for one in found)


@pytest.mark.parametrize("right", [0.5, 0.8, 0.95])
@pytest.mark.parametrize("judge", [(0.0, 0.0), (0.04, 0.0), (0.0, 0.05), (0.2, 0.2), (0.02, 0.3), (0.5, 0.5)])
def test_fifty_marks_and_a_judges_two_thousand_cover_what_people_would_say(
    right: float, judge: tuple[float, float]
) -> None:
    assert covered(trials(right, *judge), right) >= 0.93


@pytest.mark.parametrize("right", [0.5, 0.8])
def test_a_good_judge_narrows_the_interval_and_a_useless_one_does_not_widen_it(right: float) -> None:
    assert narrowing(trials(right, 0.05, 0.05)) < 0.7
    assert 0.95 < narrowing(trials(right, 0.5, 0.5)) <= 1.02


def test_a_judge_who_is_wrong_in_one_direction_does_not_bias_the_mean() -> None:
    found = trials(0.6, 0.0, 0.5)  # says yes to 80 %
    assert np.mean([one.mean for one in found]) == pytest.approx(0.6, abs=0.005)


def test_marks_on_a_scale_cover_too_and_a_good_judge_narrows() -> None:
    draw = np.random.default_rng(3)
    marks = draw.choice(5, (400, 500), p=[0.1, 0.1, 0.2, 0.3, 0.3])
    judged = np.clip(marks + draw.choice([-1, 0, 0, 1], (400, 500)), 0, 4) / 4
    found = [
        powered_mean(MarkSums.of(zip(one[:50] / 4, other[:50], strict=True)), other[50:].tolist(), step=0.25)
        for one, other in zip(marks, judged, strict=True)
    ]
    assert np.mean([one is not None and one.low <= 0.65 <= one.high for one in found]) >= 0.93
    assert narrowing([one for one in found if one]) < 0.75


def test_marks_that_all_agree_have_an_interval_of_some_width() -> None:
    found = powered_mean(MarkSums.of([(1.0, 1.0)] * 20), [1.0] * 100)
    assert found and found.mean == found.high == 1.0 and found.low < 0.95


def test_without_a_mark_there_is_no_mean_and_without_other_texts_people_stand_alone() -> None:
    assert powered_mean(MarkSums(), [1.0, 0.0]) is None
    found = powered_mean(MarkSums.of([(1.0, 0.0), (0.0, 0.0), (1.0, 1.0)]), [])
    assert found and (found.mean, found.low, found.high) == (found.alone, found.alone_low, found.alone_high)
