"""Runs that a page started: each a `stepdown run` in a process of its own, followed through the store."""

import asyncio
import os
import shlex
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from stepdown.errors import UnknownName, UsageError
from stepdown.events import Costing, Event, Failure, RunProgress
from stepdown.models import Secret
from stepdown.settings import RunSettings
from stepdown.text import clean
from stepdown.types import Backoff
from stepdown.web.security.scrubbing import scrub

LINES, LENGTH = 200, 2000
MOST_LIVE, MOST_KEPT = 4, 50
GRACE = 5.0
_WINDOW = 30.0
_ESTIMATE_SECONDS = 300.0
_ENDS = {
    0: "finished",
    1: "finished, with ungraded problems",
    2: "refused",
    3: "stopped: the budget is reached",
    4: "stopped: an endpoint refused",
    130: "stopped",
}
Stage = Literal["running", "stopping", "ended"]


class RunJob:
    """One command a page started: `runs` are the ids it works on, `lines` the last ones of its stderr.

    `progress` has an entry for each run that has begun; `code` is the exit code once it has ended, `error` what
    it ended with. `settings` start it again.
    """

    def __init__(self, name: str, command: Sequence[str], costings: Sequence[Costing], settings: RunSettings) -> None:
        self.settings, self.dataset = settings, settings.dataset
        self.id, self.command, self.costings = name, tuple(command), tuple(costings)
        self.runs = tuple(dict.fromkeys(one.run for one in costings))
        self.lines: deque[str] = deque(maxlen=LINES)
        self.progress: dict[str, RunProgress] = {}
        self.error: Failure | None = None
        self.started, self.ended = time.time(), 0.0
        self.code: int | None = None
        self.asked = 0
        self.process: asyncio.subprocess.Process | None = None

    @property
    def stage(self) -> Stage:
        """Whether it goes on, was asked to stop, or has ended."""
        return "ended" if self.code is not None else "stopping" if self.asked else "running"

    @property
    def is_live(self) -> bool:
        """Whether its process is there."""
        return self.code is None

    @property
    def outcome(self) -> str:
        """Its outcome in words; its stage while it is running."""
        if self.code is None:
            return self.stage
        return _ENDS.get(self.code, "stopped at once" if self.code < 0 and self.asked else "failed")

    @property
    def command_line(self) -> str:
        """The command as one would type it, on one line."""
        return shlex.join(("stepdown", *self.command))

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
        self._following: set[asyncio.Task[None]] = set()
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
        process = await self._spawn(self._command(settings, "--estimate"))
        try:
            async with asyncio.timeout(_ESTIMATE_SECONDS):
                output, _ = await process.communicate()
        except TimeoutError:
            raise UsageError("the estimate takes too long", "take fewer problems") from None
        finally:
            if process.returncode is None:
                _signal(process, signal.SIGKILL, group=True)
                await process.wait()
        events = [_read_event(line, self.token) for line in output.splitlines()] if process.returncode else []
        if process.returncode:
            raise _refusal(next((one.error for one in events if one.error), None))
        return [msgspec.json.decode(line, type=Costing) for line in output.splitlines()]

    async def start(self, settings: RunSettings) -> RunJob:
        """Start a command that could be right. Raises `UsageError`: refused by its estimate, or too many at once."""
        self._check_room()
        costings = await self.estimate(settings)
        self._check_room()
        command = self._command(settings)
        self._count += 1
        job = RunJob(str(self._count), command, costings, settings)
        job.process = await self._spawn(command)
        self._jobs[job.id] = job
        self._forget_some()
        task = asyncio.create_task(self._follow(job, job.process))
        self._following.add(task)
        task.add_done_callback(self._following.discard)
        self.version += 1
        return job

    async def again(self, name: str) -> RunJob:
        """Start the command of a job once more, which goes on from what the store has. Raises as `start` does."""
        job = self.find(name)
        return job if job.is_live else await self.start(job.settings)

    def stop(self, name: str) -> RunJob:
        """Ask a job to finish what it began and end; asked again, it ends at once. Raises `UnknownName`."""
        job = self.find(name)
        if job.is_live and job.process is not None:
            # At once means its models too, which are processes of the same group.
            _signal(job.process, signal.SIGKILL if job.asked else signal.SIGINT, group=bool(job.asked))
            job.asked += 1
            self.version += 1
        return job

    async def close(self, grace: float = GRACE) -> None:
        """End all jobs: they have as many seconds to finish what they began."""
        for job in self:
            if job.is_live and not job.asked:
                self.stop(job.id)
        if self._following:
            await asyncio.wait(self._following, timeout=grace)
        for job in self:
            if job.is_live:
                self.stop(job.id)
        if self._following:
            await asyncio.wait(self._following, timeout=GRACE)

    def _check_room(self) -> None:
        if sum(job.is_live for job in self) >= MOST_LIVE:
            raise UsageError(f"{MOST_LIVE} runs are already in progress", "wait for one to end, or stop one")

    def _command(self, settings: RunSettings, *more: str) -> list[str]:
        return command_of(settings, *self.options, *more, "--json", f"--store={self.store}")

    async def _spawn(self, command: Sequence[str]) -> asyncio.subprocess.Process:
        # Keys reach it as they reached the server, in the environment; the doors' own token is none of its business.
        inherited = {name: value for name, value in os.environ.items() if name != "STEPDOWN_TOKEN"}
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # a file in the working folder must not stand in for a library
            "-m",
            "stepdown",
            *command,
            # Held and never written to: it ends with this process, also by `kill -9`, and the run ends with it.
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            env=inherited | {"NO_COLOR": "1", "TERM": "dumb", "STEPDOWN_LEASH": "1"},
        )

    async def _follow(self, job: RunJob, process: asyncio.subprocess.Process) -> None:
        """Listen to a job until it ends."""
        assert process.stdout is not None and process.stderr is not None, "both are pipes"
        listening = self._listen(process.stdout, job), _keep_lines(process.stderr, job, self.token)
        *_, code = await asyncio.gather(*listening, process.wait())
        job.code, job.ended = code, time.time()
        self.version += 1

    async def _listen(self, stream: asyncio.StreamReader, job: RunJob) -> None:
        """Take in a job's progress and its error; the results it ends with are in the store."""
        rest = b""
        while part := await stream.read(1 << 16):
            *lines, rest = (rest + part).split(b"\n")
            for event in (_read_event(line, self.token) for line in lines):
                if event.progress is not None:
                    job.progress[event.progress.run] = event.progress
                job.error = event.error or job.error
                self.version += 1

    def _forget_some(self) -> None:
        done = [name for name, job in self._jobs.items() if not job.is_live]
        for name in done[: max(0, len(self._jobs) - MOST_KEPT)]:
            del self._jobs[name]


def command_of(settings: RunSettings, *more: str) -> list[str]:
    """Return the words of the command that starts a run of these settings, with more options."""
    return ["run", *settings.options, *more, "--", settings.dataset]


def _signal(process: asyncio.subprocess.Process, number: int, *, group: bool) -> None:
    try:
        if group and hasattr(os, "killpg"):
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
    except ProcessLookupError:
        return


def _read_event(line: bytes, token: Secret) -> Event:
    """Return what a line of a job's stdout reports, fit to be shown; an empty event for a result."""
    try:
        event = msgspec.json.decode(line, type=Event)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Event()
    error, progress = event.error, event.progress
    if error is not None:
        message, hint = (clean(scrub(text, token)) for text in (error.message, error.hint))
        error = msgspec.structs.replace(error, message=message, hint=hint)
    if progress is not None and progress.backoff is not None:
        reason = clean(scrub(progress.backoff.reason, token))
        progress = msgspec.structs.replace(progress, backoff=msgspec.structs.replace(progress.backoff, reason=reason))
    return Event(error, progress)


async def _keep_lines(stream: asyncio.StreamReader, job: RunJob, token: Secret) -> None:
    """Keep the last lines of a stream, each no longer than a screen holds, without keys and control characters."""
    rest = b""
    while part := await stream.read(1 << 16):
        *lines, rest = (rest + part).replace(b"\r", b"\n").split(b"\n")
        rest = rest[-LENGTH:]
        job.lines.extend(_printable(line, token) for line in lines[-LINES:] if line)
    if rest:
        job.lines.append(_printable(rest, token))


def _printable(line: bytes, token: Secret) -> str:
    return clean(scrub(line.decode("utf-8", "replace"), token))[:LENGTH]


def _refusal(failure: Failure | None) -> UsageError:
    """Return the error that a command ended with."""
    if failure is None:
        return UsageError("the command failed without saying why", "where the server was started, the terminal may")
    return UsageError(failure.message, failure.hint, option=failure.option)
