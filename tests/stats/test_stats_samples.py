"""pass@k and maj@k against every draw of k samples."""

from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepdown.stats import majority_at, pass_at

sizes = st.lists(st.integers(1, 3), max_size=3).map(tuple)


def drawn(k: int, right: tuple[int, ...], wrong: tuple[int, ...], silent: int) -> float:
    """The mean over all draws of k: the share of the winning groups that is right."""
    answers = [f"right {place}" for place, size in enumerate(right) for _ in range(size)]
    answers += [f"wrong {place}" for place, size in enumerate(wrong) for _ in range(size)]
    shares = []
    for some in combinations([*answers, *[""] * silent], k):
        votes = Counter(filter(None, some))
        first = [answer for answer, count in votes.items() if count == max(votes.values())]
        shares.append(sum(answer.startswith("right") for answer in first) / len(first) if first else 0.0)
    return sum(shares) / len(shares)


@given(sizes, sizes, st.integers(0, 2), st.integers(1, 9))
def test_the_vote_of_k_is_the_mean_over_all_draws_of_k(
    right: tuple[int, ...], wrong: tuple[int, ...], silent: int, k: int
) -> None:
    if (total := sum(right) + sum(wrong) + silent) > 10 or k > total:
        return
    assert majority_at(k, right, wrong, silent) == pytest.approx(drawn(k, right, wrong, silent))


@given(st.integers(1, 8), st.data())
def test_pass_at_k_is_the_share_of_draws_with_a_right_one(total: int, data: st.DataObject) -> None:
    right, k = data.draw(st.integers(0, total)), data.draw(st.integers(1, total))
    draws = list(combinations([1] * right + [0] * (total - right), k))
    assert pass_at(k, total, right) == pytest.approx(sum(map(any, draws)) / len(draws))


def test_of_all_samples_the_vote_is_who_has_most_and_ties_are_shared() -> None:
    assert majority_at(6, (3,), (2, 1)) == 1.0
    assert majority_at(6, (2,), (2, 1), silent=1) == 0.5
    assert majority_at(3, (), (), silent=3) == 0.0
    assert majority_at(1000, (400,), (1,) * 600) == 1.0
