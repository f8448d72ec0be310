"""Servers of a fleet in this process, each of its own behaviour, and a fleet model over them, for tests."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from aiohttp import web

from faulty_server import FaultyServer, serving
from stepdown.models import FleetModel, load_model
from stepdown.types import Message, Reply, Sampling

NOBODY = "http://127.0.0.1:9/v1"


class FleetServerHere(FaultyServer):
    """A server that fails by `faults` at calls only, and lists `serves`; None for one that lists nothing.

    It lists them `lists` times, then never again.
    """

    def __init__(
        self, faults: Sequence[str] = (), serves: Sequence[str] | None = ("small",), *, lists: int = 1 << 30
    ) -> None:
        super().__init__(faults, lambda body: "The answer is 4.")
        self.serves, self.lists = serves, lists

    async def list_models(self, request: web.Request) -> web.Response:
        self.lists -= 1
        if self.lists < 0:
            await self._stopping.wait()
        if self.serves is None:
            raise web.HTTPNotFound
        return web.json_response({"data": [{"id": name} for name in self.serves]})


@contextmanager
def fleet_of(*servers: FleetServerHere) -> Iterator[list[str]]:
    """Let servers answer and give their addresses."""
    with ExitStack() as stack:
        yield [stack.enter_context(serving(one)).url for one in servers]


def load_fleet(addresses: Sequence[str], name: str = "vllm/small", *, concurrency: int | None = None) -> FleetModel:
    """Return the fleet of these addresses."""
    model = load_model(name, servers=addresses, concurrency=concurrency)
    assert isinstance(model, FleetModel)
    return model


async def ask_all(model: FleetModel, count: int) -> list[Reply]:
    """Return the replies to so many different questions asked at once, and close the model."""
    asked = [(Message("user", f"What is {number} and one?"),) for number in range(count)]
    try:
        found = await asyncio.gather(*(model.reply(messages, Sampling()) for messages in asked))
    finally:
        await model.close()
    return [reply for [reply] in found]


def ask(model: FleetModel, count: int = 1) -> list[Reply]:
    """Do what `ask_all` does, in a loop of its own."""
    return asyncio.run(ask_all(model, count))
