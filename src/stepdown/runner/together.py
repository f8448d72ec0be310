"""Several runs at once: one pool of workers takes their problems, those of earlier runs first."""

import asyncio
from collections.abc import Callable, Sequence

from stepdown.errors import BatchUnderWay, BudgetReached, Interrupted, StepdownError
from stepdown.runner.calls import Calls, Parked
from stepdown.runner.live_run import LiveCounts, LiveRun, Place, models_of
from stepdown.runner.task import Task
from stepdown.runner.until_decided import UntilDecided, earlier_counts, known_verdicts
from stepdown.store import Store
from stepdown.types import Model

WATCH_SECONDS = 0.5
# Where a decision may end a run, it has this part of its problems under way at most, or these few.
_PART, _FEW = 4, 4

ProgressCallback = Callable[[LiveCounts], None]


class Stop:
    """A request to take no new problem; those begun are finished and kept."""

    def __init__(self) -> None:
        self.why: StepdownError | None = None

    def __call__(self, why: StepdownError) -> None:
        """Ask the run to stop; the first reason counts."""
        self.why = self.why or why


class _Entry:
    """A task in its place among the others; `live` once its run has begun, `exhausted` once none of it is left.

    `begun` counts its problems that are done or under way.
    """

    def __init__(self, task: Task, earlier: Sequence["_Entry"]) -> None:
        self.task = task
        self.models = models_of(task)
        self.asks = frozenset(map(id, self.models))
        self.ahead = [one for one in earlier if one.asks & self.asks]
        self.live: LiveRun | None = None
        self.under_way, self.begun, self.exhausted = 0, 0, False

    @property
    def is_done(self) -> bool:
        """Whether all its problems have been solved."""
        return self.exhausted and not self.under_way

    def has_room(self) -> bool:
        """Whether another problem may be begun."""
        under_way = self.under_way + sum(one.under_way for one in self.ahead)
        return under_way < twice_the_width(self.models)


class Together:
    """The runs of several tasks, which share calls, workers and a stop.

    A run is given another problem while fewer attempts than twice its models' widths are under way in it and in the
    earlier runs that ask one of these models. So the first runs are filled first, later ones take what room they
    leave, runs on other models go on beside them, and what is in flight is bounded over all. No two tasks may be of one
    run. With `until` none is ahead of another by more than a problem, and each ends once it is decided.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        store: Store,
        calls: Calls,
        stop: Stop,
        progress: ProgressCallback,
        *,
        until: UntilDecided | None = None,
    ) -> None:
        self.until = until
        self.store, self.calls, self.stop, self.progress = store, calls, stop, progress
        self.entries: list[_Entry] = []
        for task in tasks:
            self.entries.append(_Entry(task, self.entries))
        self.waiting = list(self.entries)
        self.error: StepdownError | None = None

    @property
    def begun(self) -> list[LiveRun | None]:
        """The run of each task, None for one that has not begun."""
        return [entry.live for entry in self.entries]

    async def work(self) -> None:
        """Solve what is to be solved; the first run begins in any case.

        Raises the first error of a run, once the others have kept what they began.
        """
        for entry in self.entries[:1]:
            self._begin(entry)
        watching = asyncio.create_task(self._watch())
        try:
            async with asyncio.TaskGroup() as group:
                self._fill(group)
        except ExceptionGroup as errors:
            # One reason is enough: the others are the same, or its consequence.
            raise errors.exceptions[0] from None
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        for live in filter(None, self.begun):
            live.end()
        if self.error is not None:
            raise self.error

    async def _watch(self) -> None:
        """Tell of a delay as it changes: while calls wait for an endpoint there is no other news."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            for live in self.begun:
                if live is not None and live.counts.ended is None and live.note_backoff():
                    self.progress(live.counts)

    # -- which problem is next

    def _fill(self, group: asyncio.TaskGroup) -> None:
        """Start as many workers as there are problems that have room."""
        while (job := self._next()) is not None:
            group.create_task(self._worker(group, *job))

    def _next(self) -> tuple[_Entry, LiveRun, Place] | None:
        """Return the first problem that has room, begun; None where there is none, or all are to stop."""
        full: set[frozenset[int]] = set()
        for entry in self._abreast() if self.until else list(self.waiting):
            if self.stop.why is not None:
                return None
            if entry.asks in full:
                continue
            if not entry.has_room():
                full.add(entry.asks)  # later runs on the same models have no more
                continue
            try:
                found = self._take(entry)
            except StepdownError as error:
                self._fail(entry, error)
                return None
            if found is not None:
                return found
        return None

    def _take(self, entry: _Entry) -> tuple[_Entry, LiveRun, Place] | None:
        live = entry.live or self._begin(entry)
        place = live.take()
        if place is not None:
            entry.under_way += 1
            entry.begun += 1
            return entry, live, place
        self._exhaust(entry, live)
        return None

    def _exhaust(self, entry: _Entry, live: LiveRun) -> None:
        entry.exhausted = True
        self.waiting.remove(entry)
        self._end_if_done(entry, live)

    def _abreast(self) -> list[_Entry]:
        """The runs that are behind or level with all others, and have few problems under way for what is known.

        What is under way when a comparison is decided was not needed.
        """
        for entry in list(self.waiting):
            if not entry.live:
                self._begin(entry)
        least = min((entry.begun for entry in self.waiting), default=0)
        room = max(_FEW, least // _PART)
        return [entry for entry in self.waiting if entry.begun <= least and entry.under_way < room]

    def _decide(self) -> None:
        """End the runs that are not needed any more, and tell of the evidence."""
        assert self.until is not None, "only then anything is decided"
        for at, entry in enumerate(self.entries):
            if entry.live:
                entry.live.counts.evidence = self.until.text(at)
                if entry in self.waiting and not self.until.is_open(at):
                    self._exhaust(entry, entry.live)

    def _begin(self, entry: _Entry) -> LiveRun:
        """Begin a run after those before it, so that the store has all in the order of their tasks."""
        live = entry.live
        for one in self.entries[: self.entries.index(entry) + 1]:
            if one.live is None:
                live = one.live = LiveRun(one.task, self.store, self.calls)
                self._look_up(one, live)
                self.progress(live.counts)
        assert live is not None, "the last one is this"
        return live

    def _look_up(self, entry: _Entry, live: LiveRun) -> None:
        """Take in what the store has of a run that is to be decided."""
        if self.until is not None:
            known, problems = known_verdicts(live.run, entry.task.samples), dict(enumerate(entry.task.problems))
            before = () if self.until.order else earlier_counts(live.run, problems)
            self.until.begin(self.entries.index(entry), problems, known, before)
            live.sort(self.until.order)
            entry.begun = len(known)
            self._decide()

    # -- one problem

    async def _worker(self, group: asyncio.TaskGroup, entry: _Entry, live: LiveRun, place: Place) -> None:
        """Solve a problem and then whatever is next, of this run or another."""
        while True:
            await self._solve(entry, live, place)
            job = self._next()
            if job is None:
                return
            entry, live, place = job
            self._fill(group)

    async def _solve(self, entry: _Entry, live: LiveRun, place: Place) -> None:
        worker = asyncio.current_task()
        assert worker is not None, "workers are tasks"
        live.workers.add(worker)
        try:
            await self._keep(live, place)
        except StepdownError as error:
            self._fail(entry, error)
        finally:
            live.workers.discard(worker)
            entry.under_way -= 1
        self._end_if_done(entry, live)

    async def _keep(self, live: LiveRun, place: Place) -> None:
        try:
            rows = await live.solve(place)
        except Parked:
            return
        except (BudgetReached, BatchUnderWay, Interrupted) as why:
            self.stop(why)
            return
        verdict = await live.keep(rows)
        if self.until is not None:
            self.until.note(self.begun.index(live), place[0], verdict)
            self._decide()
        self.progress(live.counts)

    def _end_if_done(self, entry: _Entry, live: LiveRun) -> None:
        if not entry.is_done:
            return
        live.end()
        if self.until is not None:
            live.counts.total = live.counts.solved
        if self.stop.why is None:
            try:
                live.check_problems()
            except StepdownError as error:
                self._fail(entry, error)

    def _fail(self, entry: _Entry, error: StepdownError) -> None:
        """End a run: what it has in flight is dropped, and the others take no new problem."""
        self.error = self.error or error
        self.stop(error)
        for worker in entry.live.workers if entry.live else ():
            if worker is not asyncio.current_task():
                worker.cancel()


def twice_the_width(models: Sequence[Model]) -> int:
    """Return twice what the models take at once, so that storing and grading never leave one idle."""
    return 2 * sum(model.width for model in models)
