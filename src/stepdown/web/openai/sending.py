"""Sending an answer while watching whether the client is still there: whole, or as a stream."""

import asyncio
from collections.abc import Awaitable, Mapping

from starlette.responses import Response
from starlette.types import Receive, Send

from stepdown.runner.solve import Piece
from stepdown.web.openai.chunks import ALIVE, Chunks, broken, whole
from stepdown.web.openai.completions import Exchange
from stepdown.web.openai.errors import Refusal

KEEP_ALIVE = 10.0  # seconds of silence after which a comment says that the stream lives


async def departure(receive: Receive) -> None:
    """Return when the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def let_go(*tasks: "asyncio.Task[None]") -> None:
    """Cancel tasks and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def answer_whole(exchange: Exchange, identity: str, receive: Receive) -> Response | None:
    """Return the answer; None where the client left, which cancels what nobody else waits for. Raises `Refusal`."""
    work = asyncio.create_task(exchange.solve(lambda piece: None))
    gone = asyncio.create_task(departure(receive))
    try:
        await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            return None
        work.result()
    finally:
        await let_go(work, gone)
    return Response(whole(exchange, identity), headers=exchange.answered, media_type="application/json")


class Stream:
    """A stream under way. What is written while a send waits goes out with the next one.

    Its head says where the answer comes from, so it waits for a first piece and for the word that a model is asked, or
    until the store has answered it all.
    """

    def __init__(self, exchange: Exchange, identity: str, headers: Mapping[str, str], send: Send) -> None:
        self.chunks, self._exchange = Chunks(exchange, identity), exchange
        self._headers, self._send = headers, send
        self._written: list[bytes] = [self.chunks.opening()]
        self._news = asyncio.Event()
        self._begun = self._said = False
        exchange.view.tell = self._news.set

    async def run(self, receive: Receive) -> None:
        """Send the answer piece by piece until it ends or the client leaves.

        Raises `Refusal` for a failure before anything was sent; a later one is an event of the stream.
        """
        work = asyncio.create_task(self._exchange.solve(self._write))
        gone = asyncio.create_task(departure(receive))
        for task in (work, gone):
            task.add_done_callback(lambda _: self._news.set())
        try:
            while not gone.done():
                alive = await self._wait()
                if work.done():
                    await self._end(work)
                    return
                if not alive or (self._exchange.view.drawn and self._said):
                    await self._pass_on(b"" if alive else ALIVE)
        finally:
            await let_go(work, gone)

    def _write(self, piece: Piece) -> None:
        self._said = True
        self._written.append(self.chunks.piece(piece))
        self._news.set()

    async def _wait(self) -> bool:
        """Wait for something to send; False after too long a silence."""
        try:
            async with asyncio.timeout(KEEP_ALIVE):
                await self._news.wait()
        except TimeoutError:
            return False
        self._news.clear()
        return True

    async def _pass_on(self, more: bytes, *, last: bool = False) -> None:
        await self._begin()
        body = b"".join([*self._written, more])
        self._written.clear()
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

    async def _end(self, work: Awaitable[None]) -> None:
        try:
            await work
        except Refusal as refusal:
            if not self._begun:
                raise
            await self._pass_on(broken(refusal), last=True)
        else:
            await self._pass_on(self.chunks.ending(), last=True)
