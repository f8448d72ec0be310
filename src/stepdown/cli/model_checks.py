"""Whether models answer: one token of each, how long that took, and what it cost."""

import asyncio
from collections.abc import Sequence
from time import perf_counter

import msgspec

from stepdown.cli.console.terminal import say
from stepdown.cli.downloads import download
from stepdown.cli.grid import Players
from stepdown.errors import StepdownError
from stepdown.models import FleetModel, Offer, Prices, look_at
from stepdown.runner import plain
from stepdown.text import money
from stepdown.types import Message, Model, Reply, Sampling

# The shortest thing that any chat model answers.
PROMPT, SAMPLING = (Message("user", "Say 1."),), Sampling(max_tokens=1)


class ModelCheck(msgspec.Struct, frozen=True, kw_only=True):
    """One line of `doctor --check --json`: what came of asking a model, or a server of a fleet, for one token.

    `seconds` are those of the request, `loading` those before it in which a model of this machine was loaded. `cost` is
    None where the price is unknown, and where nothing came. `why` says why nothing did, `hint` what to do.
    """

    model: str
    address: str = ""
    answers: bool
    seconds: float | None = None
    loading: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: float | None = None
    why: str = ""
    hint: str = ""

    def __str__(self) -> str:
        name = f"{self.model} at {self.address}" if self.address else self.model
        if not self.answers:
            return f"no  {name}: {self.why}" + (f"  -> {self.hint}" if self.hint else "")
        loaded = f", loaded in {self.loading:.1f} s" if self.loading is not None else ""
        price = "price unknown" if self.cost is None else money(self.cost)
        latency = f"{1000 * (self.seconds or 0):.0f} ms"
        return f"yes {name}: {latency}{loaded}; {self.input_tokens} + {self.output_tokens} tokens, {price}"


def check_models(names: Sequence[str], players: Players, *, at: str = "") -> list[ModelCheck]:
    """Ask each model for one token, one model after another; nothing is stored. Raises nothing for one that fails."""
    found: list[ModelCheck] = []
    offer: Offer | None = None
    for name in dict.fromkeys(names):
        model: Model | None = None
        try:
            if at:
                offer = offer or plain(look_at(at))
                name = players.add(offer, offer.choose(name, "--check"))
            model = players.load(name)
            download([name])
        except StepdownError as error:
            found.append(ModelCheck(model=name, answers=False, why=error.what, hint=error.hint))
            continue
        say(f"asking {name} for one token")
        found += plain(_check(model))
    return found


async def _check(model: Model) -> list[ModelCheck]:
    try:
        if isinstance(model, FleetModel):
            servers = ((server.model, server.address) for server in model.servers)
            return list(await asyncio.gather(*(_ask(one, address) for one, address in servers)))
        return [await _ask(model, "")]
    finally:
        await model.close()


async def _ask(model: Model, address: str) -> ModelCheck:
    loading = None
    try:
        if not model.capabilities.connects:
            began = perf_counter()
            await model.prepare()
            loading = perf_counter() - began
        began = perf_counter()
        [reply, *_] = await model.reply(PROMPT, SAMPLING)
    except StepdownError as error:
        return ModelCheck(model=model.name, address=address, answers=False, why=error.what, hint=error.hint)
    return _answered(model.name, address, reply, perf_counter() - began, loading)


def _answered(name: str, address: str, reply: Reply, seconds: float, loading: float | None) -> ModelCheck:
    usage = reply.usage
    return ModelCheck(
        model=name,
        address=address,
        answers=True,
        seconds=round(seconds, 4),
        loading=None if loading is None else round(loading, 2),
        input_tokens=usage.input if usage else None,
        output_tokens=usage.output if usage else None,
        cost=Prices().cost(name, usage) if usage else None,
    )
