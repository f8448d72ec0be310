"""A call is paid for once: found in the store, joined while in flight, or sent within the budget and kept."""

import asyncio
from collections import defaultdict
from collections.abc import Coroutine

import msgspec

from stepdown.errors import CallFailed
from stepdown.runner.budget import Budget, most
from stepdown.runner.writer import Writer
from stepdown.store import Paid, Store, call_key
from stepdown.types import Call, Messages, Model, Reply, Role, Sampling

_Request = tuple[int, Messages, Sampling]  # the model by its identity in this process
_Draw = tuple[int, bytes, str]  # which draw, its key, the run that pays


def source_of(model: Model) -> str:
    """Return where a model answers from: a base URL or a hash of weights; part of each call's identity."""
    return str(getattr(model, "source", ""))


def storable(reply: Reply) -> Reply:
    """Return a reply whose text is Unicode: half of a surrogate pair, which some models write, becomes `?`."""
    try:
        (reply.text + reply.reasoning).encode()
    except UnicodeEncodeError:
        text, reasoning = (part.encode(errors="replace").decode() for part in (reply.text, reply.reasoning))
        return msgspec.structs.replace(reply, text=text, reasoning=reasoning)
    return reply


class Calls:
    """The way from a request to a stored reply, shared by all runs of one command.

    `sent` counts requests that went to a model, `found` those the store answered.
    """

    def __init__(self, store: Store, *, budget: Budget | None = None) -> None:
        self.store, self.budget, self.writer = store, budget, Writer(store)
        self.sent = self.found = 0
        self._flights: dict[bytes, asyncio.Future[Reply]] = {}
        self._boarding: defaultdict[_Request, list[_Draw]] = defaultdict(list)
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(
        self, role: Role, model: Model, messages: Messages, sampling: Sampling, sample: int, run: str
    ) -> tuple[bytes, Call]:
        """Return the call and its key. Greedy draws are all draw 0. Raises what the model and the budget raise."""
        sample = sample if sampling.temperature > 0 else 0
        key = call_key(model.name, source_of(model), messages, sampling, sample)
        reply = self._stored(key)
        if reply is None:
            flight = self._flights.get(key) or self._board(model, messages, sampling, (sample, key, run))
            # Shielded: the reply is paid for and wanted by others, even if this asker is cancelled.
            reply = await asyncio.shield(flight)
        return key, Call(role, model.name, messages, sampling, reply, sample)

    def _stored(self, key: bytes) -> Reply | None:
        reply = None if key in self._flights else self.store.replies((key,)).get(key)
        if reply is None:
            return None
        self.found += 1
        return msgspec.structs.replace(reply, cached=True)

    def _board(self, model: Model, messages: Messages, sampling: Sampling, draw: _Draw) -> asyncio.Future[Reply]:
        """Put a draw on the next request for its prompt; draws asked in the same turn of the loop share one."""
        request = (id(model), messages, sampling)
        if request not in self._boarding:
            self._start(self._depart(model, request))
        self._boarding[request].append(draw)
        self._flights[draw[1]] = flight = asyncio.get_running_loop().create_future()
        return flight

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _depart(self, model: Model, request: _Request) -> None:
        _, messages, sampling = request
        await self._fly(model, messages, sampling, self._boarding.pop(request))

    async def _fly(self, model: Model, messages: Messages, sampling: Sampling, draws: list[_Draw]) -> None:
        """Send one request and land what it brings; draws it leaves out get a request each."""
        try:
            replies = await self._pay(model, messages, sampling, [sample for sample, _, _ in draws])
            landing, rest = draws[: len(replies)], draws[len(replies) :]
            for draw in rest:
                self._start(self._fly(model, messages, sampling, [draw]))
            draws = landing
            replies = await self._keep(model, messages, sampling, list(zip(draws, replies, strict=True)))
            for (_, key, _), reply in zip(draws, replies, strict=True):
                self._flights.pop(key).set_result(reply)
        except asyncio.CancelledError:
            for _, key, _ in draws:
                self._flights.pop(key).cancel()
            raise
        except Exception as error:  # whatever it is belongs to those who asked; they decide
            for _, key, _ in draws:
                flight = self._flights.pop(key)
                flight.set_exception(error)
                flight.exception()  # marks it as read: the asker may have been cancelled

    async def _keep(
        self, model: Model, messages: Messages, sampling: Sampling, drawn: list[tuple[_Draw, Reply]]
    ) -> list[Reply]:
        """Commit replies and return them; where another process was first with a call, its reply counts."""
        paid = [
            Paid(key, model.name, source_of(model), messages, sampling, sample, reply, run)
            for (sample, key, run), reply in drawn
        ]
        if await self.writer.call(paid):
            return [reply for _, reply in drawn]
        stored = self.store.replies([one.key for one in paid])
        return [stored[one.key] for one in paid]

    async def _pay(self, model: Model, messages: Messages, sampling: Sampling, samples: list[int]) -> list[Reply]:
        if self.budget is None:
            return await self._draw(model, messages, sampling, samples)
        held = await self.budget.reserve(model.name, most(messages, sampling, len(samples)))
        try:
            replies = await self._draw(model, messages, sampling, samples)
        except BaseException:
            self.budget.cancel(held)
            raise
        usages = [reply.usage for reply in replies if reply.usage is not None]
        self.budget.settle(held, usages if len(usages) == len(replies) else None)
        return replies

    async def _draw(self, model: Model, messages: Messages, sampling: Sampling, samples: list[int]) -> list[Reply]:
        """Ask for these draws of a prompt and return the first of them, at least one."""
        self.sent += len(samples)
        if getattr(model, "recorded", False):
            found = await model.reply(messages, sampling, max(samples) + 1)
            return [found[sample] for sample in samples]
        # A draw made alone, after others, must not be given the first draw's seed again.
        if sampling.seed is not None and samples[0]:
            sampling = msgspec.structs.replace(sampling, seed=sampling.seed + samples[0])
        replies = await model.reply(messages, sampling, len(samples))
        if not replies:
            raise CallFailed(f"`{model.name}` gave no reply", "the same command asks again")
        self.sent -= max(0, len(samples) - len(replies))
        return [storable(reply) for reply in replies[: len(samples)]]

    async def close(self) -> None:
        """Drop the calls in flight and commit what was answered."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # A task that was dropped before it began has told nobody.
        for flight in self._flights.values():
            flight.cancel()
        self._flights.clear()
        self._boarding.clear()
        self.writer.flush()


class Remembered(msgspec.Struct, frozen=True):
    """A model whose calls go through the store, for graders that ask one."""

    model: Model
    calls: Calls
    role: Role = "judge"

    @property
    def name(self) -> str:
        """The name of the model behind."""
        return self.model.name

    async def reply(self, messages: Messages, sampling: Sampling, n: int = 1) -> list[Reply]:
        """Return n replies, from the store where it has them."""
        asked = [self.calls.ask(self.role, self.model, messages, sampling, sample, "") for sample in range(n)]
        return [call.reply for _, call in await asyncio.gather(*asked)]
