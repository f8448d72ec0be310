"""Runs that a page started: each a `stepdown run` in a process of its own, followed through the store."""

import asyncio
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from stepdown.errors import UnknownName, UsageError
from stepdown.events import Costing, Event, Failure, RunProgress
from stepdown.models import Secret
from stepdown.settings import RunSettings
from stepdown.types import Backoff
from stepdown.web.jobs.command_jobs import GRACE, CommandJob, Following, read_event, send_signal, spawn

MOST_LIVE, MOST_KEPT = 4, 50
_ESTIMATE_SECONDS = 300.0


class RunJob(CommandJob):
    """One `stepdown run` that a page started: `runs` are the ids it works on, `costings` what it was to take.

    `progress` has an entry for each run that has begun. `settings` start it again.
    """

    def __init__(self, name: str, command: Sequence[str], costings: Sequence[Costing], settings: RunSettings) -> None:
        super().__init__(name, command)
        self.settings, self.dataset, self.costings = settings, settings.dataset, tuple(costings)
        self.runs = tuple(dict.fromkeys(one.run for one in costings))
        self.progress: dict[str, RunProgress] = {}

    def take(self, event: Event) -> None:
        """Take in what the command reported."""
        super().take(event)
        if event.progress is not None:
            self.progress[event.progress.run] = event.progress

    @property
    def delays(self) -> dict[str, Backoff]:
        """By run, what keeps its requests waiting now."""
        backoffs = {run: one.backoff for run, one in self.progress.items()} if self.is_live else {}
        return {run: backoff for run, backoff in backoffs.items() if backoff is not None}


class RunJobs:
    """The jobs of one server, newest last; those that ended stay to be read, up to fifty.

    Each works in the `store` and is given `options` more; `token` is the server's own, which nothing shown may hold.
    """

    def __init__(self, store: Path, *, options: Sequence[str] = (), token: Secret | None = None) -> None:
        self.store, self.options, self.token, self.version = store, tuple(options), token or Secret(""), 0
        self._jobs: dict[str, RunJob] = {}
        self._following = Following(self.token, self._changed)
        self._count = 0

    def __iter__(self) -> Iterator[RunJob]:
        return iter(list(self._jobs.values()))

    def find(self, name: str) -> RunJob:
        """Return a job by its id. Raises `UnknownName`."""
        if name not in self._jobs:
            raise UnknownName("job", name, self._jobs)
        return self._jobs[name]

    def of(self, run: str) -> RunJob | None:
        """Return the newest job that works on a run, None where none of this server's does or did."""
        return next((job for job in reversed(self._jobs.values()) if run in job.runs), None)

    async def estimate(self, settings: RunSettings) -> list[Costing]:
        """Return what each run of a command would take; nothing is sent. Raises the `UsageError` of the command.

        It is the command itself that says so: what it refuses is refused here, and the ids it names are its runs'.
        """
        process = await spawn(self._command(settings, "--estimate"))
        try:
            async with asyncio.timeout(_ESTIMATE_SECONDS):
                output, _ = await process.communicate()
        except TimeoutError:
            raise UsageError("the estimate takes too long", "take fewer problems") from None
        finally:
            if process.returncode is None:
                send_signal(process, signal.SIGKILL, group=True)
                await process.wait()
        events = [read_event(line, self.token) for line in output.splitlines()] if process.returncode else []
        if process.returncode:
            raise _refusal(next((one.error for one in events if one.error), None))
        return [msgspec.json.decode(line, type=Costing) for line in output.splitlines()]

    async def start(self, settings: RunSettings) -> RunJob:
        """Start a command that could be right. Raises `UsageError`: refused by its estimate, or too many at once."""
        self._check_room()
        costings = await self.estimate(settings)
        if unset := sorted({variable for one in costings for variable in one.unset}):
            needed = " and ".join(f"`{variable}`" for variable in unset)
            raise UsageError(
                f"{needed} is not set where the server was started",
                f"write {unset[0]}=... into `.env` there, or export it and start the server again",
            )
        self._check_room()
        command = self._command(settings)
        self._count += 1
        job = RunJob(str(self._count), command, costings, settings)
        await self._following.begin(job)
        self.keep(job)
        return job

    def keep(self, job: RunJob) -> None:
        """Have a job listed, and forget the oldest that have ended where there are too many."""
        self._jobs[job.id] = job
        self._forget_some()

    async def again(self, name: str) -> RunJob:
        """Start the command of a job once more, which goes on from what the store has. Raises as `start` does."""
        job = self.find(name)
        return job if job.is_live else await self.start(job.settings)

    def stop(self, name: str) -> RunJob:
        """Ask a job to finish what it began and end; asked again, it ends at once. Raises `UnknownName`."""
        job = self.find(name)
        if job.stop():
            self._changed()
        return job

    async def close(self, grace: float = GRACE) -> None:
        """End all jobs: they have as many seconds to finish what they began."""
        await self._following.close(list(self), grace)

    def _changed(self) -> None:
        self.version += 1

    def _check_room(self) -> None:
        if sum(job.is_live for job in self) >= MOST_LIVE:
            raise UsageError(f"{MOST_LIVE} runs are already in progress", "wait for one to end, or stop one")

    def _command(self, settings: RunSettings, *more: str) -> list[str]:
        return command_of(settings, *self.options, *more, "--json", f"--store={self.store}")

    def _forget_some(self) -> None:
        done = [name for name, job in self._jobs.items() if not job.is_live]
        for name in done[: max(0, len(self._jobs) - MOST_KEPT)]:
            del self._jobs[name]


def command_of(settings: RunSettings, *more: str) -> list[str]:
    """Return the words of the command that starts a run of these settings, with more options."""
    return ["run", *settings.options, *more, "--", settings.dataset]


def _refusal(failure: Failure | None) -> UsageError:
    """Return the error that a command ended with."""
    if failure is None:
        return UsageError("the command failed without saying why", "where the server was started, the terminal may")
    return UsageError(failure.message, failure.hint, option=failure.option)
