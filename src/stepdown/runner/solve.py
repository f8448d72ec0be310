"""One attempt at a problem: the plan, the calls it takes, and what becomes of it when a call fails."""

import asyncio

from stepdown.errors import CallFailed, UsageError
from stepdown.runner.calls import Calls
from stepdown.runner.task import Task
from stepdown.store import Row
from stepdown.types import Call, Message, Messages, Plan, Problem, Prompt, Role, Trace


class Asking:
    """The `ask` of one attempt: it puts roles to models and prompts to words, and records every call."""

    def __init__(self, task: Task, calls: Calls, run: str, sample: int = 0) -> None:
        self.task, self.calls, self.run, self.sample = task, calls, run, sample
        self.asked: list[tuple[bytes, Call]] = []

    async def __call__(self, role: Role, prompt: Prompt | str) -> str:
        """Ask the model that plays this role; a teacher's plan is drawn once and serves every sample."""
        task = self.task
        model = task.planner if role == "teacher" else task.student
        if model is None:
            raise UsageError(f"`{task.method.name}` asks a {role}, and there is none", f"name a {role}")
        teaching = role == "teacher"
        sampling = task.teacher_sampling if teaching else task.sampling
        sample = 0 if teaching else self.sample
        player: Role = "teacher" if teaching else task.role
        self.asked.append(await self.calls.ask(player, model, self._words(prompt), sampling, sample, self.run))
        return self.asked[-1][1].reply.text

    def _words(self, prompt: Prompt | str) -> Messages:
        return (Message("user", prompt),) if isinstance(prompt, str) else self.task.prompts.render(prompt)

    def row(self, ordinal: int, problem: Problem, plan: Plan | None, ended: str | CallFailed) -> Row:
        """Return the trace of what was asked, with the solution or the error it ended in."""
        trace = Trace(
            problem=problem,
            method=self.task.method.name,
            plan=plan,
            calls=tuple(call for _, call in self.asked),
            solution=ended if isinstance(ended, str) else None,
            error=None if isinstance(ended, str) else ended.what,
            sample=self.sample,
        )
        return Row(ordinal, trace, tuple(key for key, _ in self.asked))


def _unless_raised(row: Row | BaseException) -> Row:
    if isinstance(row, BaseException):
        raise row
    return row


class Attempts:
    """All samples of one task's attempts at a problem, by one plan."""

    def __init__(self, task: Task, calls: Calls, run: str = "") -> None:
        self.task, self.calls, self.run = task, calls, run

    async def rows(self, ordinal: int, problem: Problem, planned: Problem) -> list[Row]:
        """Solve a problem by the plan made for `planned` (itself, or another one under the control `shuffled`)."""
        planning = Asking(self.task, self.calls, self.run)
        try:
            plan = await self.plan(planned, planning)
        except CallFailed as error:
            samples = (self._asking(sample, planning) for sample in range(self.task.samples))
            return [asking.row(ordinal, problem, None, error) for asking in samples]
        if self.task.samples == 1:
            return [await self.solve(ordinal, problem, plan, planning)]
        drawn = (self._asking(sample, planning) for sample in range(self.task.samples))
        solving = (self.solve(ordinal, problem, plan, asking) for asking in drawn)
        # All are waited for before one's error is raised: what is under way is paid for.
        rows = await asyncio.gather(*solving, return_exceptions=True)
        return [_unless_raised(row) for row in rows]

    def _asking(self, sample: int, planning: Asking) -> Asking:
        asking = Asking(self.task, self.calls, self.run, sample)
        asking.asked = list(planning.asked)
        return asking

    async def plan(self, problem: Problem, ask: Asking) -> Plan | None:
        """Return the plan for a problem, None for a method without plans. Raises `CallFailed`."""
        if self.task.method.plan is None:
            return None
        author = self.task.planner.name if self.task.planner else ""
        return await self.task.plans.plan(problem, self.task.method, ask, author)

    async def solve(self, ordinal: int, problem: Problem, plan: Plan | None, asking: Asking) -> Row:
        """Return the row of one sample; a call that failed is its error."""
        try:
            return asking.row(ordinal, problem, plan, await self.task.method.solve(problem, plan, asking))
        except CallFailed as error:
            return asking.row(ordinal, problem, plan, error)
