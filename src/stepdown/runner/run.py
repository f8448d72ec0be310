"""Runs tasks over all problems: what is in the store is skipped, what fails is recorded, what stops is resumed."""

import gc
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from stepdown.errors import UsageError
from stepdown.runner.budget import Budget
from stepdown.runner.calls import Calls
from stepdown.runner.live_run import RunOutcome
from stepdown.runner.task import Task
from stepdown.runner.together import ProgressCallback, Stop, Together
from stepdown.store import Store, check_shard


async def run_task(
    task: Task,
    store: Store,
    *,
    budget: Budget | None = None,
    progress: ProgressCallback | None = None,
    stop: Stop | None = None,
) -> RunOutcome:
    """Solve and grade every problem of a task that its run does not have yet.

    A budget that is reached and a `stop` end it cleanly (`RunOutcome.stopped`). Raises `UsageError` before any call
    for a task that cannot be right, `EndpointRefused` when no call can succeed; what was answered is kept.
    """
    [outcome] = await run_together([task], store, budget=budget, progress=progress, stop=stop)
    return outcome


async def run_together(
    tasks: Sequence[Task],
    store: Store,
    *,
    budget: Budget | None = None,
    progress: ProgressCallback | None = None,
    stop: Stop | None = None,
) -> list[RunOutcome]:
    """Run tasks at once within one budget, and return what became of those that began, in the order of the tasks.

    The calls of all share each model's limit, earlier tasks first; a call that several want is made once. `progress`
    is told the counts of one run at a time. Raises as `run_task` does, once the others have kept what they began.
    """
    for task in tasks:
        settings = task.settings()
        if budget is not None:
            check_budget(budget, task)
        if task.shard is not None:
            check_shard(store, store.id_of(settings), task.shard)
    stop, outcomes = stop or Stop(), dict[int, RunOutcome]()
    for places in _rounds(tasks, store):
        if outcomes and stop.why is not None:
            break
        calls = Calls(store, budget=budget)
        follow = progress or (lambda counts: None)
        runs = Together([tasks[at] for at in places], store, calls, stop, follow)
        try:
            with rare_collections():
                await runs.work()
        finally:
            await calls.close()
        begun = zip(places, runs.begun, strict=True)
        outcomes |= {at: RunOutcome(live.run, live.counts, stop.why) for at, live in begun if live is not None}
    return [outcomes[at] for at in sorted(outcomes)]


def _rounds(tasks: Sequence[Task], store: Store) -> list[list[int]]:
    """Return the places of the tasks that may run at once: one run under two graders or shards goes round by round."""
    rounds: list[list[int]] = []
    seen = Counter[str]()
    for at, task in enumerate(tasks):
        run = store.id_of(task.settings())
        rounds += [[]] if seen[run] == len(rounds) else []
        rounds[seen[run]].append(at)
        seen[run] += 1
    return rounds


@contextmanager
def rare_collections() -> Iterator[None]:
    """Look for reference cycles less often while it lasts.

    A run has thousands of short-lived objects in flight and hardly a cycle: at Python's 700 allocations a quarter of
    its CPU time goes into looking for them, at 10,000 next to none.
    """
    before = gc.get_threshold()
    gc.set_threshold(max(before[0], 10_000) if before[0] else 0, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def check_budget(budget: Budget, task: Task) -> None:
    """Refuse a budget that cannot hold for this task. Raises `UsageError`."""
    for model in (task.student, task.planner):
        if model is not None:
            budget.check(model.name)
    judge = task.grader.name.removeprefix("judge:")
    if judge != task.grader.name and budget.limits(judge):
        raise UsageError(
            f"a budget covers teacher and student, and `{judge}` would judge outside it",
            f"run without the judge, then `stepdown grade RUN --grader {task.grader.name} --budget USD`",
        )
