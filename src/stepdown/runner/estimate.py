"""What a task would cost, said before anything is sent."""

import msgspec

from stepdown.errors import CallFailed
from stepdown.runner.calls import Calls
from stepdown.runner.keys import find_key
from stepdown.runner.solve import Asking, Attempts
from stepdown.runner.task import Task
from stepdown.store import Store
from stepdown.types import Call, Messages, Model, Pricing, Reply, Role, Sampling, Usage

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


class _Dry(Calls):
    """Goes the way of every call and sends none: what the store lacks is answered by a text of typical length."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.typical: dict[tuple[Role, str], Usage] = {}
        self.longest: dict[str, Usage] = {}

    async def ask(
        self,
        role: Role,
        model: Model,
        messages: Messages,
        sampling: Sampling,
        sample: int,
        run: str,
        *,
        anew: bool = False,
    ) -> tuple[bytes, Call]:
        sample = sample if sampling.temperature > 0 else 0
        key = find_key(self.store, model, messages, sampling, sample)
        reply = self._stored(key)
        if reply is None:
            self.sent += 1
            length = min(TYPICAL_TOKENS[role], sampling.max_tokens)
            size = sum(len(message.content) for message in messages) // CHARACTERS_PER_TOKEN
            self._add(role, model.name, size, length, sampling.max_tokens)
            # A list, so that a method that goes on by the parts of a reply asks about some.
            text = "".join(f"{number}. {'x' * (length * CHARACTERS_PER_TOKEN // 3 - 4)}\n" for number in (1, 2, 3))
            reply = Reply(text, model.name)
        return key, Call(role, model.name, messages, sampling, reply, sample)

    def _add(self, role: Role, model: str, size: int, length: int, limit: int) -> None:
        before = self.typical.get((role, model), Usage())
        self.typical[role, model] = Usage(before.input + size, before.output + length)
        before = self.longest.get(model, Usage())
        self.longest[model] = Usage(before.input + size, before.output + limit)


async def estimate(task: Task, store: Store, pricing: Pricing) -> Estimate:
    """Read the problems once and add up what their calls would take; nothing is sent or written."""
    task.settings()
    dry = _Dry(store)
    attempts = Attempts(task, dry)
    for problem in task.problems:
        planning = Asking(task, dry, "")
        try:
            plan = await attempts.plan(problem, planning)
        except CallFailed:
            continue
        for sample in range(task.samples):
            await attempts.solve(0, problem, plan, Asking(task, dry, "", sample))
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
