"""Models of a user's own: what they derive from, and what is asked of them."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from inspect import isabstract

from stepdown.errors import UsageError
from stepdown.types import Backoff, Capabilities, HiddenProgress, Messages, Reply, Sampling


class CustomModel(ABC):
    """What a model of your own derives from: give it a `name` and a `reply`; the rest is optional.

    One that holds something open overrides `close`; one that streams overrides `stream` and says so by
    `capabilities = Capabilities(streams=True)`.
    """

    name: str
    capabilities: Capabilities = Capabilities()
    width: int = 16
    backoff: Backoff | None = None

    async def prepare(self) -> None:  # noqa: B027, one need not have it
        """Do nothing."""

    @abstractmethod
    async def reply(self, messages: Messages, sampling: Sampling, n: int = 1) -> list[Reply]:
        """Return 1 to n replies; yours to write."""

    async def stream(
        self, messages: Messages, sampling: Sampling
    ) -> AsyncGenerator[str | HiddenProgress | Reply, None]:
        """Yield the text of a reply in one piece, then the reply."""
        [reply, *_] = await self.reply(messages, sampling)
        yield reply.text
        yield reply

    async def close(self) -> None:  # noqa: B027, one need not have it
        """Do nothing."""


_MEMBERS = ("name", "capabilities", "width", "backoff", "prepare", "reply", "stream", "close")


def check_model(model: object) -> None:
    """Raise `UsageError` for an object that lacks something a model has, or a class without what is yours to write."""
    kind = model.__name__ if isinstance(model, type) else type(model).__name__
    missing = ["reply"] if isabstract(model) else [name for name in _MEMBERS if not hasattr(model, name)]
    if missing:
        raise UsageError(
            f"`{kind}` is not a model: it has no {', '.join(f'`{name}`' for name in missing)}",
            "derive its class from `stepdown.CustomModel` and give it a `name` and an async `reply`",
        )
    if (
        isinstance(model, CustomModel)
        and type(model).stream is not CustomModel.stream
        and not model.capabilities.streams
    ):
        raise UsageError(
            f"`{kind}` has a `stream` that its capabilities deny", "write `capabilities = Capabilities(streams=True)`"
        )
