"""Runs that a page started: each a `stepdown run` in a process of its own, followed through the store."""

import asyncio
import os
import shlex
import signal
import sqlite3
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

import msgspec

from stepdown.errors import StoreError, UnknownName, UsageError
from stepdown.models import Secret
from stepdown.runner.run import News
from stepdown.settings import RunSettings
from stepdown.store import Run, Store
from stepdown.text.safety import clean
from stepdown.types import Backoff
from stepdown.web.security.scrubbing import scrub

if TYPE_CHECKING:
    from stepdown.web.state import State

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


class Costing(msgspec.Struct, frozen=True):
    """What one run of a job would take, as `stepdown run --estimate --json` says it."""

    run: str
    method: str
    student: str
    teacher: str
    calls: int
    cached: int
    tokens: dict[str, int]
    cost: float | None
    most: float | None


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a run of a job is: `done` of `total` traces, `right` of the `graded`, `rate` in traces per second.

    `tokens` and `cost` (US dollars) are of all its traces; None where they are unknown. `left` is in seconds.
    """

    total: int
    done: int = 0
    graded: int = 0
    right: int = 0
    rate: float = 0.0
    tokens: int | None = 0
    cost: float | None = None

    @property
    def left(self) -> float | None:
        """Seconds until it is done at this rate; None while there is no rate."""
        return (self.total - self.done) / self.rate if self.rate > 0 else None


class Job:
    """One command a page started: `runs` are the ids it works on, `lines` the last ones of its stderr.

    `progress` has an entry for each run that has begun, `delays` one for a run whose endpoint keeps it waiting now;
    `code` is the exit code once it has ended. `settings` start it again.
    """

    def __init__(self, name: str, command: Sequence[str], costings: Sequence[Costing], settings: RunSettings) -> None:
        self.settings, self.dataset = settings, settings.dataset
        self.id, self.command, self.costings = name, tuple(command), tuple(costings)
        self.runs = tuple(dict.fromkeys(one.run for one in costings))
        self.lines: deque[str] = deque(maxlen=LINES)
        self.progress: dict[str, Progress] = {}
        self.delays: dict[str, Backoff] = {}
        self.started, self.ended = time.time(), 0.0
        self.code: int | None = None
        self.asked = 0
        self.process: asyncio.subprocess.Process | None = None
        self._paces: dict[str, deque[tuple[float, int]]] = {}

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
        """What became of it, in words; its stage while it goes on."""
        if self.code is None:
            return self.stage
        return _ENDS.get(self.code, "stopped at once" if self.code < 0 and self.asked else "failed")

    @property
    def words(self) -> str:
        """The command as one would type it, on one line."""
        return shlex.join(("stepdown", *self.command))

    @property
    def trouble(self) -> tuple[str, str] | None:
        """The error it ended with and the way out, as its last words say; None where it ended well."""
        _, found, words = "\n".join(["", *self.lines]).rpartition("\nerror: ")
        what, _, hint = words.partition("\nhint: ")
        return (what, hint) if found and self.code else None

    def hear(self, news: News) -> None:
        """Take in that an endpoint keeps one of its runs waiting, or does so no longer."""
        if news.delay is None:
            self.delays.pop(news.run, None)
        else:
            self.delays[news.run] = news.delay

    def measure(self, store: Store, state: "State", *, last: bool = False) -> dict[str, Progress]:
        """Return how far each of its runs is, the `last` time all anew. Works in the thread of a store's reader."""
        found = {run.id: run for run in store.runs() if run.id in self.runs}
        return {name: self._measured(found[name], state, last) for name in self.runs if name in found}

    def _measured(self, run: Run, state: "State", last: bool) -> Progress:
        settings, before = run.settings, self.progress.get(run.id)
        rate = self._rate(run.id, len(run))
        if before is not None and before.done == len(run) and not last:
            return msgspec.structs.replace(before, rate=rate)
        summary, models = run.summary(), {"teacher": settings.teacher or settings.student, "student": settings.student}
        used = {role: usage for role, usage in summary.tokens.items() if role in models}
        costs = [state.prices.cost(models[role], usage) for role, usage in used.items()]
        known = [usage for usage in used.values() if usage is not None]
        return Progress(
            total=settings.count * settings.samples,
            done=summary.total,
            graded=summary.graded,
            right=summary.right,
            rate=rate,
            tokens=sum(usage.input + usage.output for usage in known) if len(known) == len(used) else None,
            cost=None if any(cost is None for cost in costs) else sum(cost or 0.0 for cost in costs),
        )

    def _rate(self, run: str, done: int) -> float:
        now, pace = time.monotonic(), self._paces.setdefault(run, deque())
        pace.append((now, done))
        while len(pace) > 2 and pace[0][0] < now - _WINDOW:
            pace.popleft()
        (began, first), spent = pace[0], now - pace[0][0]
        return (done - first) / spent if spent > 0 and began != now else 0.0


class Jobs:
    """The jobs of one server, newest last; those that ended stay to be read, up to fifty."""

    def __init__(self, state: "State") -> None:
        self.state, self.version = state, 0
        self._jobs: dict[str, Job] = {}
        self._following: set[asyncio.Task[None]] = set()
        self._count = 0

    def __iter__(self) -> Iterator[Job]:
        return iter(list(self._jobs.values()))

    def find(self, name: str) -> Job:
        """Return a job by its id. Raises `UnknownName`."""
        if name not in self._jobs:
            raise UnknownName("job", name, self._jobs)
        return self._jobs[name]

    def of(self, run: str) -> Job | None:
        """Return the newest job that works on a run, None where none of this server's does or did."""
        return next((job for job in reversed(self._jobs.values()) if run in job.runs), None)

    async def estimate(self, settings: RunSettings) -> list[Costing]:
        """Return what each run of a command would take; nothing is sent. Raises `UsageError` with the command's words.

        It is the command itself that says so: what it refuses is refused here, and the ids it names are its runs'.
        """
        process = await self._spawn(self._command(settings, "--estimate"))
        try:
            async with asyncio.timeout(_ESTIMATE_SECONDS):
                said, words = await process.communicate()
        except TimeoutError:
            raise UsageError("counting these calls takes too long", "take fewer problems") from None
        finally:
            if process.returncode is None:
                _signal(process, signal.SIGKILL, group=True)
                await process.wait()
        if process.returncode:
            raise _refusal(scrub(words.decode("utf-8", "replace"), self.state.token))
        return [msgspec.json.decode(line, type=Costing) for line in said.splitlines()]

    async def start(self, settings: RunSettings) -> Job:
        """Start a command that could be right. Raises `UsageError`: refused by its estimate, or too many at once."""
        self._check_room()
        costings = await self.estimate(settings)
        self._check_room()
        command = self._command(settings)
        self._count += 1
        job = Job(str(self._count), command, costings, settings)
        job.process = await self._spawn(command)
        self._jobs[job.id] = job
        self._forget_some()
        task = asyncio.create_task(self._follow(job, job.process))
        self._following.add(task)
        task.add_done_callback(self._following.discard)
        self.version += 1
        return job

    async def again(self, name: str) -> Job:
        """Start the command of a job once more, which goes on from what the store has. Raises as `start` does."""
        job = self.find(name)
        return job if job.is_live else await self.start(job.settings)

    def stop(self, name: str) -> Job:
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
            raise UsageError(f"{MOST_LIVE} runs are under way", "wait for one to end, or stop one")

    def _command(self, settings: RunSettings, *more: str) -> list[str]:
        return command_of(settings, *self.state.run_options, *more, "--json", f"--store={self.state.path}")

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

    async def _follow(self, job: Job, process: asyncio.subprocess.Process) -> None:
        """Listen to a job until it ends, and measure its runs once a second."""
        assert process.stdout is not None and process.stderr is not None, "both are pipes"
        ended = asyncio.gather(
            self._listen(process.stdout, job), _hear(process.stderr, job, self.state.token), process.wait()
        )
        while not ended.done():
            began = time.monotonic()
            await self._measure(job)
            # Long runs take a while to be counted; pages must not wait for that.
            await asyncio.wait([ended], timeout=max(1.0, 10 * (time.monotonic() - began)))
        job.delays.clear()
        # Before it is said to have ended: a page asks no more from then on.
        await self._measure(job, last=True)
        job.code, job.ended = ended.result()[2], time.time()
        self.version += 1

    async def _listen(self, stream: asyncio.StreamReader, job: Job) -> None:
        """Take in what a job tells of delays; the results it ends with are in the store."""
        rest = b""
        while part := await stream.read(1 << 16):
            *lines, rest = (rest + part).split(b"\n")
            for line in lines:
                if (news := _read_news(line, self.state.token)) is not None:
                    job.hear(news)
                    self.version += 1

    async def _measure(self, job: Job, *, last: bool = False) -> None:
        try:
            found = await self.state.read(lambda store: job.measure(store, self.state, last=last))
        except (StoreError, sqlite3.Error):
            return  # what was known last stays; a store that cannot be read must not hide that a job has ended
        if found != job.progress:
            job.progress = found
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


def _read_news(line: bytes, token: Secret) -> News | None:
    """Return what a line of a job's stdout tells, fit to be shown; None for a result."""
    try:
        news = msgspec.json.decode(line, type=News)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if news.delay is None:
        return news
    delay = msgspec.structs.replace(news.delay, reason=clean(scrub(news.delay.reason, token)))
    return News(news.run, delay)


async def _hear(stream: asyncio.StreamReader, job: Job, token: Secret) -> None:
    """Keep the last lines of a stream, each no longer than a screen holds, without keys and control characters."""
    rest = b""
    while part := await stream.read(1 << 16):
        *lines, rest = (rest + part).replace(b"\r", b"\n").split(b"\n")
        rest = rest[-LENGTH:]
        job.lines.extend(_shown(line, token) for line in lines[-LINES:] if line)
    if rest:
        job.lines.append(_shown(rest, token))


def _shown(line: bytes, token: Secret) -> str:
    return clean(scrub(line.decode("utf-8", "replace"), token))[:LENGTH]


def _refusal(words: str) -> UsageError:
    """Return the error a command ended with: what it said after `error:` and `hint:`."""
    what, _, hint = clean(words).rpartition("error: ")[2].partition("\n\nhint: ")
    return UsageError(what.strip() or "the command failed without a word", hint.strip())
