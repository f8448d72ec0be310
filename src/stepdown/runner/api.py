"""The runner's public functions in their plain form, for scripts and notebooks."""

import asyncio
import atexit
from collections.abc import Callable, Collection, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, Unpack, cast

from stepdown.cells import CellLine, in_notebook
from stepdown.errors import CallFailed, StepdownError
from stepdown.loops import run_loop
from stepdown.models import Prices
from stepdown.problems import Problems
from stepdown.runner.api_options import (
    RunOptions,
    SolveOptions,
    as_grader,
    as_problems,
    as_shard,
    check_options,
    problem_options,
    task_of,
)
from stepdown.runner.attempt import Attempts
from stepdown.runner.budget import Budget
from stepdown.runner.calls import Calls
from stepdown.runner.grading import grade_run
from stepdown.runner.live_run import RunOutcome, progress_line
from stepdown.runner.plan_sources import Plans
from stepdown.runner.run import check_budget, run_task, run_together
from stepdown.runner.task import Task
from stepdown.runner.together import ProgressCallback
from stepdown.shards import Shard
from stepdown.store import Run, Store, default_path
from stepdown.types import Grader, Method, Plan, Problem, Trace

DEFAULT_METHOD = "trace-of-thought"
T = TypeVar("T")


def plain(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, also from a notebook, whose own loop is already running."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return run_loop(work)
    with ThreadPoolExecutor(1) as pool:
        # A kernel knows by the context which cell's work this is.
        return pool.submit(copy_context().run, run_loop, work).result()


def open_store(path: str | Path | None = None) -> Store:
    """Return the store at a path (default: `STEPDOWN_STORE` or `stepdown.sqlite`), opened once and closed at exit."""
    return _open((Path(path) if path is not None else default_path()).resolve())


@cache
def _open(path: Path) -> Store:
    store = Store(path)
    atexit.register(store.close)
    return store


def run(
    problems: Problems | Iterable[Problem] | str, method: Method | str = DEFAULT_METHOD, **options: Unpack[RunOptions]
) -> Run:
    """Solve and grade problems by a method and return the run; what the store has is not asked again.

    Names may stand wherever objects may: `run("gsm8k", "direct", student="openai/gpt-4o-mini", limit=20)`; `RunOptions`
    has all options. Raises `UsageError` before any call, `EndpointRefused`, `BudgetReached`; problems whose calls
    failed are ungraded and tried again by the next same call.
    """
    check_options(dict(options), RunOptions)
    store = as_store(options.get("store"))
    task = task_of(as_problems(problems, problem_options(options)), method, options, store)
    return run_one(task, store, budget=options.get("budget"), progress=options.get("progress"), named=_named(options))


def run_one(
    task: Task,
    store: Store,
    *,
    budget: Budget | float | None = None,
    progress: ProgressCallback | None = None,
    named: Collection[str] = (),
) -> Run:
    """Run a task, close its models (`named` is for `close_models`) and return the run. Raises why it stopped.

    In a notebook a line under the cell says how far it is, where no `progress` is given.
    """
    line = CellLine() if progress is None and in_notebook() else None
    reporter = (lambda counts: line.say(progress_line(counts))) if line else progress

    async def work() -> RunOutcome:
        try:
            return await run_task(task, store, budget=_budget(budget, task, store), progress=reporter)
        finally:
            await close_models(task, named=named)

    outcome = plain(work())
    if line:
        line.say(progress_line(outcome.counts), last=True)
    _raise(outcome.stopped)
    return outcome.run


def _named(options: SolveOptions) -> set[str]:
    """Return the roles whose models were given by name, so that nobody else closes them."""
    return {role for role in ("student", "teacher") if isinstance(options.get(role), str)}


def _budget(given: Budget | float | None, task: Task, store: Store) -> Budget | None:
    """Return a budget; of a number, one in dollars that counts what the run has cost before."""
    if given is None or isinstance(given, Budget):
        return given
    budget = Budget(Prices(), money=float(given))
    check_budget(budget, task)
    budget.covers = (store.id_of(task.settings()),)
    for model, usage in store.paid(budget.covers):
        budget.add(model, usage)
    return budget


def run_tasks(tasks: Iterable[Task], store: Store, *, progress: ProgressCallback | None = None) -> list[RunOutcome]:
    """Run tasks at once, as `run_together` does, then close their models. Raises why they stopped."""
    every = list(tasks)

    async def work() -> list[RunOutcome]:
        try:
            return await run_together(every, store, progress=progress)
        finally:
            for task in every:
                await close_models(task)

    outcomes = plain(work())
    for outcome in outcomes:
        _raise(outcome.stopped)
    return outcomes


def solve(
    problem: Problem | str,
    method: Method | str = DEFAULT_METHOD,
    *,
    plan: Plan | str | None = None,
    **options: Unpack[SolveOptions],
) -> Trace:
    """Solve one problem, by the given plan if there is one, and return the trace; a text is a question without gold.

    Options are those of `SolveOptions`. Raises `UsageError`, `CallFailed`.
    """
    check_options(dict(options), SolveOptions)
    store = as_store(options.get("store"))
    problem = Problem("ask", problem, "", kind="text") if isinstance(problem, str) else problem
    plan = Plan(plan, author="person") if isinstance(plan, str) else plan
    source = None if plan is None else Plans(source="own")
    task = task_of(as_problems([problem]), method, cast(RunOptions, options), store, source=source)
    task.check()
    return plain(solve_one(task, problem, plan, Calls(store), named=_named(options)))


async def solve_one(
    task: Task,
    problem: Problem,
    plan: Plan | None,
    calls: Calls,
    *,
    revise: Callable[[Plan], Plan] | None = None,
    named: Collection[str] = (),
) -> Trace:
    """Solve one problem as a task says, by the given plan or one of the task's. Raises `CallFailed`.

    `revise` is shown the plan before the student is, and returns the one to follow; `named` is for `close_models`.
    """
    attempts = Attempts(task, calls)
    attempt = attempts.attempt()
    try:
        with attempts.spanned(problem) as end:
            plan = plan or await attempts.plan(problem, attempt)
            if plan is not None and revise is not None:
                plan = revise(plan)
            row = await attempts.solve(0, problem, plan, attempt)
            end([row])
    finally:
        await calls.close()
        await close_models(task, named=named)
    if row.trace.error is not None:
        raise CallFailed(row.trace.error, "the next same call tries again")
    return row.trace


def grade(
    run: Run | str,
    grader: Grader | str = "default",
    *,
    store: Store | str | Path | None = None,
    shard: Shard | str | None = None,
) -> Run:
    """Grade a run's stored solutions again and show these grades in its views; earlier graders' grades stay.

    A run may be given by its id, with the `store` that has it. No model is asked, but for a grader that is `judged_by`
    one or named `judge:MODEL`: its replies are kept in the store. Of a `shard` only its problems are graded. Raises
    `UnknownName`.
    """
    stored = as_store(store).run(run) if isinstance(run, str) else run
    reader = as_grader(grader, as_store(store) if isinstance(run, str) or store else run.store)
    plain(grade_run(stored, reader, shard=as_shard(shard)))
    return stored


async def close_models(task: Task, *, named: Collection[str] = ()) -> None:
    """Let a task's endpoints drop their connections to this event loop; they open them again when used again.

    A model in this process stays loaded for the next call, unless its role is `named`: it was loaded for this task. Any
    other is its maker's to close.
    """
    for role, model in (("student", task.student), ("teacher", task.teacher)):
        if model is not None and (model.capabilities.connects or role in named):
            await model.close()


def as_store(given: Store | str | Path | None) -> Store:
    """Return a store: the given one, or the one at a path, as `open_store` does."""
    return given if isinstance(given, Store) else open_store(given)


def _raise(why: StepdownError | None) -> None:
    if why is not None:
        raise why
