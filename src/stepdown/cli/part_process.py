"""One process of a command that several share: it solves its part of the problems, and tells the command how far it is.

It hears of its work on stdin and tells its news on stdout, from and to the command alone. The command holds its stdin:
at its end it ends, as a run does that its page has left.
"""

import os
import pickle
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import IO, Self

from msgspec import structs

from stepdown.cli.console.interrupts import LEASH
from stepdown.cli.grid import Players, tasks_of
from stepdown.cli.part_news import PartEnd, PartOrder, PartProgress, send
from stepdown.cli.problem_choice import read_chosen
from stepdown.cli.session import Session
from stepdown.errors import Interrupted, StepdownError
from stepdown.runner import Budget, LiveCounts
from stepdown.store import Store
from stepdown.workers import read_frame, work_error

_EVERY = 0.2  # seconds between two tellings of one run


class _Teller:
    """Tells the command of each run, now and then, and of all at the end: a screen that others draw."""

    def __init__(self, out: IO[bytes], budget: Budget) -> None:
        self._out, self._budget = out, budget
        self._known: dict[str, LiveCounts] = {}
        self._reported: dict[str, float] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for counts in self._known.values():
            self._tell(counts)

    def update(self, counts: LiveCounts) -> None:
        """Take in the counts of a run."""
        self._known[counts.run] = counts
        if time.monotonic() - self._reported.get(counts.run, 0.0) > _EVERY:
            self._tell(counts)

    def aside(self, write: Callable[[], None]) -> None:
        """Let something else be written."""
        write()

    def _tell(self, counts: LiveCounts) -> None:
        self._reported[counts.run] = time.monotonic()
        spent = self._budget.by_run[counts.run]
        send(self._out, PartProgress(counts, spent.money, spent.tokens))


def work(order: PartOrder, out: IO[bytes]) -> StepdownError | None:
    """Solve the part of an order, telling of it; return what stopped it, None where all is done."""
    try:
        with Store(order.store) as store:
            # Stripes of one problem are blocks in which all write: the command summarizes them when all have ended.
            store.summarizes = order.part.stripe > 1
            players = Players(store, order.endpoint)
            chosen = read_chosen(order.problems, order.dataset)
            chosen.known = order.known
            tasks = tasks_of(chosen, order.grid, order.sampling, players)
            cut = [structs.replace(task, shard=order.shard, part=order.part) for task in tasks]
            session = Session(cut, players, order.money)
            session.solve(_Teller(out, session.budget), held=True)
            return session.stopped
    except StepdownError as error:
        return error
    except KeyboardInterrupt:
        return Interrupted()


def main() -> None:
    """Work until the part is done or the command ends it. What libraries print goes to stderr: stdout is for news."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    os.environ.pop(LEASH, None)
    sys.path[:] = pickle.loads(read_frame(sys.stdin.buffer))
    stopped = work(pickle.loads(read_frame(sys.stdin.buffer)), out)
    send(out, PartEnd(work_error(stopped) if stopped else None))
