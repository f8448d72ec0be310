"""Chat models of a local server, and one question to them, whole or as a stream."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from stepdown.models import EndpointModel
from stepdown.models.http.dialects import Dialect
from stepdown.models.http.dialects.openai_chat import OPENAI_CHAT
from stepdown.models.http.endpoints import endpoint_at
from stepdown.models.http.limits import Limits
from stepdown.types import GREEDY, HiddenProgress, Message, Reply, Sampling, ToolCallPiece

KEY = "sk-very-secret"
ASK = (Message("system", "Be brief."), Message("user", "2 + 2?"))
T = TypeVar("T")
COUNTS = {"prompt_tokens": 9, "completion_tokens": 5}


def run(work: Coroutine[Any, Any, T], seconds: float = 300) -> T:
    """Run to the end, which a model that hangs does not reach."""
    return asyncio.run(asyncio.wait_for(work, seconds))


async def no_sleep(seconds: float) -> None:
    """Wait for nothing, so that retries take no time."""


def chat_model(
    url: str,
    *,
    name: str = "openai-api/test/m",
    dialect: Dialect = OPENAI_CHAT,
    timeout: float = 10,
    logprobs: bool = False,
) -> EndpointModel:
    endpoint = endpoint_at(url, "m", name=name, key=KEY, dialect=dialect)
    return EndpointModel(endpoint, timeout=timeout, logprobs=logprobs, limits=Limits(name, sleep=no_sleep))


def ask(model: EndpointModel, n: int = 1, **sampling: Any) -> list[Reply]:
    async def main() -> list[Reply]:
        try:
            return await model.reply(ASK, Sampling(**sampling), n)
        finally:
            await model.close()

    return asyncio.run(main())


def ask_url(url: str, n: int = 1, *, timeout: float = 10, **sampling: Any) -> list[Reply]:
    return ask(chat_model(url, name="t/m", timeout=timeout), n, **sampling)


def ask_stream(model: EndpointModel, sampling: Sampling = GREEDY) -> Sequence[str | ToolCallPiece | Reply]:
    async def main() -> list[str | ToolCallPiece | Reply]:
        try:
            return [item async for item in model.stream(ASK, sampling) if not isinstance(item, HiddenProgress)]
        finally:
            await model.close()

    return asyncio.run(main())
