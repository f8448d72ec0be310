"""Problems being solved again for a page: the text as it is written, and what came of it."""

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import aclosing

from stepdown.errors import StepdownError, UnknownName, UsageError
from stepdown.runner import Delta, Rerun, solve_again
from stepdown.store import Run
from stepdown.types import Model, Plan
from stepdown.web.state import State

MOST = 100  # kept so that a page may still ask what became of one
MOST_AT_ONCE = 8


class SolveJob:
    """One problem being solved again: `text` grows; when `work` is done there is a `result` or an `error`.

    `counted` says that the page it was asked from shows what edits have gained, `base` is the number of its plan among
    those its problem has had.
    """

    def __init__(self, run: str, problem: str, student: str) -> None:
        self.id, self.run, self.problem, self.student = secrets.token_hex(8), run, problem, student
        self.text, self.counted, self.base = "", False, 0
        self.result: Rerun | None = None
        self.error: StepdownError | None = None
        self.work: asyncio.Task[None] | None = None

    @property
    def is_done(self) -> bool:
        """Whether nothing more comes."""
        return self.work is not None and self.work.done()

    def take(self, update: Delta | Rerun) -> None:
        """Add what a student has written, of several samples the first one's, or the result."""
        if isinstance(update, Rerun):
            self.result = update
        elif update.sample == 0:
            self.text += update.text

    async def end(self) -> None:
        """Wait until nothing more comes."""
        assert self.work is not None, "what is waited for has begun"
        await asyncio.wait([self.work])


class SolveJobs:
    """All problems a server solves again, each in a task of its own that goes on when the page is left."""

    def __init__(self, state: State) -> None:
        self.state = state
        self._all: dict[str, SolveJob] = {}

    def start(self, run: Run, problem: str, *, plan: Plan, student: Model, seconds: float | None) -> SolveJob:
        """Begin to solve a problem of a run again. Raises `UsageError` where too many are under way."""
        if sum(not one.is_done for one in self._all.values()) >= MOST_AT_ONCE:
            raise UsageError(f"{MOST_AT_ONCE} problems are already being solved", "wait for one to end")
        one = SolveJob(run.id, problem, student.name)
        one.work = asyncio.ensure_future(self._solve(one, run, plan=plan, student=student, seconds=seconds))
        self._all[one.id] = one
        for name in [name for name, old in self._all.items() if old.is_done][: len(self._all) - MOST]:
            del self._all[name]
        return one

    def __iter__(self) -> Iterator[SolveJob]:
        return iter(list(self._all.values()))

    def find(self, name: str) -> SolveJob:
        """Return one by its id. Raises `UnknownName`."""
        if name not in self._all:
            raise UnknownName("solving", name[:40], [])
        return self._all[name]

    async def _solve(self, one: SolveJob, run: Run, *, plan: Plan, student: Model, seconds: float | None) -> None:
        try:
            solving = solve_again(run, one.problem, plan=plan, student=student, calls=self.state.calls, seconds=seconds)
            async with aclosing(solving) as written:
                async for update in written:
                    one.take(update)
        except StepdownError as error:
            one.error = error
