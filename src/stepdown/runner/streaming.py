"""One problem solved while somebody reads along: the text of plan and solutions, then their traces."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import msgspec

from stepdown.runner.attempt import Attempts
from stepdown.runner.calls import Asker
from stepdown.runner.deltas import ROLES, Delta, Deltas, streamed
from stepdown.runner.plan_sources import Plans
from stepdown.runner.task import Task
from stepdown.store import StoredTrace
from stepdown.types import Messages, Plan, Problem, Role


async def stream_one(
    task: Task,
    problem: Problem,
    calls: Asker,
    *,
    run: str = "",
    plan: Plan | None = None,
    context: Messages = (),
    roles: Sequence[Role] = ROLES,
) -> AsyncGenerator[Delta | StoredTrace, None]:
    """Yield the text of a problem's plan and solutions as it is written, then a row per sample (ordinal 0).

    The plan comes once, before the solutions, whose deltas come as each sample writes them. A plan that no call writes
    (`plan`, gold, recorded) is one delta of the teacher's. `context` are earlier turns of a conversation; every prompt
    stands after them. `run` is the run that pays. Only `roles` are streamed: the replies of others are requested
    whole, several samples in one request. A call that fails is its trace's error; raises `UsageError` before any call,
    `EndpointRefused` and `BudgetReached`. Closing it ends the requests that nobody else waits for; use it in an
    `aclosing`. Nothing is graded, and only calls are stored.
    """
    (task if plan is None else msgspec.structs.replace(task, plans=Plans(source="own"))).check()

    async def solve(deltas: Deltas) -> list[StoredTrace]:
        attempts = Attempts(task, calls, run, context=context, deltas=deltas)
        return await attempts.rows(0, problem, problem, plan)

    async with aclosing(streamed(solve, roles=roles)) as written:
        async for delta in written:
            if isinstance(delta, Delta):
                yield delta
                continue
            for row in delta:
                yield row
