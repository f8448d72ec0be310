"""One problem solved while somebody reads along: the pieces of plan and solutions, then their traces."""

import asyncio
from collections.abc import AsyncGenerator

import msgspec

from stepdown.runner.calls import Asker
from stepdown.runner.plans import Plans
from stepdown.runner.solve import ROLES, Attempts, Manner, Piece
from stepdown.runner.task import Task
from stepdown.store import StoredTrace
from stepdown.types import Messages, Plan, Problem, Role

__all__ = ["Piece", "stream_one"]


async def stream_one(
    task: Task,
    problem: Problem,
    calls: Asker,
    *,
    run: str = "",
    plan: Plan | None = None,
    context: Messages = (),
    told: tuple[Role, ...] = ROLES,
) -> AsyncGenerator[Piece | StoredTrace, None]:
    """Yield the pieces of a problem's plan and solutions as they are written, then a row per sample (ordinal 0).

    The plan comes once, before the solutions, whose pieces come as each sample writes them. A plan that no call
    writes (`plan`, gold, recorded) is one piece of the teacher's. `context` are turns of a conversation before the
    problem; every prompt stands after them. `run` is the run that pays. Of roles that are not in `told` no piece is
    yielded: they are asked for whole replies, several samples in one request. A call that fails is its trace's error;
    raises `UsageError` before any call, `EndpointRefused` and `BudgetReached`. Closing it ends the calls that nobody
    else waits for; use it in an `aclosing`. Nothing is graded, and only calls are stored.
    """
    (task if plan is None else msgspec.structs.replace(task, plans=Plans(source="own"))).check()
    pieces: asyncio.Queue[Piece | None] = asyncio.Queue()
    attempts = Attempts(task, calls, run, Manner(say=pieces.put_nowait, context=context, told=told))
    solving = asyncio.ensure_future(attempts.rows(0, problem, problem, plan))
    solving.add_done_callback(lambda _: pieces.put_nowait(None))
    try:
        while (piece := await pieces.get()) is not None:
            yield piece
        rows = solving.result()
    finally:
        if not solving.done():
            solving.cancel()
            await asyncio.gather(solving, return_exceptions=True)
    for row in rows:
        yield row
