"""One request to a model: claimed, within the budget, sent, and paid for whatever comes of it."""

import asyncio
from contextlib import aclosing, suppress
from functools import partial
from itertools import chain, repeat

import msgspec

from stepdown.errors import BudgetReached, CallFailed, PromptTooLong
from stepdown.models.http import LostReply, losses_to, report_loss
from stepdown.runner.accounts import Account
from stepdown.runner.budget import Budget, Reservation, most, until
from stepdown.runner.flights import Flight
from stepdown.runner.writer import Writer
from stepdown.store import AbandonedReply, StoredCall, unfindable_key
from stepdown.store.call_claims import Claim
from stepdown.types import HiddenProgress, Messages, Model, Reply, Sampling, Usage
from stepdown.usercode import source_of

# Draws of one prompt that are asked anew have places beyond those of any run: a turn's number times this, and the draw.
TURN = 1 << 20
# Seconds between two looks at what another process has under way.
_LOOKS = (0.02, 0.03, 0.05, 0.08, 0.12, 0.2, 0.3)


def looks() -> chain[float]:
    """Return the pauses between looks at what another process has under way, without end."""
    return chain(_LOOKS, repeat(_LOOKS[-1]))


def storable(reply: Reply) -> Reply:
    """Return a reply whose text is Unicode: half of a surrogate pair, which some models write, becomes `?`."""
    text, reasoning = _unicode(reply.text), _unicode(reply.reasoning)
    if text is reply.text and reasoning is reply.reasoning:
        return reply
    return msgspec.structs.replace(reply, text=text, reasoning=reasoning)


def _unicode(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="replace").decode()
    return text


def left_of(model: Model, messages: Messages, sampling: Sampling, flight: Flight, left: AbandonedReply) -> StoredCall:
    """Return what came of a call that gave no reply, under a key by which nobody finds it."""
    return StoredCall(
        unfindable_key(), model.name, source_of(model), messages, sampling, flight.sample, left, flight.run
    )


class Claimed(msgspec.Struct):
    """Draws that are ours to ask for, those that others have under way or have answered, and what is held for ours."""

    ours: list[Flight]
    others: list[Flight]
    held: Reservation | None


class Sender:
    """Sends requests within a budget; `sent` counts the draws that went to a model."""

    def __init__(self, writer: Writer, budget: Budget | None) -> None:
        self.writer, self.budget, self.sent = writer, budget, 0
        self._account = Account.of(writer.claims, budget)

    async def claim(self, model: Model, messages: Messages, sampling: Sampling, flights: list[Flight]) -> Claimed:
        """Claim these draws and hold what they may use.

        Raises `BudgetReached` once no process has a call in flight whose end could free enough.
        """
        bound = most(messages, sampling, 1)
        claims = [Claim(flight.key, flight.run, model.name) for flight in flights]
        for pause in chain(_LOOKS, repeat(_LOOKS[-1])):
            held = await self._reserve(model, bound, len(flights))
            try:
                wanted = await self.writer.claim(claims, bound, self._account)
            except BaseException:
                self._release(held, [])
                raise
            if wanted.room == "fits":
                break
            self._release(held, [])
            if wanted.room == "over" and self.budget and held:
                raise self.budget.reached(held)
            await asyncio.sleep(pause)
        if not wanted.ours:
            self._release(held, [])
        others = [flight for flight in flights if flight.key not in wanted.ours]
        return Claimed([flight for flight in flights if flight.key in wanted.ours], others, held)

    async def _reserve(self, model: Model, bound: Usage, draws: int) -> Reservation | None:
        whole = Usage(bound.input, bound.output * draws)
        return await self.budget.reserve(model.name, whole) if self.budget else None

    def _release(self, held: Reservation | None, used: list[Usage] | None) -> None:
        if self.budget and held:
            self.budget.settle(held, used)

    async def pay(
        self, model: Model, messages: Messages, sampling: Sampling, flights: list[Flight], held: Reservation | None
    ) -> list[Reply]:
        """Return the replies to a request, at least one, and settle what was held for it."""
        used: list[Usage] | None = []
        try:
            with losses_to(partial(self._lose, model, messages, sampling, flights[0])):
                replies = await self._draw(model, messages, sampling, flights)
            known = [reply.usage for reply in replies if reply.usage is not None]
            used = known if len(known) == len(replies) else None
        except (asyncio.CancelledError, CallFailed) as ended:
            if flights[0].begun and not isinstance(ended, PromptTooLong):
                used = self._keep_ended(model, messages, sampling, flights[0])
            raise
        finally:
            self._release(held, used)
        return replies

    def _lose(self, model: Model, messages: Messages, sampling: Sampling, flight: Flight, spent: LostReply) -> None:
        """Pay for an answer that gave no reply. Raises `BudgetReached` where no further attempt may be paid for."""
        text = _unicode(spent.text)
        usage = spent.usage or until(messages, sampling, len(text.encode()))
        self.writer.lost(
            left_of(model, messages, sampling, flight, AbandonedReply(text, model.name, usage)), self._account
        )
        if self.budget:
            self.budget.lose(model.name, usage)

    def _keep_ended(self, model: Model, messages: Messages, sampling: Sampling, flight: Flight) -> list[Usage]:
        """Keep what a stream took that was left or broke, and return that."""
        text = "".join(flight.pieces)
        usage = until(messages, sampling, len(text.encode()) + flight.hidden)
        self.writer.left(left_of(model, messages, sampling, flight, AbandonedReply(text, model.name, usage)))
        return [usage]

    async def _draw(self, model: Model, messages: Messages, sampling: Sampling, flights: list[Flight]) -> list[Reply]:
        """Ask for these draws of a prompt and return the first of them, at least one."""
        self.sent += len(flights)
        samples = [flight.sample % TURN for flight in flights]
        if model.capabilities.recorded:
            found = await model.reply(messages, sampling, max(samples) + 1)
            return [found[sample] for sample in samples]
        # A draw made alone, after others, must not be given the first draw's seed again.
        if sampling.seed is not None and samples[0]:
            sampling = msgspec.structs.replace(sampling, seed=sampling.seed + samples[0])
        if flights[0].streamed:
            return [await self._hear(model, messages, sampling, flights[0])]
        replies = await model.reply(messages, sampling, len(samples))
        if not replies:
            raise CallFailed(f"`{model.name}` gave no reply", "the same command asks again")
        self.sent -= max(0, len(samples) - len(replies))
        # The replies that are wanted are there, whatever the others cost.
        with suppress(BudgetReached):
            for surplus in replies[len(samples) :]:
                report_loss(surplus.text, surplus.usage)
        return [storable(reply) for reply in replies[: len(samples)]]

    async def _hear(self, model: Model, messages: Messages, sampling: Sampling, flight: Flight) -> Reply:
        """Return the reply of a model that says it in pieces, and pass these on."""
        async with aclosing(model.stream(messages, sampling)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Reply):
                    return storable(piece)
                if isinstance(piece, HiddenProgress):
                    flight.use(piece.size)
                else:
                    flight.say(_unicode(piece))
        raise CallFailed(f"`{model.name}` gave no reply", "the same command asks again")
