"""What a task would cost, said before anything is sent."""

import msgspec

from stepdown.errors import CallFailed
from stepdown.runner.attempt import Attempts
from stepdown.runner.cache import ReplyCache
from stepdown.runner.deltas import Deltas
from stepdown.runner.request import KeyedCall, Request
from stepdown.runner.task import Task
from stepdown.store import Store
from stepdown.types import Pricing, Reply, Role, Usage

# English text and arithmetic hold about this many characters a token in today's tokenizers.
CHARACTERS_PER_TOKEN = 4
TYPICAL_TOKENS: dict[Role, int] = {"teacher": 120, "student": 250, "judge": 4}


class Estimate(msgspec.Struct, frozen=True):
    """Calls a task would make, those the store answers already, the tokens of the rest by role, and US dollars.

    `cost` takes replies of typical length, `most` replies as long as `max_tokens` allows; None where a price is
    unknown. The length of a plan that is not written yet is typical too.
    """

    calls: int
    cached: int
    tokens: dict[Role, Usage]
    cost: float | None
    most: float | None


class _DryCalls:
    """Answers each request by the store, or else by a text of typical length; nothing is sent."""

    def __init__(self, store: Store) -> None:
        self._cache = ReplyCache(store)
        self.sent = self.found = 0
        self.typical: dict[tuple[Role, str], Usage] = {}
        self.longest: dict[str, Usage] = {}

    async def ask(self, request: Request, deltas: Deltas | None = None) -> KeyedCall:
        """Return a call and its key, as `Calls.ask` does."""
        found = self._cache.find(request)
        if found is None:
            return request.key, request.call(self._send(request))
        self.found += 1
        return found[0], request.call(found[1])

    def _send(self, request: Request) -> Reply:
        self.sent += 1
        model, limit = request.model.name, request.sampling.max_tokens
        length = min(TYPICAL_TOKENS[request.role], limit)
        size = sum(len(message.content) for message in request.messages) // CHARACTERS_PER_TOKEN
        typical, longest = self.typical.get((request.role, model), Usage()), self.longest.get(model, Usage())
        self.typical[request.role, model] = Usage(typical.input + size, typical.output + length)
        self.longest[model] = Usage(longest.input + size, longest.output + limit)
        # A list, so that a method that goes on by the parts of a reply asks about some.
        text = "".join(f"{number}. {'x' * (length * CHARACTERS_PER_TOKEN // 3 - 4)}\n" for number in (1, 2, 3))
        return Reply(text, model)


async def estimate(task: Task, store: Store, pricing: Pricing) -> Estimate:
    """Read the problems once and add up what their calls would take; nothing is sent or written."""
    task.settings()
    dry = _DryCalls(store)
    attempts = Attempts(task, dry)
    for problem in filter(task.takes, task.problems):
        first = attempts.attempt()
        try:
            plan = await attempts.plan(problem, first)
        except CallFailed:
            continue
        for sample in range(task.samples):
            await attempts.solve(0, problem, plan, attempts.attempt(sample))
    return Estimate(
        calls=dry.sent + dry.found,
        cached=dry.found,
        tokens={role: usage for (role, _), usage in dry.typical.items()},
        cost=_cost(pricing, [(model, usage) for (_, model), usage in dry.typical.items()]),
        most=_cost(pricing, list(dry.longest.items())),
    )


def _cost(pricing: Pricing, usages: list[tuple[str, Usage]]) -> float | None:
    costs = [pricing.cost(model, usage) for model, usage in usages]
    known = [cost for cost in costs if cost is not None]
    return sum(known) if len(known) == len(costs) else None
