"""Workers that are processes of this machine."""

import os
import pickle
import struct
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from queue import SimpleQueue

from stepdown.errors import WorkerLost
from stepdown.workers.child import HEAD, read_frame
from stepdown.workers.outcomes import WorkError, WorkItem, WorkResult, check_function, name_of, result_of
from stepdown.workers.pool import TRIES, Closing, Item, Result

# How libraries are told to keep to so many threads; those that are not loaded do not mind.
_THREADS = ("OMP", "MKL", "OPENBLAS", "POLARS_MAX", "RAYON", "NUMEXPR")


class ProcessPool(Closing):
    """At most `width` child processes of this interpreter, each of `threads` threads, started when first needed.

    They end with this process, however it ends. A Ctrl-C at the terminal reaches this process alone, which ends them.
    """

    def __init__(self, width: int, *, threads: int = 1) -> None:
        self.width = width
        self._environment = {
            **os.environ,
            **{f"{name}_NUM_THREADS" if name != "POLARS_MAX" else f"{name}_THREADS": str(threads) for name in _THREADS},
            "TOKENIZERS_PARALLELISM": "false",
        }
        self._idle: SimpleQueue[_Child | None] = SimpleQueue()
        for _ in range(width):
            self._idle.put(None)
        self._lock = threading.Lock()
        # What each child that works does it for: the `map` that sets its event when it ends.
        self._busy: dict[_Child, threading.Event] = {}
        # A thread per child waits for it, so that a slow consumer of results leaves no child without work.
        self._waiting = ThreadPoolExecutor(width, thread_name_prefix="worker")

    @property
    def process_ids(self) -> list[int]:
        """The processes that work now."""
        with self._lock:
            return [child.id for child in self._busy]

    def map(
        self, function: Callable[[Item], Result], items: Iterable[Item], *, name: Callable[[Item], str] = str
    ) -> Iterator[Result]:
        """Yield `function(item)` in the order of the items; see `WorkerPool`."""
        check_function(function)
        begun: deque[Future[WorkResult | WorkError]] = deque()
        source, over = iter(items), threading.Event()
        try:
            while True:
                for item in islice(source, 2 * self.width - len(begun)):
                    work = WorkItem(function, item, name_of(item, name))
                    begun.append(self._waiting.submit(self._perform, work, over))
                if not begun:
                    return
                outcome = begun[0].result()
                begun.popleft()
                yield result_of(outcome)
        finally:
            over.set()
            for future in begun:
                future.cancel()
            self._end(over)

    def close(self) -> None:
        """End all workers, in the middle of what they do."""
        self._waiting.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            batches = set(self._busy.values())
        for over in batches:
            over.set()
            self._end(over)
        self._waiting.shutdown()
        while not self._idle.empty():
            if (child := self._idle.get()) is not None:
                child.end()

    def _end(self, over: threading.Event) -> None:
        with self._lock:
            for child in [one for one, batch in self._busy.items() if batch is over]:
                child.kill()

    def _perform(self, work: WorkItem, over: threading.Event) -> WorkResult | WorkError:
        pickled = pickle.dumps(work, pickle.HIGHEST_PROTOCOL)
        for _ in range(TRIES):
            child = self._idle.get()
            try:
                if over.is_set():
                    break
                child = child if child is not None and child.running else _Child(self._environment)
                with self._lock:
                    self._busy[child] = over
                return child.ask(pickled)
            except (OSError, EOFError):
                if child is not None:
                    child.end()
            finally:
                with self._lock:
                    if child is not None:
                        self._busy.pop(child, None)
                self._idle.put(child)
        raise WorkerLost(work.name, TRIES)


class _Child:
    """One child process; `ask` is called by one thread at a time."""

    def __init__(self, environment: dict[str, str]) -> None:
        # -P: a file in the working folder must not stand in for a library.
        self._popen = subprocess.Popen(
            [sys.executable, "-P", "-c", "from stepdown.workers.child import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            # A Ctrl-C at the terminal is for the parent, which ends the child.
            start_new_session=True,
        )
        self.id = self._popen.pid
        self._send(pickle.dumps(sys.path))

    @property
    def running(self) -> bool:
        return self._popen.poll() is None

    def ask(self, work: bytes) -> WorkResult | WorkError:
        """Return the outcome of a pickled item; raises `EOFError` or `OSError` where the process died."""
        self._send(work)
        assert self._popen.stdout is not None, "it is a pipe"
        outcome: WorkResult | WorkError = pickle.loads(read_frame(self._popen.stdout))
        return outcome

    def kill(self) -> None:
        """Kill it; who waits for its outcome hears of it."""
        self._popen.kill()

    def end(self) -> None:
        """Kill it and free its pipes."""
        self._popen.kill()
        self._popen.wait()
        for pipe in (self._popen.stdin, self._popen.stdout):
            with suppress(OSError):
                assert pipe is not None, "they are pipes"
                pipe.close()

    def _send(self, frame: bytes) -> None:
        assert self._popen.stdin is not None, "it is a pipe"
        self._popen.stdin.write(struct.pack(HEAD, len(frame)))
        self._popen.stdin.write(frame)
        self._popen.stdin.flush()
