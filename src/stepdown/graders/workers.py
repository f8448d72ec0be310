"""Worker processes that compare LaTeX with math-verify: started when first needed, killed when they take too long.

Processes and not threads, because math-verify's own time-out needs the main thread, and because hostile input
(`9**9**9**9`, ten thousand nested fractions) can only be stopped by ending the process that reads it. They
are plain child processes of this interpreter: nothing is forked from a process with threads and no main
module is imported again.
"""

import asyncio
import atexit
import json
import os
import signal
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path

from stepdown.errors import MissingExtra

_STARTING = 60.0
# The worker bounds its own seconds of the processor; on a busy machine they take so many times as long.
_PATIENCE = 60 if hasattr(signal, "setitimer") else 1
_PROGRAM = Path(__file__).with_name("algebra.py")


class OutOfTime(Exception):
    """The comparison took longer than it may, or its process died."""


class Worker:
    """One child process; `compare` is called by one thread at a time."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", str(_PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
        )
        self._line(_STARTING)

    def compare(self, gold: str, answer: str, seconds: float) -> bool | None:
        """Return whether two answers are equal, None where one cannot be parsed; raise OutOfTime.

        `seconds` are of the processor, where it can tell them.
        """
        assert self.process.stdin is not None, "the process was started with a pipe"
        try:
            self.process.stdin.write(json.dumps([gold, answer, seconds]) + "\n")
            self.process.stdin.flush()
        except OSError as error:
            raise OutOfTime from error
        verdict: bool | None = json.loads(self._line(_PATIENCE * seconds))
        return verdict

    def close(self) -> None:
        """End the process and its pipes."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    continue

    def _line(self, seconds: float) -> str:
        assert self.process.stdout is not None, "the process was started with a pipe"
        timer = threading.Timer(seconds, self.process.kill)
        timer.start()
        try:
            line = self.process.stdout.readline()
        finally:
            timer.cancel()
        if not line:
            raise OutOfTime
        return line


class Workers:
    """At most `most` workers, shared by all threads and event loops of this process."""

    def __init__(self, most: int) -> None:
        self._idle: list[Worker] = []
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(most)

    async def same(self, gold: str, answer: str, *, seconds: float = 5.0) -> bool | None:
        """Compare without blocking the event loop; see `Worker.compare`."""
        if find_spec("math_verify") is None:
            raise MissingExtra("math-verify", "math", "comparing LaTeX expressions")
        return await asyncio.to_thread(self.compare, gold, answer, seconds)

    def compare(self, gold: str, answer: str, seconds: float = 5.0) -> bool | None:
        """Compare on an idle worker, or on a new one."""
        with self._slots:
            worker = self._take()
            try:
                verdict = worker.compare(gold, answer, seconds)
            except BaseException:
                worker.close()
                raise
            with self._lock:
                self._idle.append(worker)
            return verdict

    def close(self) -> None:
        """End all idle workers; the next comparison starts a new one."""
        with self._lock:
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.close()

    def _take(self) -> Worker:
        with self._lock:
            worker = self._idle.pop() if self._idle else None
        if worker is not None and worker.process.poll() is None:
            return worker
        if worker is not None:
            worker.close()
        return Worker()


workers = Workers(max(1, min(4, (os.cpu_count() or 1) // 2)))
atexit.register(workers.close)
