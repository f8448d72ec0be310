"""A call is paid for once: found in the store, joined while in flight, or sent within the budget and kept."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing, suppress
from functools import partial
from typing import Protocol, cast
from uuid import uuid4

import msgspec

from stepdown.errors import BudgetReached, CallFailed, PromptTooLong, StoreError
from stepdown.models.spending import Spent, noting, spend
from stepdown.runner.budget import Budget, most, until
from stepdown.runner.flights import Flight
from stepdown.runner.writer import Writer
from stepdown.store import Left, Paid, Store, call_key
from stepdown.types import Call, Messages, Model, Reply, Role, Sampling, Unseen, Usage

# Draws of one prompt that are asked anew have places beyond those of any run: a turn's number times this, and the draw.
TURN = 1 << 20
_TURNS = 1 << 42

_Request = tuple[int, Messages, Sampling]  # the model by its identity in this process


def source_of(model: Model) -> str:
    """Return where a model answers from: a base URL or a hash of weights; part of each call's identity."""
    return str(getattr(model, "source", ""))


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


class Speaker(Protocol):
    """A model that can say its reply piece by piece."""

    def stream(self, messages: Messages, sampling: Sampling) -> AsyncGenerator[str | Unseen | Reply, None]:
        """Yield the text in pieces, then the reply."""
        ...


class Asker(Protocol):
    """What an attempt asks models through: `Calls`, or a view of them."""

    async def ask(
        self, role: Role, model: Model, messages: Messages, sampling: Sampling, sample: int, run: str
    ) -> tuple[bytes, Call]:
        """Return a call and its key."""
        ...

    def stream(
        self, role: Role, model: Model, messages: Messages, sampling: Sampling, sample: int, run: str
    ) -> AsyncGenerator[str | tuple[bytes, Call], None]:
        """Yield the pieces of a reply, then its key and the call."""
        ...


class Calls:
    """The way from a request to a stored reply, shared by all runs of one command.

    `sent` counts requests that went to a model, `found` those the store answered. A request that all its askers
    have left goes on and is stored, unless `abandon`; one that is streamed is ended. What a stream took that did not
    come to its end is paid for by an estimate.
    """

    def __init__(self, store: Store, *, budget: Budget | None = None, abandon: bool = False) -> None:
        self.store, self.budget, self.writer = store, budget, Writer(store)
        self.sent = self.found = 0
        self._abandon = abandon
        self._flights: dict[bytes, Flight] = {}
        self._boarding: dict[_Request, list[Flight]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

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
        """Return the call and its key. Greedy draws are all draw 0. Raises what the model and the budget raise.

        `anew` asks for a draw that nobody else has or is given: not the store's, and none under way.
        """
        place, key = self._place(model, messages, sampling, sample, anew)
        reply = self._stored(key)
        if reply is None:
            flight = self._flights.get(key) or self._board(
                model, messages, sampling, Flight(place, key, run, anew=anew)
            )
            flight.waiting += 1
            try:
                # Shielded: the reply is paid for and wanted by others, even if this asker is cancelled.
                reply = await asyncio.shield(flight.reply)
            finally:
                self._leave(flight)
            key = flight.key
        return key, Call(role, model.name, messages, sampling, reply, place % TURN)

    def knows(self, model: Model, messages: Messages, sampling: Sampling, sample: int) -> bool:
        """Whether the store would answer this draw."""
        key = self._place(model, messages, sampling, sample, False)[1]
        return key not in self._flights and bool(self.store.replies((key,)))

    def _place(
        self, model: Model, messages: Messages, sampling: Sampling, sample: int, anew: bool
    ) -> tuple[int, bytes]:
        """Return a draw's place among those of its prompt, and its key.

        A draw that is asked anew takes its own place where that is free, so that runs find it; else one beyond theirs.
        """
        place = sample if sampling.temperature > 0 else 0
        key = call_key(model.name, source_of(model), messages, sampling, place)
        # Recorded replies are all there is of them.
        if anew and not getattr(model, "recorded", False) and (key in self._flights or self.store.replies((key,))):
            place += TURN * (1 + secrets.randbelow(_TURNS))
            key = call_key(model.name, source_of(model), messages, sampling, place)
        return place, key

    async def stream(
        self,
        role: Role,
        model: Model,
        messages: Messages,
        sampling: Sampling,
        sample: int,
        run: str,
        *,
        anew: bool = False,
    ) -> AsyncGenerator[str | tuple[bytes, Call], None]:
        """Yield the pieces of a reply as they come, then its key and the call, which is stored by then.

        What the store has, what `ask` has under way and what a model without `stream` says comes in one piece. Who
        joins a stream gets its pieces from the first. Raises as `ask` does; where another process stored a reply to
        the same call meanwhile, that one is the call's, whatever the pieces said.
        """
        place, key = self._place(model, messages, sampling, sample, anew)
        reply = self._stored(key)
        if reply is not None:
            if reply.text:
                yield reply.text
            yield key, Call(role, model.name, messages, sampling, reply, place % TURN)
            return
        flight = self._flights.get(key) or self._take_off(model, messages, sampling, Flight(place, key, run, anew=anew))
        async with aclosing(self._listen(flight)) as pieces:
            async for piece in pieces:
                yield piece
        yield flight.key, Call(role, model.name, messages, sampling, flight.reply.result(), place % TURN)

    async def _listen(self, flight: Flight) -> AsyncGenerator[str, None]:
        """Yield a flight's pieces from the first to the end; its text where it had none."""
        heard = 0
        flight.waiting += 1
        try:
            while heard < len(flight.pieces) or not flight.reply.done():
                if heard == len(flight.pieces):
                    await flight.news.wait()
                    continue
                yield flight.pieces[heard]
                heard += 1
        finally:
            self._leave(flight)
        if not heard and (text := flight.reply.result().text):
            yield text

    def _leave(self, flight: Flight) -> None:
        flight.waiting -= 1
        over = flight.landed or flight.reply.done() or flight.wanted
        if not over and (flight.streamed or self._abandon):
            for mate in flight.crew:
                self._forget(mate)
            flight.give_up()

    def _stored(self, key: bytes) -> Reply | None:
        reply = None if key in self._flights else self.store.replies((key,)).get(key)
        if reply is None:
            return None
        self.found += 1
        return msgspec.structs.replace(reply, cached=True)

    def _board(self, model: Model, messages: Messages, sampling: Sampling, flight: Flight) -> Flight:
        """Put a draw on the next request for its prompt; draws asked in the same turn of the loop share one."""
        request = (id(model), messages, sampling)
        if request not in self._boarding:
            self._boarding[request] = []
            self._start(self._depart(model, request))
        flight.crew = self._boarding[request]
        flight.crew.append(flight)
        self._flights[flight.key] = flight
        return flight

    def _take_off(self, model: Model, messages: Messages, sampling: Sampling, flight: Flight) -> Flight:
        """Ask for a draw in a request of its own, piece by piece if the model can."""
        if getattr(model, "stream", None) is None:
            return self._board(model, messages, sampling, flight)
        flight.streamed = True
        self._flights[flight.key] = flight
        flight.task = self._start(self._fly(model, messages, sampling, [flight]))
        return flight

    def _start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _depart(self, model: Model, request: _Request) -> None:
        _, messages, sampling = request
        flights = self._boarding.pop(request)
        for flight in flights:
            flight.task = asyncio.current_task()
        await self._fly(model, messages, sampling, flights)

    async def _fly(self, model: Model, messages: Messages, sampling: Sampling, flights: list[Flight]) -> None:
        """Send one request and land what it brings; draws it leaves out get a request each."""
        try:
            replies = await self._pay(model, messages, sampling, flights)
            landing, rest = flights[: len(replies)], flights[len(replies) :]
            for flight in rest:
                flight.crew = [flight]
                flight.task = self._start(self._fly(model, messages, sampling, flight.crew))
            flights = landing
            for flight in flights:
                flight.crew, flight.landed = flights, True
            replies = await self._keep(model, messages, sampling, list(zip(flights, replies, strict=True)))
            for flight, reply in zip(flights, replies, strict=True):
                self._forget(flight)
                flight.arrive(reply)
        except asyncio.CancelledError:
            for flight in flights:
                self._forget(flight)
                flight.cancel()
            raise
        except Exception as error:  # whatever it is belongs to those who asked; they decide
            for flight in flights:
                self._forget(flight)
                flight.fail(error)

    def _forget(self, flight: Flight) -> None:
        # Its place may be another's by now: one that was given up is asked for again.
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]

    async def _keep(
        self, model: Model, messages: Messages, sampling: Sampling, drawn: list[tuple[Flight, Reply]]
    ) -> list[Reply]:
        """Commit replies and return them; where another process was first with a call, its reply counts.

        A draw that was asked anew is kept all the same, at a place of its own.
        """
        paid = [
            Paid(flight.key, model.name, source_of(model), messages, sampling, flight.sample, reply, flight.run)
            for flight, reply in drawn
        ]
        if await self.writer.call(paid):
            return [reply for _, reply in drawn]
        stored = self.store.replies([one.key for one in paid])
        beaten = [(flight, reply) for flight, reply in drawn if flight.anew and stored[flight.key] != reply]
        for flight, _ in beaten:
            self._forget(flight)
            flight.sample, flight.key = self._place(model, messages, sampling, flight.sample % TURN, True)
        if beaten:
            await self._keep(model, messages, sampling, beaten)
        own = {flight.key: reply for flight, reply in beaten}
        return [own.get(flight.key) or stored[flight.key] for flight, _ in drawn]

    async def _pay(self, model: Model, messages: Messages, sampling: Sampling, flights: list[Flight]) -> list[Reply]:
        budget = self.budget
        held = await budget.reserve(model.name, most(messages, sampling, len(flights))) if budget else None
        used: list[Usage] | None = []
        try:
            with noting(partial(self._lose, model, messages, sampling, flights[0])):
                replies = await self._draw(model, messages, sampling, flights)
            known = [reply.usage for reply in replies if reply.usage is not None]
            used = known if len(known) == len(replies) else None
        except (asyncio.CancelledError, CallFailed) as ended:
            if flights[0].begun and not isinstance(ended, PromptTooLong):
                used = self._keep_ended(model, messages, sampling, flights[0])
            raise
        finally:
            if budget and held:
                budget.settle(held, used)
        return replies

    def _lose(self, model: Model, messages: Messages, sampling: Sampling, flight: Flight, spent: Spent) -> None:
        """Pay for an answer that gave no reply. Raises `BudgetReached` where no further attempt may be paid for."""
        text = _unicode(spent.text)
        usage = spent.usage or until(messages, sampling, len(text.encode()))
        self._keep_left(model, messages, sampling, flight, Left(text, model.name, usage))
        if self.budget:
            self.budget.lose(model.name, usage)

    def _keep_ended(self, model: Model, messages: Messages, sampling: Sampling, flight: Flight) -> list[Usage]:
        """Keep what a stream took that was left or broke, and return that."""
        text = "".join(flight.pieces)
        usage = until(messages, sampling, len(text.encode()) + flight.hidden)
        self._keep_left(model, messages, sampling, flight, Left(text, model.name, usage))
        return [usage]

    def _keep_left(self, model: Model, messages: Messages, sampling: Sampling, flight: Flight, left: Left) -> None:
        source = source_of(model)
        # A writer that has failed tells the next call so.
        with suppress(StoreError):
            key = uuid4().bytes
            self.writer.left(Paid(key, model.name, source, messages, sampling, flight.sample, left, flight.run))

    async def _draw(self, model: Model, messages: Messages, sampling: Sampling, flights: list[Flight]) -> list[Reply]:
        """Ask for these draws of a prompt and return the first of them, at least one."""
        self.sent += len(flights)
        samples = [flight.sample % TURN for flight in flights]
        if getattr(model, "recorded", False):
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
                spend(surplus.text, surplus.usage)
        return [storable(reply) for reply in replies[: len(samples)]]

    async def _hear(self, model: Model, messages: Messages, sampling: Sampling, flight: Flight) -> Reply:
        """Return the reply of a model that says it in pieces, and pass these on."""
        stream = cast(Speaker, model).stream(messages, sampling)
        async with aclosing(stream) as pieces:
            async for piece in pieces:
                if isinstance(piece, Reply):
                    return storable(piece)
                if isinstance(piece, Unseen):
                    flight.use(piece.size)
                else:
                    flight.say(_unicode(piece))
        raise CallFailed(f"`{model.name}` gave no reply", "the same command asks again")

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
    """A model whose calls go through the store, for graders that ask one; `run` is what they are paid for."""

    model: Model
    calls: Calls
    run: str = ""
    role: Role = "judge"

    @property
    def name(self) -> str:
        """The name of the model behind."""
        return self.model.name

    async def reply(self, messages: Messages, sampling: Sampling, n: int = 1) -> list[Reply]:
        """Return n replies, from the store where it has them."""
        asked = [self.calls.ask(self.role, self.model, messages, sampling, sample, self.run) for sample in range(n)]
        return [call.reply for _, call in await asyncio.gather(*asked)]
