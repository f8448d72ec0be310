"""A run while it goes on: the problems it has left, the attempts under way, and what they have come to."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from stepdown.errors import StepdownError, UsageError
from stepdown.graders import RubricGrader, majority_grade
from stepdown.problems import Fingerprint
from stepdown.runner.attempt import Attempts
from stepdown.runner.calls import Calls
from stepdown.runner.task import Task
from stepdown.shards import Part
from stepdown.store import Run, Store, StoredTrace, check_shard, put_rubric, put_shard
from stepdown.text import counted, duration
from stepdown.types import Backoff, Grade, Grader, Model, Problem, Trace, Verdict, VotingGrader

# A problem's place, the problem, and the one whose plan it gets.
Place = tuple[int, Problem, Problem]


class LiveCounts(msgspec.Struct):
    """Counts that grow while a run goes on, over traces; `seconds` since it began, until it `ended`.

    `backoff` says what keeps an endpoint's calls waiting, None where nothing does; `evidence` how a comparison stands
    that stops the run once it is decided.
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
    ended: float | None = None
    evidence: str = ""

    @property
    def seconds(self) -> float:
        """Wall time since the start."""
        return (time.monotonic() if self.ended is None else self.ended) - self.started

    def add(self, row: StoredTrace, grade: Grade) -> None:
        """Count one graded trace."""
        self.solved += 1
        self.right += grade.verdict == "right"
        self.graded += grade.verdict != "ungraded"
        self.truncated += row.trace.truncated
        self.errors += row.trace.error is not None


def progress_line(counts: LiveCounts) -> str:
    """Say in one line how far a run is: problems, right ones, calls, and how long it will take."""
    done, seconds = counts.solved, counts.seconds
    left = duration(seconds / done * (counts.total - done)) if 0 < done < counts.total else ""
    parts = [
        f"{done} of {counts.total}",
        f"{counts.right} right of {counts.graded} graded",
        f"{counts.errors} failed" * (counts.errors > 0),
        f"{counted(counts.calls, 'call')}, {counts.cached} answered by the store",
        duration(seconds) + f", about {left} left" * bool(left),
        counts.evidence,
        counts.backoff.text if counts.backoff and counts.ended is None else "",
    ]
    return f"run {counts.run}: " + " · ".join(filter(None, parts))


class RunOutcome(msgspec.Struct, frozen=True):
    """A run as one command left it; `stopped` says why it did not go on to the end."""

    run: Run
    counts: LiveCounts
    stopped: StepdownError | None = None


class LiveRun:
    """A task's run in the store, from its begin on: `take` gives the next problem, `solve` solves and keeps it.

    `workers` are the asyncio tasks that solve problems of it now.
    """

    def __init__(self, task: Task, store: Store, calls: Calls) -> None:
        self.task, self.calls = task, calls
        self.run = _opened(task, store)
        self.attempts = Attempts(task, calls, self.run.id)
        self.counts = LiveCounts(self.run.id, self.run.settings.count * task.samples, started=time.monotonic())
        self.models = models_of(task)
        self.todo = self._todo()
        self.fingerprint: str | None = None
        self.workers: set[asyncio.Task[None]] = set()
        self._count_done()

    def sort(self, order: Sequence[int]) -> None:
        """Have problems taken in this order of their ordinals, not in that of the data."""
        places = {ordinal: place for place, ordinal in enumerate(order)}
        self.todo = iter(sorted(self._todo(), key=lambda one: places[one[0]]))

    def take(self) -> Place | None:
        """Return the next problem that is not done; None where all are done or under way."""
        return next(self.todo, None)

    def _problems(self) -> Iterator[Problem]:
        """Stream the problems; `fingerprint` says what they were once all are read."""
        fingerprint = Fingerprint()
        for problem in self.task.problems:
            fingerprint.add(problem)
            yield problem
        self.fingerprint = fingerprint.digits

    def _todo(self) -> Iterator[Place]:
        """Stream the problems that are to be solved: those that failed last, so that they keep nobody waiting."""
        failed = self.run.failed()
        yield from self._places(lambda ordinal: ordinal not in failed)
        if failed:
            yield from self._places(failed.__contains__)

    def _places(self, wanted: Callable[[int], bool]) -> Iterator[Place]:
        done, part = self.run.done(self.task.samples), self.task.part or Part(0, 1)
        next_done = next(done, None)
        for ordinal, (problem, planned) in enumerate(paired(self._problems(), self.task.plans.control)):
            if ordinal == next_done:
                next_done = next(done, None)
                continue
            if not (wanted(ordinal) and part.holds(ordinal) and self.task.takes(problem)):
                continue
            yield ordinal, problem, planned

    def _count_done(self) -> None:
        """Start from what the run already has of this part of it."""
        done = self.run.finished(self.task.samples, self.task.part)
        self.counts.solved = done.total
        self.counts.right, self.counts.graded, self.counts.truncated = done.right, done.graded, done.truncated
        self.counts.cached = self.calls.found_before(self.run.id, done.calls)
        part = self.task.part
        if self.task.shard is not None:
            self.counts.total = done.total + self.task.samples * sum(1 for _ in self._todo())
        elif part is not None:
            self.counts.total = self.task.samples * part.count(self.run.settings.count)

    def note_backoff(self) -> bool:
        """Look what keeps the models' calls waiting, while there are any; True where that has changed."""
        waiting = self.models if self.counts.solved < self.counts.total else []
        before, found = self.counts.backoff, [model.backoff for model in waiting if model.backoff is not None]
        self.counts.backoff = min(found, key=lambda one: one.seconds, default=None)
        return self.counts.backoff != before

    async def solve(self, place: Place) -> list[StoredTrace]:
        """Return the traces of a problem. Raises what its attempts raise."""
        return await self.attempts.rows(*place)

    async def keep(self, rows: Iterable[StoredTrace]) -> Verdict:
        """Grade the traces of a problem, store and count them; return its verdict, by vote where there are several."""
        graded, rows = [], [*rows]
        vote = await vote_of(self.task.grader, [row.trace for row in rows])
        for row in rows:
            grade = await grade_trace(self.task.grader, row.trace, vote)
            graded.append((row.trace, grade))
            self.calls.writer.put_trace(self.run, row, grade)
            self.counts.add(row, grade)
            self.counts.calls = self.calls.sent_for(self.run.id)
            self.counts.cached += sum(call.reply.cached for call in row.trace.calls)
        self.note_backoff()
        return majority_grade(graded).verdict

    def end(self) -> None:
        """Take the time, once."""
        self.counts.ended = self.counts.ended or time.monotonic()

    def check_problems(self) -> None:
        """Refuse to call the run done if the problems that were solved are not those it is named by."""
        if self.counts.calls == 0 or self.fingerprint in (None, self.run.settings.problems):
            return
        dataset = self.task.problems.dataset
        raise UsageError(
            f"`{dataset}` changed while run `{self.run.id}` read it, so that run mixes two versions",
            "leave it out of reports; the same command begins another run and pays for no answered call again",
        )


def models_of(task: Task) -> list[Model]:
    """Return the models a task asks, each once."""
    return list({id(model): model for model in (task.student, task.planner) if model}.values())


def _opened(task: Task, store: Store) -> Run:
    """Return the run of a task, begun where it is not there yet. Raises `UsageError` for shards of other settings."""
    if task.shard is not None:
        check_shard(store, store.id_of(task.settings()), task.shard)
    run = store.open_run(task.settings())
    run.grader = task.grader.name
    if isinstance(task.grader, RubricGrader):
        put_rubric(run, task.grader.rubric.key(), msgspec.json.encode(task.grader.rubric))
    if task.shard is not None and (task.part is None or task.part.number == 0):
        put_shard(run, task.shard, sum(map(task.shard.holds, task.problems)))
    return run


async def grade_trace(grader: Grader, trace: Trace, vote: Grade | None = None) -> Grade:
    """Return the grade of a trace, which may be its problem's vote; one without a solution is ungraded, and why."""
    if trace.solution is None:
        return Grade("ungraded", why=trace.error or "no solution", grader=grader.name)
    return vote or await grader(trace.problem, trace.solution)


async def vote_of(grader: Grader, samples: Sequence[Trace]) -> Grade | None:
    """Return the one grade of all samples of a problem by a grader that votes, None by any other."""
    # A look at a protocol costs more than a grade.
    if not samples or not getattr(grader, "votes", False) or not isinstance(grader, VotingGrader):
        return None
    return await grader.vote(samples[0].problem, [trace.solution for trace in samples])


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
