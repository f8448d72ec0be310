"""A model whose calls go through the store, so that the same request is paid for once."""

import asyncio

from stepdown.custom import CustomModel
from stepdown.runner.calls import Calls
from stepdown.runner.request import Request
from stepdown.types import Capabilities, Messages, Model, Reply, Sampling
from stepdown.usercode import source_of


class CachedModel(CustomModel):
    """A model whose replies are stored, for graders that ask one; `run` is the name its calls are paid under."""

    def __init__(self, model: Model, calls: Calls, run: str = "") -> None:
        self.model, self.calls, self.run = model, calls, run
        self.name, self.width = model.name, model.width
        what = model.capabilities
        self.capabilities = Capabilities(source=source_of(model), local=what.local, connects=what.connects)

    async def reply(self, messages: Messages, sampling: Sampling, n: int = 1) -> list[Reply]:
        """Return n replies, from the store where it has them."""
        requests = (Request("judge", self.model, messages, sampling, draw, self.run) for draw in range(n))
        return [call.reply for _, call in await asyncio.gather(*map(self.calls.ask, requests))]

    async def close(self) -> None:
        """Close the model behind."""
        await self.model.close()
