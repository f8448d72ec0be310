"""The page of a run or a trace, opened from a notebook or a script: a server of its store in this process."""

import asyncio
import atexit
import threading
from contextlib import suppress
from pathlib import Path

from stepdown.errors import StepdownError, UsageError
from stepdown.runner import open_store
from stepdown.store import Run, Store
from stepdown.types import Trace
from stepdown.web.server import address_of, bind, serve
from stepdown.web.state import State
from stepdown.web.views.addresses import address

HOST = "127.0.0.1"
SECONDS = 20.0


def page_of(shown: Run | Trace, store: Store | None) -> str:
    """Return the address of a run's or a trace's page, served from now on."""
    if isinstance(shown, Run):
        kept, path = shown.store, f"/runs/{shown.id}"
    else:
        kept = store or open_store()
        run = _run_of(shown, kept)
        path = address(run.id, "traces", shown.problem.id, sample=shown.sample or "")
    if kept.path not in _servers:
        _servers[kept.path] = _Pages(kept.path)
    return _servers[kept.path].address + path


def _run_of(trace: Trace, store: Store) -> Run:
    for run in reversed(store.runs()):
        attempts = run.attempts(trace.problem.id) if run.settings.method == trace.method else ()
        if any(_same(trace, one) for _, one, _ in attempts):
            return run
    raise UsageError(
        f"no run of `{store.path}` has this trace of `{trace.problem.id}`",
        "`stepdown.open_page(trace, store=...)` looks into another store",
    )


def _same(trace: Trace, other: Trace) -> bool:
    def what(one: Trace) -> tuple[object, ...]:
        return one.problem, one.sample, one.plan, one.solution, one.error

    return what(trace) == what(other)


class _Pages:
    """A server of a store in a thread of its own, which ends with this process."""

    def __init__(self, path: Path) -> None:
        self.path, self.bound = path, bind(HOST, 0)
        self.address = address_of(self.bound, HOST)
        self.listening, self.failure = threading.Event(), ""
        self.thread = threading.Thread(target=self._work, name="pages", daemon=True)
        self.thread.start()
        if not self.listening.wait(SECONDS) or self.failure:
            raise UsageError(f"the pages of `{path}` cannot be served: {self.failure}", "try `stepdown serve`")
        atexit.register(self.close)

    def close(self) -> None:
        """End the server, and keep what it was about to write."""
        self.loop.call_soon_threadsafe(self.task.cancel)
        self.thread.join(SECONDS)

    def _work(self) -> None:
        with suppress(asyncio.CancelledError):
            asyncio.run(self._serve())

    async def _serve(self) -> None:
        task = asyncio.current_task()
        assert task is not None, "`asyncio.run` makes one"
        self.loop, self.task = asyncio.get_running_loop(), task
        try:
            await serve(State(self.path), self.bound, listening=self.listening.set)
        except StepdownError as error:
            self.failure = str(error)
            self.listening.set()


_servers: dict[Path, _Pages] = {}
