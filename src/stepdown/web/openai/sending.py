"""Sending an answer while watching whether the client is still there: whole, or as a stream."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Mapping
from contextlib import aclosing
from typing import TypeVar

from starlette.responses import Response
from starlette.types import Receive, Send

from stepdown.runner import Delta
from stepdown.text import comment
from stepdown.web.openai.completions import Exchange
from stepdown.web.openai.errors import Refusal
from stepdown.web.openai.shapes import ClientShape

KEEP_ALIVE = 10.0  # seconds of silence after which a comment says that the stream lives
ALIVE = comment("still at work")
T = TypeVar("T")


async def departure(receive: Receive) -> None:
    """Return when the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def while_present(work: Awaitable[None], receive: Receive) -> bool:
    """Do some work; False where the client left before its end, which cancels it. Raises what the work raises."""
    working, gone = asyncio.ensure_future(work), asyncio.ensure_future(departure(receive))
    try:
        await asyncio.wait((working, gone), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
            return True
        return False
    finally:
        working.cancel()
        gone.cancel()
        await asyncio.gather(working, gone, return_exceptions=True)


async def with_silences(items: AsyncGenerator[T, None], seconds: float) -> AsyncGenerator[T | None, None]:
    """Yield what a generator yields, and None after each silence of so many seconds."""
    coming: asyncio.Future[T] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(anext(items))
            if not (await asyncio.wait((coming,), timeout=seconds))[0]:
                yield None
                continue
            done, coming = coming, None
            try:
                item = done.result()
            except StopAsyncIteration:
                return
            yield item
    finally:
        if coming is not None:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
        await items.aclose()


async def answer_whole(shape: ClientShape, exchange: Exchange, identity: str, receive: Receive) -> Response | None:
    """Return the answer; None where the client left, which cancels what nobody else waits for. Raises `Refusal`."""

    async def work() -> None:
        async for _ in exchange.solve():
            pass

    if not await while_present(work(), receive):
        return None
    return Response(shape.whole(exchange, identity), headers=exchange.answered, media_type="application/json")


class Stream:
    """A stream under way. What is written while a send waits goes out with the next one.

    Its head says where the answer comes from, so it waits for text and for the first request to a model, or until the
    store has answered it all.
    """

    def __init__(
        self, shape: ClientShape, exchange: Exchange, identity: str, headers: Mapping[str, str], send: Send
    ) -> None:
        self.chunks, self._exchange = shape.events(exchange, identity), exchange
        self._headers, self._send = headers, send
        self._unsent: list[bytes] = [self.chunks.opening()]
        self._begun = self._has_text = False

    async def run(self, receive: Receive) -> None:
        """Send the answer as it is written until it ends or the client leaves.

        Raises `Refusal` for a failure before anything was sent; a later one is an event of the stream.
        """
        await while_present(self._run(), receive)

    async def _run(self) -> None:
        try:
            async with aclosing(with_silences(self._exchange.solve(), KEEP_ALIVE)) as written:
                async for delta in written:
                    await self._take(delta)
        except Refusal as refusal:
            if not self._begun:
                raise
            await self._pass_on(self.chunks.broken(refusal), last=True)
        else:
            await self._pass_on(self.chunks.ending(), last=True)

    async def _take(self, delta: Delta | None) -> None:
        if delta is None:
            await self._pass_on(ALIVE)
            return
        if delta.text or delta.called:
            self._has_text = True
            self._unsent.append(self.chunks.text(delta))
        if self._begun or (self._has_text and self._exchange.calls.drawn):
            await self._pass_on()

    async def _pass_on(self, more: bytes = b"", *, last: bool = False) -> None:
        await self._begin()
        body = b"".join([*self._unsent, more])
        self._unsent.clear()
        if body or last:
            await self._send({"type": "http.response.body", "body": body, "more_body": not last})

    async def _begin(self) -> None:
        if self._begun:
            return
        self._begun = True
        headers = {
            "content-type": "text/event-stream; charset=utf-8",
            "cache-control": "no-cache",
            **self._headers,
            **self._exchange.answered,
        }
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": 200, "headers": raw})
