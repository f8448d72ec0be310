"""Text that models write, as it is written: read from the replies in flight, which keep it, by one generator."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import TypeVar

import msgspec

from stepdown.runner.coalescing import PendingReply
from stepdown.runner.request import Request
from stepdown.types import Reply, Role, ToolCallPiece

T = TypeVar("T")
ROLES: tuple[Role, ...] = ("teacher", "student")


class Delta(msgspec.Struct, frozen=True):
    """Text that is added to what a role writes, or pieces of `called` tools; `sample` is the draw they belong to.

    One without either says that a model, neither the store nor a recording, has been asked for it.
    """

    role: Role
    text: str
    sample: int = 0
    called: tuple[ToolCallPiece, ...] = ()


class Deltas:
    """What is written for one reader: the replies in flight that it follows, each read from where it was left.

    Only replies of `roles` are to be streamed. What was written between two reads of one reply comes as one delta.
    """

    def __init__(self, roles: Sequence[Role] = ROLES) -> None:
        self.roles = roles
        self._sources: list[_Follower] = []
        self._news = asyncio.Event()
        self._closed = False

    def add(self, delta: Delta) -> None:
        """Add text that is whole already; empty text adds nothing."""
        if delta.text:
            self._sources.append(_Follower(delta))
            self._news.set()

    def follow(self, request: Request, pending: PendingReply) -> None:
        """Add that a model was asked, and of a streamed request what the pending reply says, from its beginning."""
        first = Delta(request.role, "", request.sample)
        self._sources.append(_Follower(first, pending if request.stream else None, began=request.recorded))
        pending.listeners.append(self._news)
        self._news.set()

    def close(self) -> None:
        """Add nothing more."""
        self._closed = True
        self._news.set()

    async def read(self) -> list[Delta]:
        """Wait for text and return all that is there; nothing once it is closed and read."""
        while True:
            self._news.clear()
            closed = self._closed
            deltas = [delta for source in self._sources for delta in source.read()]
            if deltas or closed:
                self._sources = [source for source in self._sources if not source.ended]
                return deltas
            await self._news.wait()


class _Follower:
    """What of one reply is still to be read: `first`, then what is written to the pending reply."""

    def __init__(self, first: Delta, pending: PendingReply | None = None, *, began: bool = False) -> None:
        self._first, self._pending, self._read, self._began = first, pending, 0, began
        self._read_calls = 0

    @property
    def ended(self) -> bool:
        pending = self._pending
        return pending is None or (pending.reply.done() and self._has_read(pending))

    def _has_read(self, pending: PendingReply) -> bool:
        return self._read >= len(pending.deltas) and self._read_calls >= len(pending.called)

    def read(self) -> list[Delta]:
        deltas = [] if self._began else [self._first]
        self._began = True
        text = self._new() if self._pending is not None else ""
        deltas += [msgspec.structs.replace(self._first, text=text)] if text else []
        if self._pending is not None and (called := self._pending.called[self._read_calls :]):
            self._read_calls += len(called)
            deltas.append(msgspec.structs.replace(self._first, called=tuple(called)))
        return deltas

    def _new(self) -> str:
        """Return what was written since the last read; the whole text of a reply that was not streamed."""
        assert self._pending is not None, "only a pending reply has news"
        deltas, reply = self._pending.deltas, self._pending.reply
        if not deltas and not self._read and has_result(reply):
            self._read = 1
            return reply.result().text
        text = "".join(deltas[self._read :])
        self._read = max(self._read, len(deltas))
        return text


def has_result(reply: "asyncio.Future[Reply]") -> bool:
    """Whether a reply came, rather than an error or nothing."""
    return reply.done() and not reply.cancelled() and reply.exception() is None


async def streamed(
    work: Callable[[Deltas], Awaitable[T]], *, roles: Sequence[Role] = ROLES
) -> AsyncGenerator[Delta | T, None]:
    """Yield what models write for some work while it goes on, then what it returns; closing this cancels the work."""
    deltas = Deltas(roles)
    task = asyncio.ensure_future(work(deltas))
    task.add_done_callback(lambda _: deltas.close())
    try:
        while batch := await deltas.read():
            for delta in batch:
                yield delta
        yield task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def finished(written: AsyncGenerator[Delta | T, None]) -> T:
    """Return what comes after all text, and read none of it."""
    async with aclosing(written):
        async for delta in written:
            if not isinstance(delta, Delta):
                return delta
    raise AssertionError("what is written ends in a result")
