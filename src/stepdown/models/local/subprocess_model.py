"""A model of this machine in a process of its own, so that its engine never holds this one's interpreter lock."""

import asyncio
import itertools
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress

from stepdown.custom import CustomModel
from stepdown.models.local.embedded import EmbeddedModel
from stepdown.models.local.worker import (
    ERRORS,
    Cancel,
    Failed,
    Finished,
    Generate,
    Prepare,
    Response,
    TextDelta,
    encode,
)
from stepdown.models.local.worker import decode_response as decode
from stepdown.types import Messages, Reply, Sampling

LAST_LINES = 8
# A child ends at once when its stdin does; one that hangs is killed after these seconds.
PATIENCE = 10.0


class SubprocessModel(CustomModel):
    """Another process's model: same name, source, width and words as the one it stands for, which loads nothing.

    The process starts at the first use and dies with this one. Calls of one that died raise `EndpointRefused` with
    the last it printed, and the next call starts another. Any event loop may ask it.
    """

    def __init__(self, model: EmbeddedModel) -> None:
        self.name, self.capabilities, self.width = model.name, model.capabilities, model.width
        self.engine, self.logprobs = model.engine, model.logprobs
        self._engine_there = model.engine_elsewhere
        self._process: _Process | None = None
        self._numbers = itertools.count(1)
        self._starting = threading.Lock()

    def __repr__(self) -> str:
        return f"SubprocessModel(name={self.name!r}, source={self.capabilities.source!r})"

    @property
    def process_id(self) -> int | None:
        """The process the model works in; None before the first use and after `close`."""
        return self._process.id if self._process else None

    async def prepare(self) -> None:
        """Fetch the weights and load the engine now."""
        await self._ask(Prepare(next(self._numbers)))

    async def reply(self, messages: Messages, sampling: Sampling, n: int = 1) -> list[Reply]:
        """Return n replies; raises what the model raises, by class and words, and `EndpointRefused`."""
        return await self._ask(Generate(next(self._numbers), messages, sampling, n))

    async def stream(self, messages: Messages, sampling: Sampling) -> AsyncGenerator[str | Reply, None]:
        """Yield the text piece by piece, then the whole `Reply`; raises as `reply` does.

        A consumer that closes it early takes the draw off the engine.
        """
        async with aclosing(
            self._exchange(Generate(next(self._numbers), messages, sampling, streamed=True))
        ) as answers:
            async for answer in answers:
                if isinstance(answer, TextDelta):
                    yield answer.text
                else:
                    yield answer.replies[0]

    async def close(self) -> None:
        """End the process; a later call starts another."""
        process, self._process = self._process, None
        if process is not None:
            await asyncio.to_thread(process.end)

    async def _ask(self, command: Generate | Prepare) -> list[Reply]:
        replies: list[Reply] = []
        async with aclosing(self._exchange(command)) as answers:
            async for answer in answers:
                assert isinstance(answer, Finished), "what is not streamed is answered whole"
                replies = answer.replies
        return replies

    async def _exchange(self, command: Generate | Prepare) -> AsyncGenerator[TextDelta | Finished, None]:
        """Yield the answers to a command, `Finished` last; a consumer that leaves drops it."""
        loop, inbox = asyncio.get_running_loop(), asyncio.Queue[Response]()

        def deliver(answer: Response) -> None:
            # A loop that has closed has nobody left who waits.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(inbox.put_nowait, answer)

        process = self._running()
        process.send(command, deliver)
        try:
            while isinstance(answer := await inbox.get(), TextDelta):
                yield answer
        finally:
            process.leave(command.number)
        if isinstance(answer, Failed):
            raise ERRORS[answer.kind](answer.what, answer.hint)
        yield answer

    def _running(self) -> "_Process":
        with self._starting:
            if self._process is None or self._process.dead:
                self._process = _Process(self.name, self._engine_there, self.logprobs)
            return self._process


class _Process:
    """A child and the threads that write to it and read from it; listeners are called in the reading thread."""

    def __init__(self, name: str, engine: str, logprobs: bool) -> None:
        self.dead = False
        self._name = name
        # -P: a file in the working folder must not stand in for a library.
        self._popen = subprocess.Popen(
            [sys.executable, "-P", "-c", "from stepdown.models.local.worker import main; main()", name]
            + ["logprobs"] * logprobs,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "STEPDOWN_ENGINE": engine},
            # A Ctrl-C at the terminal is for the parent, which ends the child in its own time.
            start_new_session=True,
        )
        self.id = self._popen.pid
        self._lock = threading.Lock()
        self._listeners: dict[int, Callable[[Response], None]] = {}
        self._last: deque[str] = deque(maxlen=LAST_LINES)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix=f"to {name}")
        self._reader = threading.Thread(target=self._read, name=f"from {name}", daemon=True)
        self._errors = threading.Thread(target=self._read_errors, daemon=True)
        self._errors.start()
        self._reader.start()

    def send(self, command: Generate | Prepare, deliver: Callable[[Response], None]) -> None:
        """Send a command, in the order of calls, without waiting; answers go to `deliver`."""
        line = encode(command)
        with self._lock:
            if not self.dead:
                self._listeners[command.number] = deliver
                self._writer.submit(self._write, line)
                return
        deliver(self._exit_error(command.number))

    def leave(self, number: int) -> None:
        """Hear no more of a command; one that is not answered yet is dropped."""
        with self._lock:
            if self._listeners.pop(number, None) is not None and not self.dead:
                self._writer.submit(self._write, encode(Cancel(number)))

    def end(self) -> None:
        """Let the child end; blocks until it has."""
        with self._lock:
            if not self.dead:
                self._writer.submit(self._shut)
        try:
            self._popen.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._popen.kill()
        self._reader.join()

    def _shut(self) -> None:
        assert self._popen.stdin is not None, "it is a pipe"
        with suppress(OSError):
            self._popen.stdin.close()

    def _write(self, line: bytes) -> None:
        assert self._popen.stdin is not None, "it is a pipe"
        # A pipe that broke, or was closed before this write: the reading thread tells who waits.
        with suppress(OSError, ValueError):
            self._popen.stdin.write(line + b"\n")
            self._popen.stdin.flush()

    def _read(self) -> None:
        assert self._popen.stdout is not None, "it is a pipe"
        for line in self._popen.stdout:
            # What a killed child was about to say may be cut.
            if line.endswith(b"\n"):
                self._dispatch(decode(line))
        self._cleanup()

    def _dispatch(self, answer: Response) -> None:
        with self._lock:
            streaming = isinstance(answer, TextDelta)
            deliver = self._listeners.get(answer.number) if streaming else self._listeners.pop(answer.number, None)
        if deliver is not None:
            deliver(answer)

    def _cleanup(self) -> None:
        """Free what the child held and tell everyone who waits."""
        self._popen.wait()
        self._errors.join()
        assert self._popen.stdout is not None, "it is a pipe"
        self._popen.stdout.close()
        with self._lock:
            self.dead = True
            waiting, self._listeners = self._listeners, {}
        self._writer.submit(self._shut)
        self._writer.shutdown(wait=False)
        for number, deliver in waiting.items():
            deliver(self._exit_error(number))

    def _read_errors(self) -> None:
        assert self._popen.stderr is not None, "it is a pipe"
        with self._popen.stderr as lines:
            self._last.extend(line.decode(errors="replace").rstrip() for line in lines)

    def _exit_error(self, number: int) -> Failed:
        last_lines = " / ".join(line for line in self._last if line) or f"exit status {self._popen.returncode}"
        what = f"the process of `{self._name}` ended ({last_lines})"
        return Failed(number, "EndpointRefused", what, "the next call starts it again")
