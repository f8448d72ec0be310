"""A call is paid for once: found in the store, joined while in flight, or sent within the budget and stored."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, Protocol

import msgspec

from stepdown.errors import BatchUnderWay, BudgetReached, StepdownError
from stepdown.runner.budget import Budget
from stepdown.runner.cache import ReplyCache
from stepdown.runner.coalescing import PendingReplies, PendingReply
from stepdown.runner.deltas import Delta, Deltas
from stepdown.runner.payment import Payment, looks
from stepdown.runner.request import KeyedCall, Request
from stepdown.runner.writer import Writer
from stepdown.spans import Spans, find_spans
from stepdown.store import Store, StoredCall, unsigned
from stepdown.types import Reply

# How often a request is claimed anew that was paid for in vain.
_TRIES = 3


class Asker(Protocol):
    """What an attempt asks models through: `Calls`, or something in front of it. `spans` are written, if there are."""

    @property
    def spans(self) -> Spans | None:
        """What writes spans of what is asked; None where nothing does."""
        ...

    async def ask(self, request: Request, deltas: Deltas | None = None) -> KeyedCall:
        """Return a call and its key."""
        ...


class Parked(StepdownError):
    """An attempt cannot go on now: what it asks will be answered by a batch. It leaves no trace, and is made again."""


class Calls:
    """The way from a request to a stored reply, shared by all runs of one command.

    A call that another process has in flight on the same store is waited for; one whose process has died is asked
    here. What a budget covers is counted over all processes.

    `sent` counts requests that went to a model, `found` those the store answered; a reply that another run pays for
    counts as answered by the store, though it is still in flight. A request keeps running after its
    last caller is cancelled, and is stored, unless `abandon`; a streamed one is ended. An aborted stream is paid for
    by an estimate. `spans` are those that OpenTelemetry's variables ask for, unless others are given; None: none.
    """

    def __init__(
        self,
        store: Store,
        *,
        budget: Budget | None = None,
        abandon: bool = False,
        spans: Spans | Literal["asked for"] | None = "asked for",
    ) -> None:
        self.store, self.budget, self.writer = store, budget, Writer(store)
        self.spans = find_spans() if isinstance(spans, str) else spans
        self.found = 0
        self._abandon = abandon
        self._cache, self._pending = ReplyCache(store), PendingReplies()
        self._payment = Payment(self.writer, budget, self.spans)

    @property
    def sent(self) -> int:
        """The draws that went to a model."""
        return self._payment.sent.total()

    def sent_for(self, run: str) -> int:
        """Return how many draws that a run pays for went to a model."""
        return self._payment.sent[run]

    def found_before(self, run: str, calls: int) -> int:
        """Return how many of the calls that a run begins with were there before this command: all."""
        return calls

    async def ask(self, request: Request, deltas: Deltas | None = None) -> KeyedCall:
        """Return the call and its key. Raises what the model and the budget raise.

        The text of a reply that is streamed is added to `deltas` while it is written, if the model can stream. Where
        another process stored a reply to the same request meanwhile, that one is the call's, whatever was streamed.
        """
        request, found = await self._look_up(request)
        if found is not None:
            key, reply = found
            if deltas is not None and request.stream:
                deltas.add(Delta(request.role, reply.text, request.sample))
            return key, request.call(reply)
        pending = self._pending.find(request.key) or self._begin(request)
        if deltas is not None:
            deltas.follow(request, pending)
        pending.waiting += 1
        try:
            # The reply is paid for and wanted by others, even if this caller is cancelled.
            reply = await pending.answer()
        finally:
            self._leave(pending)
        if pending.request.run != request.run:
            reply = msgspec.structs.replace(reply, cached=True)
        return pending.key, request.call(reply)

    # -- cache

    async def _look_up(self, request: Request) -> tuple[Request, tuple[bytes, Reply] | None]:
        """Return a request and its stored reply, if it has one and none is pending.

        A fresh draw keeps its number where that is unused, so that runs find it; else it gets one beyond theirs.
        """
        found = None if self._pending.find(request.key) else await self._cache.find(request)
        if request.fresh and (found is not None or self._pending.find(request.key)):
            return request.redrawn(), None
        self.found += found is not None
        return request, found

    # -- coalescing

    def _begin(self, request: Request) -> PendingReply:
        """Send a request: streamed, or with the other draws of its prompt that are asked in this turn of the loop."""
        pending = PendingReply(request)
        self._pending.add(pending)
        if request.stream and request.model.capabilities.streams:
            pending.streamed = True
            pending.task = self._pending.start(self._send(pending.batch))
        elif self._pending.enqueue(pending):
            self._pending.start(self._send_batch(request))
        return pending

    async def _send_batch(self, request: Request) -> None:
        batch = self._pending.close_batch(request)
        for pending in batch:
            pending.task = asyncio.current_task()
        await self._send(batch)

    def _leave(self, pending: PendingReply) -> None:
        pending.waiting -= 1
        over = pending.answered or pending.reply.done() or pending.wanted
        if not over and (pending.streamed or self._abandon):
            for draw in pending.batch:
                self._pending.remove(draw)
            pending.abandon()

    @contextmanager
    def _reporting(self, batch: list[PendingReply]) -> Iterator[None]:
        """Raise what ends the `with` in all who wait for these draws, and give their claims up."""
        try:
            yield
        except asyncio.CancelledError:
            self._give_up(batch)
            for pending in batch:
                pending.cancel()
            raise
        except Exception as error:  # whatever it is belongs to those who asked; they decide
            self._give_up(batch)
            for pending in batch:
                pending.fail(error)

    def _give_up(self, batch: list[PendingReply]) -> None:
        # An abandoned request may have been made again: then the claim is the later one's.
        find = self._pending.find
        self.writer.drop([one.key for one in batch if find(one.key) in (one, None)])
        for pending in batch:
            self._pending.remove(pending)

    # -- sending

    async def _send(self, batch: list[PendingReply], tries: int = _TRIES) -> None:
        """Send one request and resolve what it brings; draws it leaves out get a request each.

        Where an attempt was paid for in vain, and what other calls hold leaves no room for the next one, it is claimed
        anew: that waits for room, and says where there will be none.
        """
        with self._reporting(batch):
            claimed = await self._payment.claim(batch)
            batch[:] = claimed.ours
            for pending in claimed.others:
                pending.batch = [pending]
                pending.task = self._pending.start(self._wait_for_other(pending))
            if not batch:
                return
            try:
                replies = await self._payment.pay(batch, claimed.held)
            except BudgetReached:
                if tries == 1 or any(pending.started for pending in batch):
                    raise
                self._payment.sent.subtract(pending.request.run for pending in batch)
                self.writer.drop([pending.key for pending in batch])
                await self._send(batch, tries - 1)
                return
            rest, batch[:] = batch[len(replies) :], batch[: len(replies)]
            for pending in rest:
                pending.batch = [pending]
                pending.task = self._pending.start(self._send(pending.batch))
            for pending in batch:
                pending.batch, pending.answered = batch, True
            replies = await self._store(list(zip(batch, replies, strict=True)))
            for pending, reply in zip(batch, replies, strict=True):
                self._pending.remove(pending)
                pending.resolve(reply)

    async def _wait_for_other(self, pending: PendingReply) -> None:
        """Wait for a draw that another process has in flight, and ask for it once that has failed or died."""
        with self._reporting(pending.batch):
            for pause in looks():
                if pending.request.fresh:
                    self._redraw(pending)
                    break
                found = await self._cache.find(pending.request)
                if found is not None:
                    self.found += 1
                    self._pending.remove(pending)
                    pending.resolve(found[1])
                    return
                if batch := self.writer.claims.batch_of(pending.key):
                    raise under_way(batch)
                if self.writer.claims.is_free(pending.key):
                    break
                await asyncio.sleep(pause)
        if not pending.reply.done():
            await self._send(pending.batch)

    def _redraw(self, pending: PendingReply) -> None:
        """Give a fresh draw a number of its own, as another process has the one it had."""
        self._pending.remove(pending)
        pending.request = pending.request.redrawn()
        pending.key = pending.request.key
        self._pending.add(pending)

    async def _store(self, drawn: list[tuple[PendingReply, Reply]]) -> list[Reply]:
        """Commit replies and return them; where another process was first with a request, its reply counts.

        A fresh draw is stored all the same, under a number of its own.
        """
        if await self.writer.put_calls([paid_of(pending.request, reply) for pending, reply in drawn]):
            return [reply for _, reply in drawn]
        stored = self.store.replies([pending.key for pending, _ in drawn])
        beaten = [one for one in drawn if one[0].request.fresh and stored[one[0].key] != unsigned(one[1])]
        for pending, _ in beaten:
            self._redraw(pending)
        if beaten:
            await self._store(beaten)
        own = {pending.key: reply for pending, reply in beaten}
        return [own.get(pending.key) or stored[pending.key] for pending, _ in drawn]

    async def close(self) -> None:
        """Drop the requests in flight and commit what was answered."""
        await self._pending.close()
        await self.writer.close()


def under_way(batch: str) -> BatchUnderWay:
    """Return the error of a call that a batch has under way."""
    return BatchUnderWay(
        f"an answer is waited for that batch `{batch}` brings",
        f"`stepdown batches wait` takes up what it brings, `stepdown batches cancel {batch}` gives the rest up",
    )


def paid_of(request: Request, reply: Reply) -> StoredCall:
    """Return what is stored of an answered request."""
    return StoredCall(
        request.key, request.model.name, request.source, request.messages, request.sampling, request.draw, reply,
        request.run,
    )  # fmt: skip
