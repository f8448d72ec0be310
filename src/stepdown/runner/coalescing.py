"""Request coalescing ("single-flight"): equal requests share one reply, draws of one prompt share one request."""

import asyncio
from collections.abc import Coroutine

from stepdown.runner.request import Request
from stepdown.types import Reply, ToolCallPiece


class PendingReply:
    """A reply that has been asked for, from the first who asks until it is stored under its `key`.

    `deltas` are the parts of its text so far where it is `streamed`, `called` those of its calls of tools, `hidden` the
    bytes of reasoning beside them, and `started` is set once the model is known to work on it. `batch` are the draws of
    the same HTTP request and `task` is what sends it. `waiting` counts who still wants the reply; once it is
    `answered`, nothing gives it up.
    """

    __slots__ = (
        "answered", "askers", "batch", "called", "deltas", "hidden", "key", "listeners", "reply", "request", "started",
        "streamed", "task", "waiting",
    )  # fmt: skip

    def __init__(self, request: Request) -> None:
        self.request, self.key = request, request.key
        self.reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self.askers: list[asyncio.Future[None]] = []
        self.deltas: list[str] = []
        self.called: list[ToolCallPiece] = []
        self.listeners: list[asyncio.Event] = []
        self.batch: list[PendingReply] = [self]
        self.task: asyncio.Task[None] | None = None
        self.waiting = self.hidden = 0
        self.streamed = self.started = self.answered = False

    @property
    def wanted(self) -> bool:
        """Whether anyone waits for this draw or for another of the same batch."""
        return any(draw.waiting for draw in self.batch)

    async def answer(self) -> Reply:
        """Return the reply once it is there; who is cancelled while waiting for it cancels nobody else's."""
        if not self.reply.done():
            asker = asyncio.get_running_loop().create_future()
            self.askers.append(asker)
            await asker
        return self.reply.result()

    def add(self, text: str) -> None:
        """Add text and wake who reads it."""
        self.started = True
        self.deltas.append(text)
        self._wake()

    def add_call(self, piece: ToolCallPiece) -> None:
        """Add a piece of a call of a tool and wake who reads it."""
        self.started = True
        self.called.append(piece)
        self._wake()

    def add_hidden(self, size: int) -> None:
        """Add bytes of hidden reasoning; 0 only marks the request as started."""
        self.started = True
        self.hidden += size

    def resolve(self, reply: Reply) -> None:
        """Give the reply to all who wait."""
        if not self.reply.done():
            self.reply.set_result(reply)
        self._end()

    def fail(self, error: Exception) -> None:
        """Raise an error in all who wait."""
        if not self.reply.done():
            self.reply.set_exception(error)
            self.reply.exception()  # marks it as read: the asker may have been cancelled
        self._end()

    def cancel(self) -> None:
        """Cancel all who wait."""
        self.reply.cancel()
        self._end()

    def abandon(self) -> None:
        """End the request, as nobody waits for any of its draws."""
        if self.task is not None:
            self.task.cancel()
        for draw in self.batch:
            draw.cancel()

    def _end(self) -> None:
        # A batch holds itself: thousands of such cycles would wait for the collector.
        self.batch, self.task = [], None
        askers, self.askers = self.askers, []
        for asker in askers:
            if not asker.done():
                asker.set_result(None)
        self._wake()

    def _wake(self) -> None:
        for listener in self.listeners:
            listener.set()


class PendingReplies:
    """The pending replies of one `Calls` by key, the batches that are still open, and the tasks that send them."""

    def __init__(self) -> None:
        self._replies: dict[bytes, PendingReply] = {}
        self._open: dict[object, list[PendingReply]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def find(self, key: bytes) -> PendingReply | None:
        """Return the pending reply of a key."""
        return self._replies.get(key)

    def add(self, pending: PendingReply) -> None:
        """Let equal requests share this reply from now on."""
        self._replies[pending.key] = pending

    def remove(self, pending: PendingReply) -> None:
        """Share a reply no longer: the next equal request is looked up, or sent again."""
        # After an abandoned reply another one may be pending under the key.
        if self.owns(pending):
            del self._replies[pending.key]

    def owns(self, pending: PendingReply) -> bool:
        """Whether this reply, and no later one, is the pending one of its key."""
        return self._replies.get(pending.key) is pending

    def enqueue(self, pending: PendingReply) -> bool:
        """Put a draw into the open batch of its prompt; True where it opened one, which has to be sent."""
        opened = pending.request.batch not in self._open
        pending.batch = self._open.setdefault(pending.request.batch, [])
        pending.batch.append(pending)
        return opened

    def close_batch(self, request: Request) -> list[PendingReply]:
        """Return the batch of a prompt, which takes no further draws."""
        return self._open.pop(request.batch)

    def start(self, work: Coroutine[None, None, None]) -> "asyncio.Task[None]":
        """Run something until it ends or all is closed."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """Cancel everything in flight."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # A task that was cancelled before its first step has told nobody.
        for pending in self._replies.values():
            pending.cancel()
        self._replies.clear()
        self._open.clear()
