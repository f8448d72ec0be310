"""Runs tasks over all problems: what is in the store is skipped, what fails is recorded, what stops is resumed."""

import gc
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from stepdown.errors import UsageError
from stepdown.graders import judge_of
from stepdown.runner.batch_calls import BatchCalls
from stepdown.runner.batch_client import BatchClient
from stepdown.runner.budget import Budget
from stepdown.runner.calls import Calls
from stepdown.runner.live_run import LiveRun, RunOutcome
from stepdown.runner.task import Task
from stepdown.runner.together import ProgressCallback, Stop, Together
from stepdown.runner.until_decided import UntilDecided
from stepdown.store import Run, Store, check_shard, put_comparisons


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
    batches: BatchClient | None = None,
    until: UntilDecided | None = None,
) -> list[RunOutcome]:
    """Run tasks at once within one budget, and return what became of those that began, in the order of the tasks.

    With `batches`, calls of models that have a batch API are sent and answered in batches: all that can be asked at
    once, then all that follows from it, until everything is solved or the client is not to wait.

    The calls of all share each model's limit, earlier tasks first; a call that several want is made once. `progress`
    is told the counts of one run at a time. With `until` each run ends once its comparison with the first is decided,
    which the store then keeps. Raises as `run_task` does, once the others have kept what they began.
    """
    for task in tasks:
        settings = task.settings()
        if budget is not None:
            check_budget(budget, task)
        if task.shard is not None:
            check_shard(store, store.id_of(settings), task.shard)
    stop, outcomes = stop or Stop(), dict[int, RunOutcome]()
    follow = progress or (lambda counts: None)
    for places in _rounds(tasks, store):
        if outcomes and stop.why is not None:
            break
        some = [tasks[at] for at in places]
        if batches is None:
            begun = await _work(some, Calls(store, budget=budget), stop, follow, until)
        else:
            begun = await _work_in_batches(some, batches, budget, stop, follow)
        outcomes |= {
            at: RunOutcome(live.run, live.counts, stop.why)
            for at, live in zip(places, begun, strict=True)
            if live is not None
        }
    return [outcomes[at] for at in sorted(outcomes)]


async def _work(
    tasks: Sequence[Task], calls: Calls, stop: Stop, progress: ProgressCallback, until: UntilDecided | None = None
) -> Sequence[LiveRun | None]:
    """Solve what can be solved with these calls, which are closed, and return the run of each task."""
    runs = Together(tasks, calls.store, calls, stop, progress, until=until)
    try:
        with rare_collections():
            await runs.work()
    finally:
        await calls.close()
        _keep_comparisons(until, [live.run for live in runs.begun if live is not None], len(tasks))
    return runs.begun


async def _work_in_batches(
    tasks: Sequence[Task], client: BatchClient, budget: Budget | None, stop: Stop, progress: ProgressCallback
) -> Sequence[LiveRun | None]:
    """Solve what the store has the answers to and send what is wanted besides, again and again.

    Each time what batches have brought meanwhile leads further: plans to solutions, one step of a method to the next.
    """
    while True:
        calls = BatchCalls(client, budget)
        begun = await _work(tasks, calls, stop, progress)
        for live in begun:
            if live is not None:
                calls.end_pass(live.run.id, live.counts.cached)
        if stop.why is not None or not calls.wanted:
            return begun
        sent = await client.send(list(calls.wanted.values()), budget)
        if not sent and not client.open() and client.too_dear is not None:
            stop(client.too_dear)
        elif not client.waits:
            stop(client.under_way())
        else:
            await client.wait(lambda: stop.why is not None)
        if stop.why is not None:
            return begun


def _keep_comparisons(until: UntilDecided | None, runs: Sequence[Run], expected: int) -> None:
    """Keep what the comparisons came to: with each run, and all of them with the baseline."""
    if until is None or len(runs) < expected:
        return
    found = until.comparisons(runs)
    put_comparisons(runs[0], found)
    for run, one in zip(runs[1:], found, strict=True):
        put_comparisons(run, [one])


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

    A run has tens of thousands of short-lived objects in flight and hardly a cycle: at Python's 700 allocations a
    quarter of its CPU time goes into looking for them, and at 10,000 still a fifth where 1,024 calls are in flight.
    """
    before = gc.get_threshold()
    gc.set_threshold(max(before[0], 100_000) if before[0] else 0, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def check_budget(budget: Budget, task: Task) -> None:
    """Refuse a budget that cannot hold for this task. Raises `UsageError`."""
    for model in (task.student, task.planner):
        if model is not None:
            budget.check(model.name)
    judge = judge_of(task.grader.name)
    if judge and budget.limits(judge):
        raise UsageError(
            f"a budget covers teacher and student, and `{judge}` would judge outside it",
            f"run without the judge, then `stepdown grade RUN --grader {task.grader.name} --budget USD`",
        )
