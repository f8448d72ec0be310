"""How a problem is solved and how a solution is read: prompts, methods and graders."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import msgspec

from stepdown.types.values import Grade, Plan, Problem, Role


class Prompt(msgspec.Struct, frozen=True):
    """What a method asks, by the name it has in the method; the run's prompt set, or else the method, has the words.

    `values` fill the template's own placeholders: `{part}` with `values["part"]`. `final` says that the reply is the
    solution, so that it may be shown while it is written; a student is asked nothing after it. `draw` numbers one of
    several replies to the same prompt, from 0: a model that is asked greedily otherwise is then asked at temperature
    0.7. `limit` is the most tokens of this reply, where the run allows more.
    """

    name: str
    problem: Problem
    plan: Plan | None = None
    values: Mapping[str, str] = {}
    final: bool = False
    draw: int | None = None
    limit: int | None = None


class Ask(Protocol):
    """How a method reaches a model: it names a role; the run decides who plays it and records the call."""

    async def __call__(self, role: Role, prompt: Prompt | str) -> str:
        """Return the text of the reply."""
        ...


class Method(msgspec.Struct, frozen=True):
    """A way of solving: `solve(problem, plan, ask)` gives the solution, `plan(problem, ask)` the plan if it has one.

    `prompts` are its words by name: templates with `{question}`, `{steps}` (of the plan), `{ending}` (the answer line)
    and the values of a `Prompt`; a prompt set may word them otherwise. `roles` says which prompts are for the teacher,
    `shows_examples` that demonstrations come before the problem, `source` who described it. The code of a method of
    your own is part of a run's identity; a `version` stands for it where you declare one. `last_is_known`: its solution
    is always the reply to a `final` prompt, which can be handed tools and the form of its answer.
    """

    name: str
    solve: Callable[[Problem, Plan | None, Ask], Awaitable[str]]
    plan: Callable[[Problem, Ask], Awaitable[str]] | None = None
    version: str = ""
    prompts: Mapping[str, str] = {}
    roles: Mapping[str, Role] = {}
    shows_examples: bool = False
    aliases: tuple[str, ...] = ()
    source: str = ""
    last_is_known: bool = False

    @property
    def asks_teacher(self) -> bool:
        """Whether a teacher has a part in it: it writes the plan, or is asked while solving."""
        return self.plan is not None or "teacher" in self.roles.values()


class Grader(Protocol):
    """Anything that reads a solution and compares it with the gold."""

    @property
    def name(self) -> str:
        """The grader's name, such as `default@1`; the stored name of your own also says its code, or its `version`."""
        ...

    async def __call__(self, problem: Problem, solution: str) -> Grade:
        """Return the grade of one solution; never raises on hostile text."""
        ...


@runtime_checkable
class VotingGrader(Grader, Protocol):
    """A grader that can grade all samples of a problem together: where it `votes`, it is asked for that instead."""

    votes: bool

    async def vote(self, problem: Problem, solutions: Sequence[str | None]) -> Grade:
        """Return the one grade of all samples, in their order; None is one that failed."""
        ...
