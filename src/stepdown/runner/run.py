"""Runs a task over all its problems: what is in the store is skipped, what fails is recorded, what stops is resumed."""

import asyncio
import gc
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import msgspec

from stepdown.errors import BudgetReached, Interrupted, StepdownError, UsageError
from stepdown.problems import Fingerprint
from stepdown.runner.attempt import Attempts
from stepdown.runner.budget import Budget
from stepdown.runner.calls import Calls
from stepdown.runner.task import Task
from stepdown.store import Run, Store, StoredTrace, check_shard, put_shard
from stepdown.types import Backoff, Grade, Grader, Model, Problem, Trace

WATCH_SECONDS = 0.5


class LiveCounts(msgspec.Struct):
    """Counts that grow while a run goes on, over traces; `seconds` since it began.

    `backoff` says what keeps an endpoint's calls waiting, None where nothing does.
    """

    run: str
    total: int
    solved: int = 0
    right: int = 0
    graded: int = 0
    truncated: int = 0
    errors: int = 0
    calls: int = 0
    cached: int = 0
    started: float = 0.0
    backoff: Backoff | None = None

    @property
    def seconds(self) -> float:
        """Wall time since the start."""
        return time.monotonic() - self.started

    def add(self, row: StoredTrace, grade: Grade) -> None:
        """Count one graded trace."""
        self.solved += 1
        self.right += grade.verdict == "right"
        self.graded += grade.verdict != "ungraded"
        self.truncated += row.trace.truncated
        self.errors += row.trace.error is not None


class Stop:
    """A request to take no new problem; those begun are finished and kept."""

    def __init__(self) -> None:
        self.why: StepdownError | None = None

    def __call__(self, why: StepdownError) -> None:
        """Ask the run to stop; the first reason counts."""
        self.why = self.why or why


class RunOutcome(msgspec.Struct, frozen=True):
    """A run as one command left it; `stopped` says why it did not go on to the end."""

    run: Run
    counts: LiveCounts
    stopped: StepdownError | None = None


ProgressCallback = Callable[[LiveCounts], None]


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
    settings = task.settings()
    if budget is not None:
        check_budget(budget, task)
    if task.shard is not None:
        check_shard(store, store.id_of(settings), task.shard)
    run = store.open_run(settings)
    run.grader = task.grader.name
    if task.shard is not None:
        put_shard(run, task.shard, sum(map(task.shard.holds, task.problems)))
    workers = _Workers(task, Calls(store, budget=budget), run, stop or Stop())
    try:
        with rare_collections():
            await workers.work(progress or (lambda counts: None))
    finally:
        await workers.calls.close()
    workers.check_problems()
    return RunOutcome(run, workers.counts, workers.stop.why)


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


class _Workers:
    """As many workers as the models can use at once, each taking the next problem that is not done."""

    def __init__(self, task: Task, calls: Calls, run: Run, stop: Stop) -> None:
        self.task, self.calls, self.run, self.stop = task, calls, run, stop
        self.attempts = Attempts(task, calls, run.id)
        self.counts = LiveCounts(run.id, run.settings.count * task.samples, started=time.monotonic())
        self.models: list[Model] = list({id(m): m for m in (task.student, task.planner) if m}.values())
        self.todo = self._todo()
        self.fingerprint: str | None = None
        self.running = 0

    def _problems(self) -> Iterator[Problem]:
        """Stream the problems; `fingerprint` says what they were once all are read."""
        fingerprint = Fingerprint()
        for problem in self.task.problems:
            fingerprint.add(problem)
            yield problem
        self.fingerprint = fingerprint.digits

    def _todo(self) -> Iterator[tuple[int, Problem, Problem]]:
        done = self.run.done(self.task.samples)
        next_done = next(done, None)
        for ordinal, (problem, planned) in enumerate(paired(self._problems(), self.task.plans.control)):
            if ordinal == next_done:
                next_done = next(done, None)
                continue
            if not self.task.takes(problem):
                continue
            yield ordinal, problem, planned

    def _width(self) -> int:
        """Twice what the models take at once, so that storing and grading never leave one idle."""
        return 2 * sum(model.width for model in self.models)

    async def work(self, progress: ProgressCallback) -> None:
        self._count_done()
        progress(self.counts)
        watching = asyncio.create_task(self._watch(progress))
        try:
            async with asyncio.TaskGroup() as group:
                self._start(group, progress)
        except ExceptionGroup as errors:
            # One reason is enough: the others are the same, or its consequence.
            raise errors.exceptions[0] from None
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def _watch(self, progress: ProgressCallback) -> None:
        """Tell of a delay as it changes: while calls wait for an endpoint there is no other news."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            before = self.counts.backoff
            self._note_backoff()
            if self.counts.backoff != before:
                progress(self.counts)

    def _note_backoff(self) -> None:
        found = [model.backoff for model in self.models if model.backoff is not None]
        self.counts.backoff = min(found, key=lambda one: one.seconds, default=None)

    def _count_done(self) -> None:
        """Start from what the run already has."""
        done = self.run.finished(self.task.samples)
        self.counts.solved = done.total
        self.counts.right, self.counts.graded, self.counts.truncated = done.right, done.graded, done.truncated
        self.counts.cached = done.calls
        if self.task.shard is not None:
            self.counts.total = done.total + self.task.samples * sum(1 for _ in self._todo())

    def check_problems(self) -> None:
        """Refuse to call the run done if the problems that were solved are not those it is named by."""
        if self.counts.calls == 0 or self.stop.why is not None:
            return
        if self.fingerprint not in (None, self.run.settings.problems):
            dataset = self.task.problems.dataset
            raise UsageError(
                f"`{dataset}` changed while run `{self.run.id}` read it, so that run mixes two versions",
                "leave it out of reports; the same command begins another run and pays for no answered call again",
            )

    def _start(self, group: asyncio.TaskGroup, progress: ProgressCallback) -> None:
        while self.running < self._width():
            self.running += 1
            group.create_task(self._worker(group, progress))

    async def _worker(self, group: asyncio.TaskGroup, progress: ProgressCallback) -> None:
        for problem in self.todo:
            if self.stop.why:
                break
            try:
                rows = await self.attempts.rows(*problem)
            except (BudgetReached, Interrupted) as why:
                self.stop(why)
                break
            for row in rows:
                await self._grade(row)
            self._note_backoff()
            progress(self.counts)
            if self.running > self._width():
                break
            self._start(group, progress)
        self.running -= 1

    async def _grade(self, row: StoredTrace) -> None:
        grade = await grade_trace(self.task.grader, row.trace)
        self.calls.writer.put_trace(self.run, row, grade)
        self.counts.add(row, grade)
        self.counts.calls, self.counts.cached = (
            self.calls.sent,
            self.counts.cached + sum(call.reply.cached for call in row.trace.calls),
        )


async def grade_trace(grader: Grader, trace: Trace) -> Grade:
    """Return the grade of a trace; one without a solution is ungraded, for the reason it failed."""
    if trace.solution is None:
        return Grade("ungraded", why=trace.error or "no solution", grader=grader.name)
    return await grader(trace.problem, trace.solution)


def paired(problems: Iterable[Problem], control: str) -> Iterator[tuple[Problem, Problem]]:
    """Stream each problem with the one whose plan it gets: itself, or under `shuffled` the next, the last the first."""
    if control != "shuffled":
        yield from ((problem, problem) for problem in problems)
        return
    stream = iter(problems)
    first = last = next(stream, None)
    for following in stream:
        assert last is not None, "a following problem has one before it"
        yield last, following
        last = following
    if first is not None and last is not None:
        yield last, first
