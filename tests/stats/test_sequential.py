"""Comparisons that may be stopped at any pair: false alarms, what they find, and intervals that hold all along."""

from random import Random

import pytest

from stepdown.stats import PairedSequence, gain_at_any_time, share_interval


def after(better: int, worse: int, same: int, margin: float = 0.1) -> PairedSequence:
    test = PairedSequence(margin)
    for step in (*[1] * better, *[-1] * worse, *[0] * same):
        test.add(step)
    return test


def test_a_difference_that_is_not_there_is_hardly_ever_found_whenever_one_looks() -> None:
    draw, alarms = Random(3), 0
    for _ in range(150):
        test = PairedSequence(0.4)
        for _ in range(120):
            test.add(draw.choice((1, -1, 0)))
        alarms += test.p <= 0.05
    assert 0 < alarms <= 12


def test_evidence_only_grows_and_p_is_one_over_it() -> None:
    test, ps = PairedSequence(0.1), list[float]()
    for step in (1, 1, 1, 1, -1, -1, -1, 1):
        test.add(step)
        ps.append(test.p)
    assert ps == sorted(ps, reverse=True) and test.evidence == pytest.approx(max(1.0, 1 / test.p))


def test_wins_alone_are_a_difference_and_losses_the_same_the_other_way_round() -> None:
    won, lost = after(40, 0, 0), after(0, 40, 0)
    assert won.p == lost.p < 0.05
    assert won.interval()[0] > 0 and won.interval() == pytest.approx(tuple(-end for end in reversed(lost.interval())))


def test_the_interval_leaves_nothing_out_just_where_p_says_so() -> None:
    for better in range(0, 60, 4):
        test = after(better, 10, 20)
        low, high = test.interval(0.95)
        assert (low > 0 or high < 0) == (test.p <= 0.05)
        assert low <= test.difference <= high


def test_many_equal_pairs_are_less_than_the_margin_but_no_difference() -> None:
    test = after(0, 0, 60)
    assert test.is_small(0.8) and test.p == 1.0
    assert not after(0, 0, 3).is_small(0.8)


def test_a_share_has_an_interval_wider_than_one_that_is_looked_at_once() -> None:
    low, high = share_interval(50, 100)
    assert 0.33 < low < 0.40 and high == pytest.approx(1 - low)
    assert share_interval(0, 20)[0] == 0.0 and share_interval(0, 0) == (0.0, 1.0)


def test_a_gain_has_an_interval_that_holds_at_all_times() -> None:
    draw, missed = Random(8), 0
    for _ in range(80):
        new = old = 0
        for pairs in range(1, 150):
            new, old = new + (draw.random() < 0.6), old + (draw.random() < 0.4)
            low, high = gain_at_any_time(new, old, pairs) if pairs % 10 == 0 else (-1.0, float("inf"))
            if not low <= 0.5 <= high:
                missed += 1
                break
    assert missed <= 4


def test_the_gain_over_nothing_right_has_no_end() -> None:
    assert gain_at_any_time(5, 0, 10)[1] == float("inf") and gain_at_any_time(0, 0, 0) == (-1.0, float("inf"))
