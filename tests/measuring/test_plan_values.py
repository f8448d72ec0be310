"""What a plan is worth: right with it minus right without it, and who may be compared with whom."""

from collections.abc import Sequence

import msgspec
import pytest

from stepdown.errors import UsageError
from stepdown.measuring import PlanValues, paired_plans, value_plans
from stepdown.store import Store
from stepdown.types import Sampling
from valued_plans import ADD, GUESS, TELLS, WARM, alone, with_plans


def valued(store: Store, *rows: Sequence[tuple[str, str]], without: Sequence[str]) -> PlanValues:
    return value_plans([with_plans(store, *rows)], alone(store, *without))[0]


def test_a_plan_is_worth_what_it_adds_to_right_solutions(store: Store) -> None:
    found = valued(store, [(ADD, "rrrw"), (GUESS, "wwww")], without=["rwww"])
    assert [(one.plan, one.value, one.kept) for one in found.plans] == [(ADD, 0.5, True), (GUESS, -0.25, False)]
    assert found.plans[0].low < 0.5 < found.plans[0].high and found.kept == 1


def test_a_plan_that_tells_the_answer_or_has_no_end_is_not_kept(store: Store) -> None:
    found = valued(store, [(TELLS, "rr"), ("1. Add the...", "rr"), (ADD, "rr")], without=["ww"])
    assert [(one.value, one.leaks, one.cut, one.kept) for one in found.plans] == [
        (1.0, True, False, False), (1.0, False, True, False), (1.0, False, False, True),
    ]  # fmt: skip
    assert (found.leaking, found.cut, found.kept, found.of_kept) == (1, 1, 1, None)


def test_a_plan_without_a_word_is_never_learned_from_and_may_be_the_worse_of_a_pair(store: Store) -> None:
    rows = [[(" \n", "rr"), (ADD, "ww")], [(ADD, "rr"), (" ", "ww")]]
    found, plans = value_plans([with_plans(store, *rows)], alone(store, "ww", "ww"))
    assert [(one.plan, one.value, one.kept) for one in found.plans if one.value] == [
        (" \n", 1.0, False),
        (ADD, 1.0, True),
    ]
    assert [(one.value.plan, other.value.plan) for one, other in paired_plans(plans, 0.5)] == [(ADD, " ")]


def test_equal_plans_are_one_and_failed_solutions_count_neither_way(store: Store) -> None:
    [plan] = valued(store, [(ADD, "r-"), (ADD, "ww")], without=["w-"]).plans
    assert (plan.right, plan.graded, plan.graded_without) == (1, 3, 1)


def test_the_choice_flatters_and_draws_without_a_part_in_it_do_not(store: Store) -> None:
    found = valued(store, *[[(ADD, "rwrw")]] * 2, without=["wwww", "wwww"])
    assert found.all_plans is not None and found.of_kept is not None and found.by_other_draws is not None
    assert (found.of_kept.value, found.by_other_draws.value) == (0.5, 0.0)


def test_plans_that_are_all_worth_the_same_leave_what_chance_may_have_missed(store: Store) -> None:
    summary, _ = value_plans([with_plans(store, *[[(ADD, "rr")]] * 4)], alone(store, *["ww"] * 4))
    every = summary.all_plans
    assert every and every.value == every.high == 1.0 and every.low == pytest.approx(1 - 2 * (1 - 0.025**0.25))


def test_pairs_are_of_one_problem_and_far_enough_apart(store: Store) -> None:
    plans = [(ADD, "rr"), (GUESS, "ww"), ("1. Count.", "rw"), ("1. Hope.", "ww")]
    _, found = value_plans([with_plans(store, plans, [(f"{text}!", "rr") for text, _ in plans])],
                           alone(store, "ww", "ww"))  # fmt: skip
    pairs = [(one.value.plan, other.value.plan) for one, other in paired_plans(found, 0.5)]
    assert pairs == [(ADD, "1. Hope."), ("1. Count.", GUESS)]
    assert len(list(paired_plans(found, 0.6))) == 1


@pytest.mark.parametrize(
    ("student", "sampling", "said"),
    [
        ("other", WARM, "is by `s`"),
        ("s", Sampling(temperature=1.0), "are drawn otherwise"),
        ("s", Sampling(temperature=0.7, max_tokens=64), "are drawn otherwise"),
        ("s", Sampling(temperature=0.7, reasoning_effort="high"), "are drawn otherwise"),
    ],
)
def test_runs_that_differ_in_more_than_the_plan_are_refused(
    student: str, sampling: Sampling, said: str, store: Store
) -> None:
    with pytest.raises(UsageError, match=said):
        value_plans([with_plans(store, [(ADD, "rr")])], alone(store, "ww", student=student, sampling=sampling))


def test_plans_that_are_followed_by_two_methods_are_refused_whose_draws_would_stand_for_one_another(
    store: Store,
) -> None:
    planned, plain = with_plans(store, [(ADD, "rr")]), alone(store, "ww")
    reminded = store.run(planned.id)
    reminded.settings = msgspec.structs.replace(planned.settings, method="step-reminders")
    for runs in ([planned, reminded], [reminded, planned]):
        with pytest.raises(UsageError, match="`step-reminders` and `trace-of-thought`") as refused:
            value_plans(runs, plain)
        assert refused.value.hint == "value the plans of one method at a time"
    assert value_plans([planned], plain)[0].plans[0].graded == 2


def test_runs_that_two_graders_judged_are_refused_with_the_way_out(store: Store) -> None:
    planned, plain = with_plans(store, [(ADD, "rr")]), alone(store, "ww")
    plain.grader = "strict@2"
    with pytest.raises(UsageError, match=r"is graded by `default@2`, and run `.*` by `strict@2`") as refused:
        value_plans([planned], plain)
    assert refused.value.hint == f"`stepdown grade {plain.id} --grader default` grades it alike"


def test_a_run_with_plans_is_no_baseline_and_other_problems_are_none(store: Store) -> None:
    run = with_plans(store, [(ADD, "rr")])
    with pytest.raises(UsageError, match="has plans itself"):
        value_plans([run], run)
    with pytest.raises(UsageError, match="has no graded solution of a problem"):
        value_plans([run], alone(store, "ww", start=5))
