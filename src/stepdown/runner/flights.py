"""A request under way: the reply that is awaited, the pieces said so far, and how many wait for it."""

import asyncio

from stepdown.types import Reply


class Flight:
    """One draw under way, from its first asker to its stored reply.

    `sample`, `key` and `run` say which draw it is and who pays; `anew` that no other draw will do in its place;
    `streamed` that its text comes in `pieces`. `crew` are the draws of the same request, `task` that request once it
    is made. `waiting` counts who still wants the reply; `begun` is set once the model is known to be at it, `hidden`
    counts the bytes it has used beside the pieces; `landed` is set once it has answered, from when on nothing gives
    the reply up.
    """

    __slots__ = (
        "anew", "begun", "crew", "hidden", "key", "landed", "news", "pieces", "reply", "run", "sample", "streamed",
        "task", "waiting",
    )  # fmt: skip

    def __init__(self, sample: int, key: bytes, run: str, *, anew: bool = False) -> None:
        self.sample, self.key, self.run, self.anew = sample, key, run, anew
        self.streamed = False
        self.reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self.news = asyncio.Event()
        self.pieces: list[str] = []
        self.crew: list[Flight] = [self]
        self.task: asyncio.Task[None] | None = None
        self.waiting = self.hidden = 0
        self.begun = self.landed = False

    @property
    def wanted(self) -> bool:
        """Whether anyone waits for this draw or for one of the same request."""
        return any(mate.waiting for mate in self.crew)

    def say(self, piece: str) -> None:
        """Add a piece and wake who listens."""
        self.begun = True
        self.pieces.append(piece)
        self._wake()

    def use(self, size: int) -> None:
        """Count bytes that are used and not said; none mean that the model has begun."""
        self.begun = True
        self.hidden += size

    def arrive(self, reply: Reply) -> None:
        """Give the reply to all who wait."""
        if not self.reply.done():
            self.reply.set_result(reply)
        self._end()

    def fail(self, error: Exception) -> None:
        """Give the error to all who wait."""
        if not self.reply.done():
            self.reply.set_exception(error)
            self.reply.exception()  # marks it as read: the asker may have been cancelled
        self._end()

    def cancel(self) -> None:
        """Tell all who wait that there will be no reply."""
        self.reply.cancel()
        self._end()

    def give_up(self) -> None:
        """End the request, as nobody waits for any of its draws."""
        if self.task is not None:
            self.task.cancel()
        for mate in self.crew:
            mate.cancel()

    def _end(self) -> None:
        # A crew holds itself: thousands of such cycles would wait for the collector.
        self.crew, self.task = [], None
        self._wake()

    def _wake(self) -> None:
        self.news.set()
        self.news.clear()
