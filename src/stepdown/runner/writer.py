"""Groups what is to be stored into one transaction per turn of the event loop."""

import asyncio

from stepdown.errors import StoreError
from stepdown.store import Paid, Row, Run, Store
from stepdown.types import Grade


class Writer:
    """The only writer of a run: `call` returns when the call is committed, traces and grades follow soon after.

    What could not be committed waits on; `call`, `trace` and `flush` raise why from then on.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._failure: StoreError | None = None
        self._calls: list[Paid] = []
        self._rows: list[tuple[Run, Row, Grade]] = []
        self._committed: asyncio.Future[bool] | None = None

    async def call(self, calls: list[Paid]) -> bool:
        """Keep answered calls; nothing may depend on them before this returns. False: the store had some already."""
        self._calls += calls
        return await self._soon()

    def left(self, call: Paid) -> None:
        """Keep what came of a call that was left, with the next transaction."""
        self._calls.append(call)
        self._soon()

    def trace(self, run: Run, row: Row, grade: Grade) -> None:
        """Keep a graded trace with the next transaction."""
        self._rows.append((run, row, grade))
        self._soon()

    def _soon(self) -> asyncio.Future[bool]:
        if self._failure is not None:
            raise self._failure
        if self._committed is None:
            loop = asyncio.get_running_loop()
            self._committed = loop.create_future()
            loop.call_soon(self._commit, self._committed)
        return self._committed

    def _commit(self, committed: asyncio.Future[bool]) -> None:
        self._committed = None
        try:
            new = self.flush()
        except StoreError as error:
            self._failure = error
            if not committed.done():
                committed.set_exception(error)
                committed.exception()  # read here, so that a commit nobody awaited does not warn
        else:
            if not committed.done():
                committed.set_result(new)

    def flush(self) -> bool:
        """Commit everything that waits; False if the store had some of the calls already. Raises `StoreError`."""
        if not self._calls and not self._rows:
            return True
        with self._store.writing():
            new = self._store.put_calls(self._calls)
            for run in {id(run): run for run, _, _ in self._rows}.values():
                own = [(row, grade) for one, row, grade in self._rows if one is run]
                run.put_traces([row for row, _ in own])
                run.put_grades((row.ordinal, row.trace.sample, grade) for row, grade in own)
        every = new == len(self._calls)
        self._calls, self._rows = [], []
        return every
