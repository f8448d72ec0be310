"""The runner's public functions in their plain form, for scripts and notebooks."""

import asyncio
import atexit
from collections.abc import Callable, Coroutine, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from stepdown.errors import CallFailed, StepdownError
from stepdown.graders import load_grader, named
from stepdown.methods import load_method
from stepdown.problems import Problems
from stepdown.prompts import DEFAULT
from stepdown.prompts.stops import completes, with_stops
from stepdown.runner.attempt import Attempts
from stepdown.runner.calls import Calls
from stepdown.runner.plans import Plans, load_plans
from stepdown.runner.run import Outcome, Progress, grade_trace, run_task
from stepdown.runner.task import Task
from stepdown.store import Run, Store, default_path
from stepdown.types import GREEDY, Grade, Grader, Model, Plan, Problem, Sampling, Trace

T = TypeVar("T")


def plain(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, also from a notebook, whose own loop is already running."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def open_store(path: str | Path | None = None) -> Store:
    """Return the store at a path (default: `STEPDOWN_STORE` or `stepdown.sqlite`), opened once and closed at exit."""
    return _open((Path(path) if path is not None else default_path()).resolve())


@cache
def _open(path: Path) -> Store:
    store = Store(path)
    atexit.register(store.close)
    return store


def run(
    problems: Problems | Sequence[Problem],
    method: str,
    *,
    student: Model,
    teacher: Model | None = None,
    plans: Plans | Run | str = "teacher",
    sampling: Sampling = GREEDY,
    samples: int = 1,
    store: Store | None = None,
) -> Run:
    """Solve and grade problems by a method and return the run; what the store has is not asked again.

    `plans` is `teacher`, `own`, `gold`, a plans file, an earlier run or a `Plans`. Raises `UsageError` before any call,
    `EndpointRefused`; problems whose calls failed are ungraded and tried again by the next same call.
    """
    store = store or open_store()
    task = Task(
        problems=as_problems(problems),
        method=load_method(method),
        student=student,
        teacher=teacher,
        plans=_plans(plans, store),
        grader=load_grader(),
        sampling=with_stops(sampling, None, DEFAULT, completes=completes(student)),
        samples=samples,
    )
    return run_tasks([task], store)[0].run


def run_tasks(tasks: Iterable[Task], store: Store, *, progress: Progress | None = None) -> list[Outcome]:
    """Run tasks one after another, then close their models. Raises why a task stopped."""

    async def work() -> list[Outcome]:
        outcomes = []
        for task in tasks:
            try:
                outcomes.append(await run_task(task, store, progress=progress))
            finally:
                await close_models(task)
            _raise(outcomes[-1].stopped)
        return outcomes

    return plain(work())


def solve(
    problem: Problem,
    method: str,
    *,
    student: Model,
    teacher: Model | None = None,
    plan: Plan | None = None,
    sampling: Sampling = GREEDY,
    store: Store | None = None,
) -> Trace:
    """Solve one problem, by the given plan if there is one, and return the trace. Raises `CallFailed`."""
    task = Task(
        problems=as_problems([problem]),
        method=load_method(method),
        student=student,
        teacher=teacher,
        plans=Plans(source="own" if plan else "teacher"),
        grader=load_grader(),
        sampling=with_stops(sampling, None, DEFAULT, completes=completes(student)),
    )
    task.check()
    return plain(solve_one(task, problem, plan, Calls(store or open_store())))


async def solve_one(
    task: Task, problem: Problem, plan: Plan | None, calls: Calls, *, revise: Callable[[Plan], Plan] | None = None
) -> Trace:
    """Solve one problem as a task says, by the given plan or one of the task's. Raises `CallFailed`.

    `revise` is shown the plan before the student is, and returns the one to follow.
    """
    attempts = Attempts(task, calls)
    attempt = attempts.attempt()
    try:
        plan = plan or await attempts.plan(problem, attempt)
        if plan is not None and revise is not None:
            plan = revise(plan)
        trace = (await attempts.solve(0, problem, plan, attempt)).trace
    finally:
        await calls.close()
        await close_models(task)
    if trace.error is not None:
        raise CallFailed(trace.error, "the next same call tries again")
    return trace


def grade(run: Run, grader: Grader | str = "default") -> Run:
    """Grade a run's stored solutions again and show these grades in its views; earlier graders' grades stay.

    No model is asked, but for a grader that is `judged_by` one: its replies are kept in the store.
    """
    plain(grade_run(run, load_grader(grader) if isinstance(grader, str) else grader))
    return run


async def grade_run(run: Run, grader: Grader) -> None:
    """Grade every stored solution of a run, a page at a time.

    Raises what stops a judge, such as `BudgetReached`, once the grades of the page are kept.
    """
    grader = named(grader)
    waiting: list[tuple[int, Trace]] = []
    for ordinal, trace, _ in run.rows(grader.name):
        waiting.append((ordinal, trace))
        if len(waiting) == 64:
            await _grade_some(run, grader, waiting)
            waiting = []
    await _grade_some(run, grader, waiting)
    run.grader = grader.name


async def _grade_some(run: Run, grader: Grader, some: list[tuple[int, Trace]]) -> None:
    grades = await asyncio.gather(*(grade_trace(grader, trace) for _, trace in some), return_exceptions=True)
    places = list(zip(some, grades, strict=True))
    run.put_grades((ordinal, trace.sample, one) for (ordinal, trace), one in places if isinstance(one, Grade))
    for one in grades:
        if isinstance(one, BaseException):
            raise one


async def close_models(task: Task) -> None:
    """Let a task's endpoints drop their connections to this event loop; they open them again when used again.

    A model in this process stays loaded for the next call; any other is its maker's to close.
    """
    for model in (task.student, task.teacher):
        if model is not None and model.capabilities.connects:
            await model.close()


def as_problems(problems: Problems | Sequence[Problem]) -> Problems:
    """Return problems as they are; a sequence becomes the data set its first id names."""
    if isinstance(problems, Problems):
        return problems
    name = problems[0].id.rpartition("/")[0] if problems else ""
    return Problems(name or "problems", lambda: ((None, problem) for problem in problems))


def _plans(plans: Plans | Run | str, store: Store) -> Plans:
    if isinstance(plans, Plans):
        return plans
    if isinstance(plans, Run):
        return load_plans(plans.id, find_run=plans.store.run)
    return load_plans(plans, find_run=store.run)


def _raise(why: StepdownError | None) -> None:
    if why is not None:
        raise why
