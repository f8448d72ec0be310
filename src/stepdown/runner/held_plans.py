"""Plans held for a person before the student sees them, decided here or in another process, through the store."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from stepdown.errors import CallFailed, Interrupted
from stepdown.store import ReviewDecision, Run, Store, request_review, review_decision
from stepdown.types import Plan, Problem

EVERY = 0.5


class Review(Protocol):
    """What a run asks between a plan and its student."""

    async def __call__(self, run: str, problem: Problem, plan: Plan) -> Plan:
        """Return the plan to follow. Raises `CallFailed` for a problem that is left, `Interrupted` to stop."""
        ...


class StoredReview:
    """Holds each plan in the store until a person decides; a decision that is there is not asked for again.

    It looks every `every` seconds, since another process may decide. `stopped` says that the run is to end.
    """

    def __init__(self, store: Store, *, stopped: Callable[[], bool] = bool, every: float = EVERY) -> None:
        self.store, self.stopped, self.every = store, stopped, every
        self._decided = asyncio.Event()

    def look(self) -> None:
        """Look at once: somebody in this process has decided."""
        self._decided.set()

    async def __call__(self, run: str, problem: Problem, plan: Plan) -> Plan:
        """Return the plan as a person left it. Raises `CallFailed` for a problem they left, `Interrupted`."""
        held = self.store.run(run)
        request_review(held, problem, plan)
        decision = await self._wait(held, problem.id)
        if decision.decision == "left":
            raise CallFailed(f"left by {decision.plan.author}", "`stepdown plans` edits plans of a run")
        return decision.plan

    async def _wait(self, run: Run, problem: str) -> ReviewDecision:
        while (decision := review_decision(run, problem)) is None:
            if self.stopped():
                raise Interrupted
            self._decided.clear()
            try:
                await asyncio.wait_for(self._decided.wait(), self.every)
            except TimeoutError:
                continue
        return decision
