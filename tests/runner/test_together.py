"""Runs at once: the same results as one after another, shared limits, plans asked for once, one budget, one stop."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stepdown.custom import CustomModel
from stepdown.errors import EndpointRefused, Interrupted
from stepdown.models import ScriptedModel
from stepdown.reports import report
from stepdown.runner import Budget, RunOutcome, Stop, Task, run_task, run_tasks, run_together
from stepdown.store import Store
from stepdown.types import Capabilities, Messages, Model, Reply, Sampling
from worlds import TRACED, Cents, LastWord, direct, solver, student, sums, teacher


def traced(count: int, small: Model, big: Model) -> Task:
    return Task(problems=sums(count), method=TRACED, student=small, teacher=big, grader=LastWord())


def together(tasks: Sequence[Task], store: Store, **options: Any) -> list[RunOutcome]:
    return asyncio.run(run_together(tasks, store, **options))


class Watched(CustomModel):
    """Adds one as `student` does, in some turns of the loop; keeps what it was asked and how many calls were at once.

    Where it is given an event it answers nothing before that is set.
    """

    def __init__(self, name: str = "watched", width: int = 4, *, gate: asyncio.Event | None = None) -> None:
        self.name, self.width, self.gate = name, width, gate
        self.capabilities = Capabilities(source="watched")
        self.asked: list[str] = []
        self.under_way = self.most = 0

    async def reply(self, messages: Messages, sampling: Sampling, n: int = 1) -> list[Reply]:
        self.asked.append(messages[-1].content)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await (self.gate.wait() if self.gate else asyncio.sleep(0))
        self.under_way -= 1
        return [Reply(text=solver(messages, sampling, 0), model=self.name)] * n


def grid() -> list[Task]:
    big, small = teacher(), student()
    return [direct(9, small), traced(9, small, big), traced(9, student("other"), big), direct(5, student("other"))]


def contents(store: Store) -> list[Any]:
    """All that a store keeps of calls, traces and grades but when it was written."""
    tables = {
        "calls": "key, model, source, request, sample, reply, run", "traces": "*", "grades": "*", "problems": "*",
        "runs": "id, settings, grader",
    }  # fmt: skip
    return [sorted(store.db.execute(f"select {what} from {table}").fetchall()) for table, what in tables.items()]


def test_a_grid_leaves_the_store_and_the_report_that_its_runs_leave_one_after_another(tmp_path: Path) -> None:
    with Store(tmp_path / "a.sqlite") as one, Store(tmp_path / "b.sqlite") as other:
        serial = [asyncio.run(run_task(task, one)).run for task in grid()]
        at_once = [outcome.run for outcome in together(grid(), other)]
        assert [run.id for run in at_once] == [run.id for run in serial]
        assert contents(one) == contents(other)
        assert str(report(*at_once)) == str(report(*serial))


def test_counts_of_each_run_are_those_of_runs_one_after_another(tmp_path: Path) -> None:
    with Store(tmp_path / "a.sqlite") as one, Store(tmp_path / "b.sqlite") as other:
        serial = [asyncio.run(run_task(task, one)).counts for task in grid()]
        at_once = [outcome.counts for outcome in together(grid(), other)]
    assert [(counts.calls, counts.cached) for counts in serial] == [(9, 0), (18, 0), (9, 9), (5, 0)]
    for before, now in zip(serial, at_once, strict=True):
        timeless = {"started": 0.0, "ended": None}
        assert msgspec.structs.replace(now, **timeless) == msgspec.structs.replace(before, **timeless)


def test_a_plan_that_two_runs_of_a_grid_want_at_once_is_asked_for_once(store: Store) -> None:
    big = Watched("big")
    together([traced(6, student("a"), big), traced(6, student("b"), big)], store)
    assert len(big.asked) == len(set(big.asked)) == 6


def test_the_calls_in_flight_over_a_grid_are_those_of_one_run(store: Store) -> None:
    model = Watched(width=3)
    tasks = [direct(10, model, sampling=Sampling(max_tokens=most)) for most in range(50, 55)]
    outcomes = together(tasks, store)
    assert model.most == 6 and len(model.asked) == 50
    assert all(outcome.counts.right == 10 for outcome in outcomes)


def test_problems_of_earlier_runs_are_begun_first(store: Store) -> None:
    model, begun = Watched(width=2), list[str]()
    tasks = [direct(20, model), direct(20, model, sampling=Sampling(max_tokens=9))]
    together(tasks, store, progress=lambda counts: begun.append(counts.run))
    second = begun.index(next(run for run in begun if run != begun[0]))
    assert begun[:second].count(begun[0]) > 16


def test_a_run_on_another_model_goes_on_beside_one_that_waits(store: Store) -> None:
    async def work() -> tuple[int, int]:
        gate = asyncio.Event()
        held, free = Watched("held", gate=gate), Watched("free")
        running = asyncio.create_task(run_together([direct(30, held), direct(30, free)], store))
        while len(free.asked) < 30:
            await asyncio.sleep(0)
        waiting = held.under_way
        gate.set()
        return waiting, sum(outcome.counts.right for outcome in await running)

    assert asyncio.run(work()) == (8, 60)


def test_where_one_run_is_refused_the_others_keep_what_they_began_and_begin_nothing(store: Store) -> None:
    refusing = ScriptedModel(lambda *_: EndpointRefused("401"), "refusing")
    other = Watched("other", width=2)
    with pytest.raises(EndpointRefused):
        together([direct(5, refusing), direct(50, other)], store)
    _, kept = sorted(store.runs(), key=len)
    assert len(kept) == len(other.asked) == 4


def test_a_stop_begins_no_further_run_and_the_same_grid_goes_on(store: Store) -> None:
    stop, first, others = Stop(), student(), [student(name) for name in "abc"]
    tasks = [direct(40, first), *(traced(2, one, first) for one in others)]
    outcomes = together(tasks, store, stop=stop, progress=lambda counts: stop(Interrupted()))
    assert [outcome.stopped is not None for outcome in outcomes] == [True]
    assert [outcome.counts.right for outcome in together(tasks, store)] == [40, 2, 2, 2]


def test_a_budget_is_one_over_the_grid_and_says_what_each_run_took(store: Store) -> None:
    short, budget = Sampling(max_tokens=5), Budget(Cents(), money=0.5)
    outcomes = together([direct(10, student(name), sampling=short) for name in "ab"], store, budget=budget)
    assert budget.spent_money == pytest.approx(0.4)
    assert [budget.by_run[one.run.id].money for one in outcomes] == [pytest.approx(0.2)] * 2
    poor = Budget(Cents(), money=0.25)
    stopped = together([direct(10, student(name), sampling=short) for name in "cd"], store, budget=poor)
    assert {outcome.stopped is not None for outcome in stopped} == {True}
    assert 0.2 <= poor.spent_money <= 0.25 == pytest.approx(poor.spent_money, abs=0.05)


def test_two_graders_of_one_run_do_not_solve_it_twice(store: Store) -> None:
    class Other(LastWord):
        name = "other@1"

    model = Watched()
    again = msgspec.structs.replace(direct(9, model), grader=Other())
    first, second = together([direct(9, model), again], store)
    assert len(model.asked) == 9 and first.run.id == second.run.id
    assert (first.counts.graded, second.counts.calls) == (9, 0)


def test_tasks_of_a_program_run_at_once_and_none_is_nothing(store: Store) -> None:
    small = Watched(width=32)
    outcomes = run_tasks([direct(4, small), direct(4, small, sampling=Sampling(max_tokens=7))], store)
    assert [outcome.counts.right for outcome in outcomes] == [4, 4] and small.most == 8
    assert run_tasks([], store) == []
