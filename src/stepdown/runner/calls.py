"""A call is paid for once: found in the store, joined while in flight, or sent within the budget and kept."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Coroutine, Iterator
from contextlib import aclosing, contextmanager
from typing import Protocol

import msgspec

from stepdown.custom import CustomModel
from stepdown.identity import normal
from stepdown.runner.budget import Budget
from stepdown.runner.flights import Flight
from stepdown.runner.keys import find_key
from stepdown.runner.sending import TURN, Sender, looks
from stepdown.runner.writer import Writer
from stepdown.store import Store, StoredCall
from stepdown.types import Call, Capabilities, Messages, Model, Reply, Role, Sampling
from stepdown.usercode import source_of

_TURNS = 1 << 42

_Request = tuple[int, Messages, Sampling]  # the model by its identity in this process


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

    A call that another process has under way on the same store is waited for; one whose process has died is asked
    here. What a budget covers is counted over all processes.

    `sent` counts requests that went to a model, `found` those the store answered. A request that all its askers
    have left goes on and is stored, unless `abandon`; one that is streamed is ended. What a stream took that did not
    come to its end is paid for by an estimate.
    """

    def __init__(self, store: Store, *, budget: Budget | None = None, abandon: bool = False) -> None:
        self.store, self.budget, self.writer = store, budget, Writer(store)
        self._sender = Sender(self.writer, budget)
        self.found = 0
        self._abandon = abandon
        self._flights: dict[bytes, Flight] = {}
        self._boarding: dict[_Request, list[Flight]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def sent(self) -> int:
        """The draws that went to a model."""
        return self._sender.sent

    @sent.setter
    def sent(self, count: int) -> None:
        self._sender.sent = count

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
        sampling = normal(sampling)
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
        return key not in self._flights and self.store.reply(key) is not None

    def _place(
        self, model: Model, messages: Messages, sampling: Sampling, sample: int, anew: bool
    ) -> tuple[int, bytes]:
        """Return a draw's place among those of its prompt, and its key.

        A draw that is asked anew takes its own place where that is free, so that runs find it; else one beyond theirs.
        """
        place = sample if sampling.temperature > 0 else 0
        key = find_key(self.store, model, messages, sampling, place)
        # Recorded replies are all there is of them.
        if anew and not model.capabilities.recorded and (key in self._flights or self.store.reply(key) is not None):
            place += TURN * (1 + secrets.randbelow(_TURNS))
            key = find_key(self.store, model, messages, sampling, place)
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
        sampling = normal(sampling)
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
        return None if key in self._flights else self._answer(key)

    def _answer(self, key: bytes) -> Reply | None:
        reply = self.store.reply(key)
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
        if not model.capabilities.streams:
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
        with self._telling(flights):
            claimed = await self._sender.claim(model, messages, sampling, flights)
            flights[:] = claimed.ours
            for flight in claimed.others:
                flight.crew = [flight]
                flight.task = self._start(self._follow(model, messages, sampling, flight))
            if not flights:
                return
            replies = await self._sender.pay(model, messages, sampling, flights, claimed.held)
            rest, flights[:] = flights[len(replies) :], flights[: len(replies)]
            for flight in rest:
                flight.crew = [flight]
                flight.task = self._start(self._fly(model, messages, sampling, flight.crew))
            for flight in flights:
                flight.crew, flight.landed = flights, True
            replies = await self._keep(model, messages, sampling, list(zip(flights, replies, strict=True)))
            for flight, reply in zip(flights, replies, strict=True):
                self._forget(flight)
                flight.arrive(reply)

    @contextmanager
    def _telling(self, flights: list[Flight]) -> Iterator[None]:
        """Tell all who wait for these draws how the `with` ends, if not well, and give their claims up."""
        try:
            yield
        except asyncio.CancelledError:
            self._give_up(flights)
            for flight in flights:
                self._forget(flight)
                flight.cancel()
            raise
        except Exception as error:  # whatever it is belongs to those who asked; they decide
            self._give_up(flights)
            for flight in flights:
                self._forget(flight)
                flight.fail(error)

    def _give_up(self, flights: list[Flight]) -> None:
        # One that was given up may be asked for again already: then the claim is the other's.
        self.writer.drop([one.key for one in flights if self._flights.get(one.key, one) is one])

    async def _follow(self, model: Model, messages: Messages, sampling: Sampling, flight: Flight) -> None:
        """Wait for a draw that another process has under way, and ask for it once that has failed or died.

        One that is to be a new draw is asked for at a place of its own.
        """
        with self._telling(flight.crew):
            for pause in looks():
                if flight.anew:
                    self._forget(flight)
                    flight.sample, flight.key = self._place(model, messages, sampling, flight.sample % TURN, True)
                    self._flights[flight.key] = flight
                    break
                reply = self._answer(flight.key)
                if reply is not None:
                    self._forget(flight)
                    flight.arrive(reply)
                    return
                if self.writer.claims.is_free(flight.key):
                    break
                await asyncio.sleep(pause)
        if not flight.reply.done():
            await self._fly(model, messages, sampling, flight.crew)

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
            StoredCall(flight.key, model.name, source_of(model), messages, sampling, flight.sample, reply, flight.run)
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
        await self.writer.close()


class Remembered(CustomModel):
    """A model whose calls go through the store, for graders that ask one; `run` is what they are paid for."""

    def __init__(self, model: Model, calls: Calls, run: str = "", role: Role = "judge") -> None:
        self.model, self.calls, self.run, self.role = model, calls, run, role
        self.name, self.width = model.name, model.width
        what = model.capabilities
        self.capabilities = Capabilities(source=source_of(model), local=what.local, connects=what.connects)

    async def reply(self, messages: Messages, sampling: Sampling, n: int = 1) -> list[Reply]:
        """Return n replies, from the store where it has them."""
        asked = [self.calls.ask(self.role, self.model, messages, sampling, sample, self.run) for sample in range(n)]
        return [call.reply for _, call in await asyncio.gather(*asked)]

    async def close(self) -> None:
        """Close the model behind."""
        await self.model.close()
