"""The variance of right and wrong: by hand where it is balanced, and covered by its intervals in simulation."""

import random
from collections import Counter

import pytest

from stepdown.stats import Outcomes, variance_split


def drawn(chance: random.Random, problems: int, *, plans: int = 4, each: int = 4) -> Counter[Outcomes]:
    """Outcomes of problems at .3 or .7, each plan .15 better or worse."""
    found: Counter[Outcomes] = Counter()
    for _ in range(problems):
        middle = chance.choice((0.3, 0.7))
        rates = [middle + chance.choice((-0.15, 0.15)) for _ in range(plans)]
        found[tuple((sum(chance.random() < rate for _ in range(each)), each) for rate in rates)] += 1
    return found


def test_the_parts_are_those_of_the_analysis_of_variance() -> None:
    # Two problems, two plans, two solutions: mean squares of 1/8 between problems, 1/8 between plans, 3/8 within.
    split = variance_split({((2, 2), (1, 2)): 1, ((1, 2), (1, 2)): 1})
    assert split is not None
    assert split.solutions.value == pytest.approx(3 * 0.5 / 4)
    assert split.plans.value == 0.0 and split.problems.value == 0.0
    assert (split.over, split.plans_tried, split.solutions.share) == (2, 4, 1.0)


def test_plans_that_decide_everything_have_all_of_the_variance() -> None:
    split = variance_split({((3, 3), (0, 3)): 40})
    assert split is not None and (split.plans.share, split.solutions.value) == (1.0, 0.0)
    assert split.solutions_a_plan(100, 10) == 1.0


def test_the_intervals_cover_what_is_true() -> None:
    chance, true, covered = random.Random(3), (0.2**2, 0.15**2, 0.1875), [0, 0, 0]
    for _ in range(60):
        split = variance_split(drawn(chance, 60))
        assert split is not None
        for place, part in enumerate((split.problems, split.plans, split.solutions)):
            covered[place] += part.low <= true[place] <= part.high
    assert min(covered) >= 52, covered


def test_ungraded_solutions_and_plans_are_left_out() -> None:
    whole = variance_split({((2, 2), (0, 2)): 5, ((1, 2), (2, 2)): 5})
    assert whole == variance_split({((2, 2), (0, 2), (0, 0)): 5, ((0, 0), (1, 2), (2, 2)): 5})


@pytest.mark.parametrize("outcomes", [{}, {((1, 2),): 9}, {((1, 1), (0, 1)): 9}, {((1, 2), (0, 2)): 1}])
def test_what_cannot_be_told_apart_is_not_split(outcomes: dict[Outcomes, int]) -> None:
    assert variance_split(outcomes) is None
