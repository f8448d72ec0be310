"""Groups what is to be stored into one transaction per turn of the event loop."""

import asyncio

from stepdown.store import Paid, Row, Run, Store
from stepdown.types import Grade


class Writer:
    """The only writer of a run: `call` returns when the call is committed, traces and grades follow soon after."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._calls: list[Paid] = []
        self._rows: list[tuple[Run, Row, Grade]] = []
        self._committed: asyncio.Future[None] | None = None

    async def call(self, calls: list[Paid]) -> None:
        """Keep answered calls; nothing may depend on them before this returns."""
        self._calls += calls
        await self._soon()

    def trace(self, run: Run, row: Row, grade: Grade) -> None:
        """Keep a graded trace with the next transaction."""
        self._rows.append((run, row, grade))
        self._soon()

    def _soon(self) -> asyncio.Future[None]:
        if self._committed is None:
            loop = asyncio.get_running_loop()
            self._committed = loop.create_future()
            loop.call_soon(self.flush)
        return self._committed

    def flush(self) -> None:
        """Commit everything that waits. A failure is raised in every caller that waits for it."""
        committed, self._committed = self._committed, None
        try:
            self._write()
        except BaseException as error:
            if committed is None or committed.done():
                raise
            committed.set_exception(error)
            committed.exception()  # read here, so that a flush nobody awaited does not warn
            raise
        if committed is not None and not committed.done():
            committed.set_result(None)

    def _write(self) -> None:
        calls, self._calls = self._calls, []
        rows, self._rows = self._rows, []
        if not calls and not rows:
            return
        with self._store.writing():
            self._store.put_calls(calls)
            for run in {id(run): run for run, _, _ in rows}.values():
                own = [(row, grade) for one, row, grade in rows if one is run]
                run.put_traces([row for row, _ in own])
                run.put_grades((row.ordinal, row.trace.sample, grade) for row, grade in own)
