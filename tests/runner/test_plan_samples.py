"""Several plans of a problem: each is drawn once, and the solutions take turns among them."""

import re

import pytest

from stepdown.errors import UsageError
from stepdown.models import Prices, ScriptedModel
from stepdown.runner import estimate, plain, run
from stepdown.runner.task import Task
from stepdown.store import Run, Store
from stepdown.types import Messages, Sampling
from worlds import DIRECT, TRACED, LastWord, student, sums

WARM = Sampling(temperature=0.7)


def planner() -> ScriptedModel:
    return ScriptedModel(lambda messages, sampling, sample: f"1. Add one, way {sample}.", "planner")


def way_of(messages: Messages, sampling: Sampling, sample: int) -> str:
    """Say which plan was followed."""
    found = re.search(r"way (\d+)", messages[-1].content)
    return found[0] if found else ""


def drawn(store: Store, samples: int, plans: int, problems: int = 2) -> Run:
    return run(sums(problems), "trace-of-thought", student=ScriptedModel(way_of), teacher=planner(), samples=samples,
               plan_samples=plans, sampling=WARM, teacher_sampling=WARM, store=store)  # fmt: skip


def task(**changed: object) -> Task:
    settings = {"samples": 4, "plan_samples": 2, "sampling": WARM, "teacher_sampling": WARM, "teacher": planner()}
    given = {"problems": sums(2), "method": TRACED, "student": student(), "grader": LastWord(), **settings, **changed}
    return Task(**given)  # type: ignore[arg-type]


def test_solutions_take_turns_among_the_plans(store: Store) -> None:
    traces = list(drawn(store, 4, 2))
    assert [trace.solution for trace in traces[:4]] == ["way 0", "way 1", "way 0", "way 1"]
    assert [trace.sample for trace in traces] == [0, 1, 2, 3] * 2
    assert [trace.plan.text for trace in traces[:2] if trace.plan] == ["1. Add one, way 0.", "1. Add one, way 1."]


def test_more_solutions_ask_for_no_plan_and_no_solution_again(store: Store) -> None:
    drawn(store, 4, 2)
    before = store.value("select count(*) from calls")
    more = drawn(store, 8, 2)
    assert before == 2 * (2 + 4) and store.value("select count(*) from calls") == 2 * (2 + 8)
    assert more.id != drawn(store, 8, 1).id


def test_a_run_of_several_plans_counts_each_plan_once(store: Store) -> None:
    traces = list(drawn(store, 4, 2, problems=1))
    fresh = [[call.role for call in trace.calls if not call.reply.cached] for trace in traces]
    assert fresh == [["teacher", "student"]] * 2 + [["student"]] * 2


def test_an_estimate_knows_of_all_plans(store: Store) -> None:
    assert plain(estimate(task(), store, Prices())).calls == 2 * (2 + 4)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"samples": 3}, "`3` solutions cannot be shared evenly among `2` plans"),
        ({"teacher_sampling": Sampling()}, "`2` greedy plans would all be the same"),
        ({"plan_samples": 0}, "`0` plans per problem"),
        ({"plan_samples": 65, "samples": 65}, "`65` plans per problem"),
    ],
)
def test_plans_that_would_be_one_or_uneven_are_refused(changed: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        task(**changed).check()


def test_a_method_without_plans_has_one_setting_less() -> None:
    assert task(method=DIRECT).settings() == task(method=DIRECT, plan_samples=1).settings()
