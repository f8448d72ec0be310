"""A run asks each call once, records what fails, stops when told and goes on where it stopped."""

import asyncio
import gc
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from stepdown.custom import CustomModel
from stepdown.errors import BudgetReached, CallFailed, EndpointRefused, StepdownError, UsageError
from stepdown.models import ScriptedModel
from stepdown.runner import (
    Budget,
    Plans,
    RunOutcome,
    Stop,
    Task,
    as_problems,
    load_plans,
    model_of_run,
    rare_collections,
    run_task,
)
from stepdown.store import Store
from stepdown.types import Capabilities, Messages, Model, Problem, Reply, Sampling
from worlds import DIRECT, TRACED, Cents, LastWord, direct, solver, student, sums, teacher


def go(task: Task, store: Store, budget: Budget | None = None, stop: Stop | None = None) -> RunOutcome:
    return asyncio.run(run_task(task, store, budget=budget, stop=stop))


def traced(count: int, small: Model, **changes: object) -> Task:
    return Task(**{  # type: ignore[arg-type]
        "problems": sums(count), "method": TRACED, "student": small, "teacher": teacher(), "grader": LastWord(),
        **changes,
    })  # fmt: skip


def test_every_problem_is_solved_and_graded(store: Store) -> None:
    outcome = go(traced(40, student()), store)
    assert (outcome.counts.right, outcome.counts.graded, outcome.counts.total) == (40, 40, 40)
    assert [t.problem.id for t in outcome.run.traces()] == [f"sums/test/{n}" for n in range(40)]


def test_a_second_run_asks_nothing(store: Store) -> None:
    go(traced(10, student()), store)
    small, big = student(), teacher()
    outcome = go(traced(10, small, teacher=big), store)
    assert not small.calls and not big.calls
    assert (outcome.counts.right, outcome.counts.calls) == (10, 0)


def test_a_second_student_is_given_the_plans_that_were_paid_for(store: Store) -> None:
    go(traced(10, student("a")), store)
    big = teacher()
    go(traced(10, student("b"), teacher=big), store)
    assert not big.calls


def test_the_student_sees_the_plan_the_teacher_wrote(store: Store) -> None:
    small = student()
    go(traced(1, small), store)
    assert "2. Add one to it." in small.calls[0].messages[-1].content


def test_a_failed_call_is_its_problems_error_and_is_tried_again(store: Store) -> None:
    def flaky(messages: Messages, sampling: Sampling, sample: int) -> str | Exception:
        return CallFailed("the line is down") if "What is 3 " in messages[-1].content else solver(messages, sampling, 0)

    first = go(direct(5, ScriptedModel(flaky, "student", version="1")), store)
    assert (first.counts.right, first.counts.graded, first.counts.errors) == (4, 4, 1)
    assert first.run.trace("sums/test/3").error == "the line is down"
    small = ScriptedModel(solver, "student", version="1")
    again = go(direct(5, small), store)
    assert (again.counts.right, len(small.calls)) == (5, 1)


def test_a_refused_key_stops_the_run_and_keeps_what_was_answered(store: Store) -> None:
    def refusing(messages: Messages, sampling: Sampling, sample: int) -> str | Exception:
        return EndpointRefused("401") if "What is 30 " in messages[-1].content else solver(messages, sampling, 0)

    with pytest.raises(EndpointRefused):
        go(direct(100, ScriptedModel(refusing, "student", width=2)), store)
    assert 20 <= len(store.runs()[0]) < 40


def test_a_bug_stops_the_run(store: Store) -> None:
    with pytest.raises(TypeError, match="a bug"):
        go(direct(3, ScriptedModel(lambda *_: TypeError("a bug"), "student")), store)


def test_a_stop_finishes_what_was_begun(store: Store) -> None:
    stop = Stop()

    def stopping(messages: Messages, sampling: Sampling, sample: int) -> str:
        stop(StepdownError("enough"))
        return solver(messages, sampling, sample)

    outcome = go(direct(1000, ScriptedModel(stopping, "student", width=2)), store, stop=stop)
    assert outcome.stopped is not None and outcome.stopped.what == "enough"
    assert 1 <= outcome.counts.solved == len(outcome.run) <= 4


def test_samples_of_one_prompt_share_a_request_and_a_plan(store: Store) -> None:
    requests: list[int] = []

    class Counting(ScriptedModel):
        async def reply(self, messages: Messages, sampling: Sampling, n: int = 1) -> list[Reply]:
            requests.append(n)
            return await super().reply(messages, sampling, n)

    big, small = teacher(), Counting(solver, "student")
    outcome = go(traced(3, small, teacher=big, samples=5, sampling=Sampling(0.7)), store)
    assert requests == [5, 5, 5] and len(big.calls) == 3
    assert outcome.counts.total == outcome.counts.right == 15


def test_greedy_samples_are_refused_before_any_call(store: Store) -> None:
    small = student()
    with pytest.raises(UsageError, match="would all be the same"):
        go(traced(3, small, samples=5), store)
    assert not small.calls


def test_trace_of_thought_without_a_teacher_is_refused(store: Store) -> None:
    with pytest.raises(UsageError, match="there is no teacher"):
        go(traced(3, student(), teacher=None), store)


def test_a_student_can_write_its_own_plans(store: Store) -> None:
    small = student()
    outcome = go(traced(3, small, teacher=None, plans=Plans(source="own")), store)
    assert outcome.run.settings.teacher == "student"
    assert len(small.calls) == 6


def test_plans_of_an_earlier_run_are_given_to_another_student(store: Store) -> None:
    earlier = go(traced(3, student("a")), store).run
    plans = load_plans(earlier.id, find_run=store.run)
    outcome = go(traced(3, student("b"), teacher=None, plans=plans), store)
    assert outcome.counts.right == 3
    assert {trace.plan.author for trace in outcome.run.traces() if trace.plan} == {"teacher"}


def test_an_edited_plan_makes_another_run(store: Store) -> None:
    earlier = go(traced(3, student("a")), store).run
    before = load_plans(earlier.id, find_run=store.run).name
    earlier.put_edit("sums/test/1", earlier.trace("sums/test/1").plan.edit("Add 1.", author="ann"))  # type: ignore[union-attr]
    assert load_plans(earlier.id, find_run=store.run).name != before


def test_a_recorded_run_replays_without_its_models(store: Store, tmp_path: Path) -> None:
    earlier = go(traced(5, student()), store).run
    recording = model_of_run(earlier)
    with Store(tmp_path / "other.sqlite") as other:
        outcome = go(traced(5, recording, teacher=recording), other)
        assert [t.solution for t in outcome.run.traces()] == [t.solution for t in earlier.traces()]


def test_shuffled_plans_belong_to_the_next_problem(store: Store) -> None:
    big = ScriptedModel(lambda messages, *_: f"1. About {messages[-1].content.split()[3]}.", "teacher")
    outcome = go(traced(3, student(), teacher=big, plans=Plans(control="shuffled")), store)
    texts = [trace.plan.text for trace in outcome.run.traces() if trace.plan]
    assert texts == ["1. About 1.", "1. About 2.", "1. About 0."]


def test_a_budget_is_never_passed_and_a_larger_one_goes_on(store: Store) -> None:
    task = Task(problems=sums(20), method=DIRECT, student=student(), grader=LastWord(), sampling=Sampling(max_tokens=5))
    budget = Budget(Cents(), money=0.21)
    stopped = go(task, store, budget)
    assert isinstance(stopped.stopped, BudgetReached)
    assert 0.16 < budget.spent_money <= 0.21
    larger = Budget(Cents(), money=1.0)
    for model, usage in store.paid([stopped.run.id]):
        larger.add(model, usage)
    assert go(task, store, larger).counts.right == 20
    assert larger.spent_money == pytest.approx(0.40)


def test_a_budget_in_tokens_holds(store: Store) -> None:
    task = Task(problems=sums(50), method=DIRECT, student=student(), grader=LastWord(), sampling=Sampling(max_tokens=5))
    budget = Budget(Cents(), tokens=500)
    assert isinstance(go(task, store, budget).stopped, BudgetReached)
    assert 0 < budget.spent_tokens <= 500


def test_an_unknown_price_is_refused_before_any_call(store: Store) -> None:
    small = ScriptedModel(solver, "mystery")
    with pytest.raises(UsageError, match="price of `mystery` is unknown"):
        go(direct(3, small), store, Budget(Cents(), money=1))
    assert not small.calls


def test_two_problems_with_one_question_share_a_call(store: Store) -> None:
    small = student()
    rows = [Problem(f"twins/{n}", "What is 4 plus one?", "5") for n in range(2)]
    go(Task(problems=as_problems(rows), method=DIRECT, student=small, grader=LastWord()), store)
    assert len(small.calls) == 1


class Unready:
    name = "mine"


class Undecided(CustomModel):
    name = "mine"

    async def stream(self, messages: Messages, sampling: Sampling) -> AsyncGenerator[str | Reply, None]:
        yield "4"

    async def reply(self, messages: Messages, sampling: Sampling, n: int = 1) -> list[Reply]:
        return [Reply("4", "mine")]


@pytest.mark.parametrize(
    "model, what",
    [
        (Unready(), "`Unready` is not a model: it has no `capabilities`, `width`, `backoff`, `prepare`, `reply`"),
        (Undecided(), "`Undecided` has a `stream` that its capabilities deny"),
    ],
)
def test_what_a_model_lacks_is_named_before_any_call(model: Any, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        direct(1, model)


def test_a_model_without_a_reply_cannot_be_made() -> None:
    class Silent(CustomModel):
        name = "mine"

    with pytest.raises(TypeError, match=r"abstract method .?reply"):
        Silent()  # type: ignore[abstract]


class LocalModel(CustomModel):
    name, capabilities = "embedded/small", Capabilities(local=True)

    async def reply(self, messages: Messages, sampling: Sampling, n: int = 1) -> list[Reply]:
        return [Reply("Answer: 1", self.name)]


@pytest.mark.parametrize("option", ["--reasoning-effort", "--teacher-reasoning-effort"])
def test_an_effort_that_a_model_has_no_setting_for_is_refused(option: str, store: Store) -> None:
    effort, takes = Sampling(reasoning_effort="low"), student()
    teaches = option.startswith("--teacher")
    changes = {"teacher": LocalModel(), "teacher_sampling": effort} if teaches else {"sampling": effort}
    with pytest.raises(UsageError, match="`embedded/small` has no setting for reasoning effort") as refused:
        go(traced(1, takes if teaches else LocalModel(), **changes), store)
    assert (refused.value.option, takes.calls) == (option, [])


@pytest.mark.parametrize("before", [(700, 10, 10), (200_000, 5, 5)])
def test_cycles_are_looked_for_rarely_and_then_as_before(before: tuple[int, int, int]) -> None:
    usual = gc.get_threshold()
    gc.set_threshold(*before)
    try:
        with rare_collections():
            assert gc.get_threshold() == (max(before[0], 100_000), *before[1:])
        assert gc.get_threshold() == before
    finally:
        gc.set_threshold(*usual)


def test_a_collector_that_was_off_stays_off() -> None:
    usual = gc.get_threshold()
    gc.set_threshold(0, *usual[1:])
    try:
        with rare_collections():
            assert gc.get_threshold()[0] == 0
    finally:
        gc.set_threshold(*usual)
