"""Commands that a page started, each in a process of its own: begun, listened to, stopped, and what became of them."""

import asyncio
import os
import shlex
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from stepdown.events import Event, Failure
from stepdown.models import Secret
from stepdown.text import clean
from stepdown.web.security.scrubbing import scrub

LINES, LENGTH = 200, 2000
GRACE = 5.0
_ENDS = {
    0: "finished",
    1: "finished, with ungraded problems",
    2: "refused",
    3: "stopped: the budget is reached",
    4: "stopped: an endpoint refused",
    130: "stopped",
}
Stage = Literal["running", "stopping", "ended"]


class CommandJob:
    """One command: `lines` are the last ones of its stderr, `code` its exit code once it has ended, `error` why."""

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self.id, self.command = name, tuple(command)
        self.lines: deque[str] = deque(maxlen=LINES)
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

    def take(self, event: Event) -> None:
        """Take in what the command reported."""
        self.error = event.error or self.error

    def stop(self) -> bool:
        """Ask it to finish what it began and end, a second time to end at once; False where it is not there."""
        if not self.is_live or self.process is None:
            return False
        # At once means its models too, which are processes of the same group.
        send_signal(self.process, signal.SIGKILL if self.asked else signal.SIGINT, group=bool(self.asked))
        self.asked += 1
        return True


class Following:
    """Begins jobs and listens to them; `changed` is called whenever there is something new to see of one."""

    def __init__(self, token: Secret, changed: Callable[[], None]) -> None:
        self.token, self.changed = token, changed
        self._tasks: set[asyncio.Task[None]] = set()

    async def begin(self, job: CommandJob) -> None:
        """Start a job's process and listen to it until it ends."""
        job.process = await spawn(job.command)
        task = asyncio.create_task(self._follow(job, job.process))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.changed()

    async def close(self, jobs: Sequence[CommandJob], grace: float) -> None:
        """End jobs: they have as many seconds to finish what they began."""
        for job in jobs:
            if not job.asked:
                job.stop()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace)
        for job in jobs:
            job.stop()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=GRACE)

    async def _follow(self, job: CommandJob, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None and process.stderr is not None, "both are pipes"
        listening = self._listen(process.stdout, job), _keep_lines(process.stderr, job, self.token)
        *_, code = await asyncio.gather(*listening, process.wait())
        job.code, job.ended = code, time.time()
        self.changed()

    async def _listen(self, stream: asyncio.StreamReader, job: CommandJob) -> None:
        """Take in a job's progress and its error; the results it ends with are in the store."""
        rest = b""
        while part := await stream.read(1 << 16):
            *lines, rest = (rest + part).split(b"\n")
            for event in (read_event(line, self.token) for line in lines):
                job.take(event)
                self.changed()


async def spawn(command: Sequence[str]) -> asyncio.subprocess.Process:
    """Start a command of stepdown, with pipes for what it says."""
    # Keys reach it as they reached the server, in the environment; the server's own token is none of its business.
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


def send_signal(process: asyncio.subprocess.Process, number: int, *, group: bool) -> None:
    """Send a signal to a process, or to all of its group."""
    try:
        if group and hasattr(os, "killpg"):
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
    except ProcessLookupError:
        return


def read_event(line: bytes, token: Secret) -> Event:
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


async def _keep_lines(stream: asyncio.StreamReader, job: CommandJob, token: Secret) -> None:
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
