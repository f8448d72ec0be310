"""A cascade: a small planner's plan first, the large teacher's only where the student's votes disagree.

Escalation by agreement of samples: Yue et al. (2024), ICLR, arXiv 2310.03094.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import msgspec

from stepdown.answers import Majority, majority
from stepdown.errors import UsageError
from stepdown.runner.calls import Asker
from stepdown.runner.deltas import ROLES, Delta
from stepdown.runner.streaming import stream_one
from stepdown.runner.task import Task
from stepdown.store import StoredTrace
from stepdown.types import Messages, Problem, Role

VOTING = 0.7  # the temperature votes are drawn at where nobody gives one
ROUNDING = 1e-9


class Cascade(msgspec.Struct, frozen=True, kw_only=True):
    """Two tasks of one student: `cheap` with the planner and as many samples as there are votes, `dear` with one.

    An answer of `cheap` is taken where the share of its samples that agree on it reaches `threshold`.
    """

    cheap: Task
    dear: Task
    threshold: float

    def check(self) -> None:
        """Refuse a cascade that cannot be right. Raises `UsageError`."""
        if self.dear.method.plan is None:
            raise UsageError(f"`{self.dear.method.name}` has no plan to cascade", "use trace-of-thought")
        if self.cheap.samples < 2:
            raise UsageError(f"`{self.cheap.samples}` votes cannot disagree", "use at least 2, such as 5")
        if not 0 < self.threshold <= 1:
            raise UsageError(f"a threshold of `{self.threshold:g}`", "give a share of the votes above 0, up to 1")
        self.cheap.check()
        self.dear.check()


def agreed(problem: Problem, rows: Sequence[StoredTrace], threshold: float) -> StoredTrace | None:
    """Return the first sample that concludes as the largest group does, None where that group is too small.

    The group's share is of all samples drawn: junk, cut replies and failed calls never vote, and count against it.
    """
    votes = votes_of(problem, rows)
    if votes.index is None or votes.votes / len(rows) + ROUNDING < threshold:
        return None
    return rows[votes.index]


def votes_of(problem: Problem, rows: Sequence[StoredTrace]) -> Majority:
    """Return what most of the samples conclude."""
    return majority(problem, [None if row.trace.cut else row.trace.solution for row in rows])


async def stream_cascade(
    cascade: Cascade,
    problem: Problem,
    calls: Asker,
    *,
    run: str = "",
    context: Messages = (),
    roles: Sequence[Role] = ROLES,
) -> AsyncGenerator[Delta | StoredTrace, None]:
    """Yield the plan, the teacher's after a blank line if it was asked, the solution, and one row with every call.

    Samples that only vote are not streamed, and are requested together. Raises what `stream_one` raises; `roles` are
    as there.
    """
    drawn: list[StoredTrace] = []
    planned = False
    planning: list[Role] = [role for role in roles if role == "teacher"]
    async with aclosing(stream_one(cascade.cheap, problem, calls, run=run, context=context, roles=planning)) as votes:
        async for one in votes:
            if isinstance(one, StoredTrace):
                drawn.append(one)
            else:
                planned = planned or bool(one.text)
                yield one
    drawn.sort(key=lambda row: row.trace.sample)
    taken = agreed(problem, drawn, cascade.threshold)
    if taken is not None:
        if "student" in roles:
            yield Delta("student", taken.trace.solution or "")
        yield joined(drawn, taken)
        return
    if planned:
        yield Delta("teacher", "\n\n")
    async with aclosing(stream_one(cascade.dear, problem, calls, run=run, context=context, roles=roles)) as solving:
        async for one in solving:
            yield joined([*drawn, one], one) if isinstance(one, StoredTrace) else one


def joined(rows: Sequence[StoredTrace], taken: StoredTrace) -> StoredTrace:
    """Return the row of one attempt made of several: the calls of all, each once, and what became of `taken`."""
    calls = {key: call for row in rows for key, call in zip(row.keys, row.trace.calls, strict=True)}
    trace = msgspec.structs.replace(taken.trace, calls=tuple(calls.values()), sample=0)
    return StoredTrace(0, trace, tuple(calls), failure=taken.failure)
