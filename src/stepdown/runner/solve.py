"""One attempt at a problem: the plan, the calls it takes, and what becomes of it when a call fails."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing

import msgspec

from stepdown.errors import CallFailed, UsageError
from stepdown.runner.calls import Asker
from stepdown.runner.task import Task
from stepdown.store import StoredTrace
from stepdown.types import Call, Message, Messages, Plan, Problem, Prompt, Role, Trace

ROLES: tuple[Role, ...] = ("teacher", "student")


class Piece(msgspec.Struct, frozen=True):
    """A part of a text as it is written: `role` is the one the method asks, `sample` the draw it belongs to."""

    role: Role
    text: str
    sample: int = 0


class Manner(msgspec.Struct, frozen=True):
    """How an attempt asks: `say` is told each piece of a reply as it comes, `context` stands before each prompt.

    Only roles in `told` are asked for their replies piece by piece.
    """

    say: Callable[[Piece], None] | None = None
    context: Messages = ()
    told: tuple[Role, ...] = ROLES


PLAIN = Manner()


class Asking:
    """The `ask` of one attempt: it puts roles to models and prompts to words, and records every call.

    Of a student's replies only that to a `final` prompt, which is the solution, is told piece by piece.
    """

    def __init__(self, task: Task, calls: Asker, run: str, sample: int = 0, manner: Manner = PLAIN) -> None:
        self.task, self.calls, self.run, self.sample, self.manner = task, calls, run, sample, manner
        self.asked: list[tuple[bytes, Call]] = []
        self.final = False

    async def __call__(self, role: Role, prompt: Prompt | str) -> str:
        """Ask the model that plays this role; a teacher's plan is drawn once and serves every sample."""
        task = self.task
        model = task.planner if role == "teacher" else task.student
        if model is None:
            raise UsageError(f"`{task.method.name}` asks a {role}, and there is none", f"name a {role}")
        if self.final and role == "student":
            raise UsageError(
                f"`{task.method.name}` asks its student again after a final prompt",
                "leave `final` out where more follows",
            )
        self.final = final = isinstance(prompt, Prompt) and prompt.final
        teaching = role == "teacher"
        sampling = task.teacher_sampling if teaching else task.sampling
        sample = 0 if teaching else self.sample
        player: Role = "teacher" if teaching else task.role
        words = self._words(prompt)
        if self.manner.say is None or role not in self.manner.told or not (teaching or final):
            self.asked.append(await self.calls.ask(player, model, words, sampling, sample, self.run))
            return self.asked[-1][1].reply.text
        async with aclosing(self.calls.stream(player, model, words, sampling, sample, self.run)) as told:
            async for piece in told:
                if isinstance(piece, str):
                    self.manner.say(Piece(role, piece, self.sample))
                else:
                    self.asked.append(piece)
        return self.asked[-1][1].reply.text

    def _words(self, prompt: Prompt | str) -> Messages:
        task = self.task
        own = (Message("user", prompt),) if isinstance(prompt, str) else task.prompts.render(task.method, prompt)
        return joined(self.manner.context, own) if self.manner.context else own

    def row(self, ordinal: int, problem: Problem, plan: Plan | None, ended: str | CallFailed) -> StoredTrace:
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
        failure = None if isinstance(ended, str) else ended
        return StoredTrace(ordinal, trace, tuple(key for key, _ in self.asked), failure=failure)


def joined(context: Messages, own: Messages) -> Messages:
    """Return a prompt's own messages after those of a context; all system lines become one, the context's first."""
    every = (*context, *own)
    lines = [message.content for message in every if message.role == "system"]
    system = (Message("system", "\n\n".join(lines)),) if lines else ()
    return (*system, *(message for message in every if message.role != "system"))


def _unless_raised(row: StoredTrace | BaseException) -> StoredTrace:
    if isinstance(row, BaseException):
        raise row
    return row


class Attempts:
    """All samples of one task's attempts at a problem, by one plan."""

    def __init__(self, task: Task, calls: Asker, run: str = "", manner: Manner = PLAIN) -> None:
        self.task, self.calls, self.run, self.manner = task, calls, run, manner

    async def rows(
        self, ordinal: int, problem: Problem, planned: Problem, plan: Plan | None = None
    ) -> list[StoredTrace]:
        """Solve a problem by a given plan, or the one made for `planned`.

        That is the problem itself, or another one under the control `shuffled`.
        """
        planning = Asking(self.task, self.calls, self.run, manner=self.manner)
        try:
            plan = plan or await self.plan(planned, planning)
            self._say_plan(plan, planning)
            if plan is not None and self.task.review is not None:
                plan = await self.task.review(self.run, problem, plan)
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

    def _say_plan(self, plan: Plan | None, planning: Asking) -> None:
        """Say a plan that no call of this attempt has written."""
        if plan is not None and self.manner.say is not None and "teacher" in self.manner.told and not planning.asked:
            self.manner.say(Piece("teacher", plan.text))

    def _asking(self, sample: int, planning: Asking) -> Asking:
        asking = Asking(self.task, self.calls, self.run, sample, self.manner)
        asking.asked = list(planning.asked)
        return asking

    async def plan(self, problem: Problem, ask: Asking) -> Plan | None:
        """Return the plan for a problem, None for a method without plans. Raises `CallFailed`."""
        if self.task.method.plan is None:
            return None
        author = self.task.planner.name if self.task.planner else ""
        return await self.task.plans.plan(problem, self.task.method, ask, author)

    async def solve(self, ordinal: int, problem: Problem, plan: Plan | None, asking: Asking) -> StoredTrace:
        """Return the row of one sample; a call that failed is its error.

        A solution that was no reply to a final prompt is told once the method has ended, in one piece.
        """
        method, say = self.task.method, self.manner.say
        try:
            solution = await method.solve(problem, plan, asking)
        except CallFailed as error:
            return asking.row(ordinal, problem, plan, error)
        if say is not None and "student" in self.manner.told and not asking.final:
            say(Piece("student", solution, asking.sample))
        return asking.row(ordinal, problem, plan, solution)
