"""What a task would ask, found by a dry run: methods are given texts of the usual length, and nothing is sent."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from stepdown.errors import CallFailed
from stepdown.runner.attempt import Attempts
from stepdown.runner.cache import ReplyCache
from stepdown.runner.call_profiles import CallProfile
from stepdown.runner.deltas import Deltas
from stepdown.runner.request import KeyedCall, Request
from stepdown.runner.simulation import ProblemShape, Stage
from stepdown.runner.task import Task
from stepdown.store import Store
from stepdown.types import Plan, Problem, Reply, Role

# Draws that a dry run asks for; of more, every so many problems are looked at.
MOST_DRAWS = 40_000
# A method that goes on by what a reply says, such as its parts, asks about so many.
PARTS, FEW_PARTS, MANY_PARTS = 3, 1, 6

Profiles = Mapping[tuple[Role, str], CallProfile]


class PlannedDraw(msgspec.Struct, frozen=True, eq=False):
    """A draw of a prompt: which profile asks, what it has in common with others of its request, how long it is."""

    profile: int
    batch: tuple[Any, ...]
    characters: int
    size: int
    limit: int
    found: bool


class PlannedRequest(msgspec.Struct, frozen=True):
    """Draws of one prompt that the store does not have; `characters` and `size` (bytes) are of its messages.

    `holds_replies` says that the prompt may hold replies that are not written yet.
    """

    profile: int
    draws: int
    characters: int
    size: int
    limit: int
    holds_replies: bool


class DryCalls:
    """Answers each request by the store, if there is one, or else by a text of usual length; nothing is sent."""

    spans = None

    def __init__(self, store: Store | None, profiles: Profiles, *, parts: int = PARTS) -> None:
        self._cache, self.profiles, self.parts = ReplyCache(store) if store else None, profiles, parts
        self._order = {who: index for index, who in enumerate(profiles)}
        self._texts: dict[tuple[Role, str, int], str] = {}
        self._asked: list[PlannedDraw] = []

    async def ask(self, request: Request, deltas: Deltas | None = None) -> KeyedCall:
        """Return a call and its key, as `Calls.ask` does."""
        found = await self._cache.find(request) if self._cache else None
        who = request.role, request.model.name
        self._asked.append(
            PlannedDraw(
                profile=self._order[who],
                batch=(who, request.messages, request.sampling),
                characters=sum(len(message.content) for message in request.messages),
                size=sum(len(message.content.encode(errors="replace")) for message in request.messages),
                limit=request.sampling.max_tokens,
                found=found is not None,
            )
        )
        if found is None:
            return request.key, request.call(Reply(self._text(*who, request.sampling.max_tokens), request.model.name))
        return found[0], request.call(found[1])

    def take(self) -> list[PlannedDraw]:
        """Return what was asked since the last time."""
        asked, self._asked = self._asked, []
        return asked

    def _text(self, role: Role, model: str, limit: int) -> str:
        """Return a list, so that a method that goes on by the parts of a reply asks about some.

        Parts are paragraphs. Only of few parts there is an answer, in the same paragraph: draws that agree spare a
        method its later calls. Only of many parts each begins with a doubt, which another method goes on by.
        """
        if (role, model, limit) not in self._texts:
            profile = self.profiles[role, model]
            length = min(profile.characters, limit * profile.per_token.value)
            part = "x" * max(1, int(length / self.parts) - 4)
            doubt = "Wait, " if self.parts == MANY_PARTS else ""
            agreed = "\nAnswer: 1" if self.parts == FEW_PARTS else ""
            parts = (f"{n}. {doubt}{part}{n}" for n in range(1, self.parts + 1))
            self._texts[role, model, limit] = "\n\n".join(parts) + agreed
        return self._texts[role, model, limit]


class PlannedProblem(msgspec.Struct, frozen=True):
    """The stages of one problem, each with the requests that are made together, and what the store has of it.

    `size` are the bytes of its texts.
    """

    stages: tuple[tuple[PlannedRequest, ...], ...]
    calls: int
    cached: int
    size: int

    @property
    def requests(self) -> list[PlannedRequest]:
        """All requests of it."""
        return [one for stage in self.stages for one in stage]


async def plan_problem(task: Task, dry: DryCalls, problem: Problem) -> PlannedProblem | None:
    """Return what a problem would ask; None where it has no plan to begin with."""
    attempts = Attempts(task, dry)
    plans, planning, chains = list[Plan | None](), list[list[PlannedDraw]](), list[list[PlannedDraw]]()
    try:
        for at in range(task.plan_samples):
            plans.append(await attempts.plan(problem, attempts.attempt(at)))
            planning.append(dry.take())
    except CallFailed:
        dry.take()
        return None
    for sample in range(task.samples):
        await attempts.solve(0, problem, plans[sample % task.plan_samples], attempts.attempt(sample))
        chains.append(dry.take())
    draws = [draw for some in (*planning, *chains) for draw in some]
    levels = [*_levels(planning), *_levels(chains)]
    stages = tuple(stage for level, some in enumerate(levels) if (stage := _stage(some, later=level > 0)))
    size = sum(len(text.encode(errors="replace")) for text in (problem.question, problem.solution, problem.plan))
    return PlannedProblem(stages, len(draws), sum(draw.found for draw in draws), size)


def _levels(sequences: Sequence[Sequence[PlannedDraw]]) -> list[list[PlannedDraw]]:
    """Return what sequences ask side by side: the first draw of each, then the second."""
    return [[some[at] for some in sequences if at < len(some)] for at in range(max(map(len, sequences)))]


def _stage(draws: Sequence[PlannedDraw], *, later: bool) -> tuple[PlannedRequest, ...]:
    """Return the requests for draws that are asked together: those of one prompt are one."""
    together: dict[tuple[Any, ...], list[PlannedDraw]] = {}
    for draw in draws:
        if not draw.found:
            together.setdefault(draw.batch, []).append(draw)
    return tuple(
        PlannedRequest(some[0].profile, len(some), some[0].characters, some[0].size, some[0].limit, later)
        for some in together.values()
    )


def shape_of(problem: PlannedProblem, several: Sequence[bool]) -> ProblemShape:
    """Return the stages of a problem as they are sent: a model that has one draw a request gets the others after it."""
    stages: list[Stage] = []
    for stage in problem.stages:
        first, rest = [], []
        for one in stage:
            whole = several[one.profile] or one.draws == 1
            first.append((one.profile, one.draws if whole else 1))
            rest += [] if whole else [(one.profile, 1)] * (one.draws - 1)
        stages.append(tuple(first))
        stages += [tuple(rest)] if rest else []
    return tuple(stages)


def shapes_of(problems: Sequence[PlannedProblem], several: Sequence[bool]) -> Counter[ProblemShape]:
    """Count the shapes of problems."""
    return Counter(shape_of(one, several) for one in problems)
