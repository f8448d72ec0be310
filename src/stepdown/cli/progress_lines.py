"""How far a run is, in lines of JSON on stdout, to the server that started the command and holds its stdin."""

import sys
import time
from collections import deque
from contextlib import suppress

from stepdown.cli.console.terminal import show_json
from stepdown.events import Event, RunProgress
from stepdown.runner import LiveCounts
from stepdown.store import Store
from stepdown.types import Pricing, Settings

_WINDOW = 30.0  # seconds over which the rate is taken


class ProgressLines:
    """The lines of one run: one in `every` seconds at most, and at once where a backoff begins or ends."""

    def __init__(self, store: Store, settings: Settings, prices: Pricing, *, every: float = 1.0) -> None:
        self.store, self.settings, self.prices, self.every = store, settings, prices, every
        self._pace: deque[tuple[float, int]] = deque()
        self._due, self._sent = 0.0, RunProgress(run="", total=0)

    def update(self, counts: LiveCounts, *, last: bool = False) -> None:
        """Write a line if one is due; the `last` one of a run always is."""
        now = time.monotonic()
        if not last and now < self._due and counts.backoff == self._sent.backoff:
            return
        self._sent = self._progress(counts, now)
        # Long runs take a while to be counted; their calls must not wait for that.
        self._due = time.monotonic() + max(self.every, 10 * (time.monotonic() - now))
        # A server that was killed hears nothing; the run ends with its stdin.
        with suppress(OSError):
            show_json(Event(progress=self._sent))
            sys.stdout.flush()

    def _progress(self, counts: LiveCounts, now: float) -> RunProgress:
        tokens, cost = self._spent(counts.run, counts.solved)
        return RunProgress(
            run=counts.run,
            total=counts.total,
            done=counts.solved,
            graded=counts.graded,
            right=counts.right,
            rate=self._rate(now, counts.solved),
            tokens=tokens,
            cost=cost,
            backoff=counts.backoff,
            evidence=counts.evidence,
        )

    def _spent(self, run: str, solved: int) -> tuple[int | None, float | None]:
        """Return the tokens and US dollars of all traces of the run, None where they are unknown."""
        if not self._pace and not solved:
            return 0, None  # a run that has only begun may not be in the store yet
        settings = self.settings
        models = {"teacher": settings.teacher or settings.student, "student": settings.student}
        used = {role: usage for role, usage in self.store.run(run).summary().tokens.items() if role in models}
        costs = [self.prices.cost(models[role], usage) for role, usage in used.items()]
        known = [usage for usage in used.values() if usage is not None]
        tokens = sum(usage.input + usage.output for usage in known) if len(known) == len(used) else None
        return tokens, None if None in costs else sum(cost or 0.0 for cost in costs)

    def _rate(self, now: float, done: int) -> float:
        pace = self._pace
        pace.append((now, done))
        while len(pace) > 2 and pace[0][0] < now - _WINDOW:
            pace.popleft()
        (began, first), spent = pace[0], now - pace[0][0]
        return (done - first) / spent if spent > 0 and began != now else 0.0
