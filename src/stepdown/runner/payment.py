"""Payment: a request is claimed, reserved within the budget, sent, and settled whatever comes of it."""

import asyncio
from collections import Counter
from contextlib import aclosing, suppress
from functools import partial
from itertools import chain, repeat

import msgspec

from stepdown.errors import BudgetReached, CallFailed, PromptTooLong
from stepdown.models import provider_and_model
from stepdown.models.http import LostReply, losses_to, report_loss
from stepdown.runner.accounts import Account
from stepdown.runner.budget import Budget, Reservation, aborted_bound, usage_bound
from stepdown.runner.coalescing import PendingReply
from stepdown.runner.request import Request
from stepdown.runner.writer import Writer
from stepdown.spans import SpannedCall, Spans
from stepdown.store import AbandonedReply, Claim, LostCall, StoredCall, unfindable_key
from stepdown.types import HiddenProgress, Reply, Sampling, ToolCallPiece, Usage

Batch = list[PendingReply]
# Seconds between two looks at what another process has in flight.
_LOOKS = (0.02, 0.03, 0.05, 0.08, 0.12, 0.2, 0.3)


def looks() -> chain[float]:
    """Return the pauses between looks at what another process has in flight, without end."""
    return chain(_LOOKS, repeat(_LOOKS[-1]))


class Claimed(msgspec.Struct):
    """Draws that are ours to send, those that others have in flight or have answered, and the reservation for ours."""

    ours: Batch
    others: Batch
    held: Reservation | None


class Payment:
    """Sends requests within a budget; `sent` counts the draws that went to a model, by the run that pays."""

    def __init__(self, writer: Writer, budget: Budget | None, spans: Spans | None = None) -> None:
        self.writer, self.budget, self._spans = writer, budget, spans
        self.sent: Counter[str] = Counter()
        self._account = Account.of(writer.claims, budget)

    async def claim(self, batch: Batch) -> Claimed:
        """Claim these draws of a prompt and reserve what they may use.

        Raises `BudgetReached` once no process has a call in flight whose end could free enough.
        """
        request = batch[0].request
        bound = usage_bound(request.messages, request.sampling, 1)
        claims = [Claim(pending.key, pending.request.run, request.model.name) for pending in batch]
        for pause in looks():
            reservation = await self._reserve(request, bound, len(batch))
            try:
                wanted = await self.writer.claim(claims, bound, self._account)
            except BaseException:
                self._settle(reservation, [])
                raise
            if wanted.room == "fits":
                break
            self._settle(reservation, [])
            if wanted.room == "over" and self.budget and reservation:
                raise self.budget.reached(reservation)
            await asyncio.sleep(pause)
        if not wanted.ours:
            self._settle(reservation, [])
        others = [pending for pending in batch if pending.key not in wanted.ours]
        return Claimed([pending for pending in batch if pending.key in wanted.ours], others, reservation)

    async def _reserve(self, request: Request, bound: Usage, draws: int) -> Reservation | None:
        if self.budget is None:
            return None
        return await self.budget.reserve(request.model.name, Usage(bound.input, bound.output * draws), request.run)

    def _settle(self, reservation: Reservation | None, used: list[Usage] | None) -> None:
        if self.budget and reservation:
            self.budget.settle(reservation, used)

    async def pay(self, batch: Batch, reservation: Reservation | None) -> list[Reply]:
        """Return the replies to a request, at least one, and settle what was reserved for it."""
        if self._spans is None or batch[0].request.recorded:
            return await self._pay(batch, reservation)
        with self._spans.call(_spanned(batch)) as answer:
            replies = await self._pay(batch, reservation)
            answer(replies)
        return replies

    async def _pay(self, batch: Batch, reservation: Reservation | None) -> list[Reply]:
        used: list[Usage] | None = []
        try:
            failed = partial(self.writer.put_server_fault, batch[0].request.run)
            silent = partial(self._miss, batch[0])
            with losses_to(partial(self._lose, batch[0]), failed, silent):
                replies = await self._draw(batch)
            known = [reply.usage for reply in replies if reply.usage is not None]
            used = known if len(known) == len(replies) else None
        except (asyncio.CancelledError, CallFailed) as ended:
            if batch[0].started and not isinstance(ended, PromptTooLong):
                used = [self._keep_aborted(batch[0])]
            raise
        finally:
            self._settle(reservation, used)
        return replies

    def _lose(self, pending: PendingReply, spent: LostReply) -> None:
        """Pay for an answer that gave no reply. Raises `BudgetReached` where no further attempt may be paid for."""
        request, text = pending.request, storable_text(spent.text)
        usage = spent.usage or aborted_bound(request.messages, request.sampling, len(text.encode()))
        self._book(request, text, usage)

    def _miss(self, pending: PendingReply, draws: int, timed_out: bool) -> None:
        """Note an attempt that was sent and that nothing came back of.

        A server that took it and ran out of time has most likely worked on it, so its most is paid for; one whose
        connection broke is counted apart. Raises as `_lose` does.
        """
        request = pending.request
        most = usage_bound(request.messages, request.sampling, draws)
        if timed_out:
            self._book(request, "", most)
        else:
            self.writer.put_lost(LostCall(request.run, request.model.name, most))

    def _book(self, request: Request, text: str, usage: Usage) -> None:
        if self.budget:
            self.budget.add(request.model.name, usage, request.run)
        self.writer.put_failed(aborted(request, text, usage), self._account)
        if self.budget:
            self.budget.check_held()

    def _keep_aborted(self, pending: PendingReply) -> Usage:
        """Store the partial reply of an aborted stream and return the most it can have used."""
        request, text = pending.request, "".join(pending.deltas)
        usage = aborted_bound(request.messages, request.sampling, len(text.encode()) + pending.hidden)
        self.writer.put_aborted(aborted(request, text, usage))
        return usage

    async def _draw(self, batch: Batch) -> list[Reply]:
        """Ask for these draws of a prompt and return the first of them, at least one."""
        for pending in batch:
            self.sent[pending.request.run] += 1
        request, samples = batch[0].request, [pending.request.sample for pending in batch]
        model = request.model
        if request.recorded:
            drawn = await model.reply(request.messages, request.sampling, max(samples) + 1)
            return [drawn[sample] for sample in samples]
        sampling = _sampling(request)
        if batch[0].streamed:
            return [await self._stream(batch[0], sampling)]
        replies = await model.reply(request.messages, sampling, len(samples))
        if not replies:
            raise no_reply(request)
        for pending in batch[len(replies) :]:
            self.sent[pending.request.run] -= 1
        # The replies that are wanted are there, whatever the others cost.
        with suppress(BudgetReached):
            for surplus in replies[len(samples) :]:
                report_loss(surplus.text, surplus.usage)
        return [storable(reply) for reply in replies[: len(samples)]]

    async def _stream(self, pending: PendingReply, sampling: Sampling) -> Reply:
        """Return the reply of a model that streams it, and add its text to the pending one as it comes."""
        stream = pending.request.model.stream(pending.request.messages, sampling)
        async with aclosing(stream) as deltas:
            async for delta in deltas:
                if isinstance(delta, Reply):
                    return storable(delta)
                if isinstance(delta, HiddenProgress):
                    pending.add_hidden(delta.size)
                elif isinstance(delta, ToolCallPiece):
                    pending.add_call(delta)
                else:
                    pending.add(storable_text(delta))
        raise no_reply(pending.request)


def _sampling(request: Request) -> Sampling:
    """Return how the draws of a batch are sampled that begins with this one."""
    sampling = request.sampling
    # A draw made alone, after others, must not be given the first draw's seed again.
    if sampling.seed is not None and request.sample:
        return msgspec.structs.replace(sampling, seed=sampling.seed + request.sample)
    return sampling


def _spanned(batch: Batch) -> SpannedCall:
    request, model = batch[0].request, batch[0].request.model
    provider, called = provider_and_model(model.name)
    return SpannedCall(
        provider=provider,
        model=called,
        source=request.source,
        remote=model.capabilities.connects,
        messages=request.messages,
        sampling=_sampling(request),
        draws=len(batch),
        streamed=batch[0].streamed,
        role=request.role,
        run=request.run,
    )


def no_reply(request: Request) -> CallFailed:
    """Return the error of a model that answered without a reply."""
    return CallFailed(f"`{request.model.name}` gave no reply", "the same command asks again")


def aborted(request: Request, text: str, usage: Usage) -> StoredCall:
    """Return what is stored of a call that gave no reply, under a key by which nobody finds it."""
    return StoredCall(
        unfindable_key(), request.model.name, request.source, request.messages, request.sampling, request.draw,
        AbandonedReply(text, request.model.name, usage), request.run,
    )  # fmt: skip


def storable(reply: Reply) -> Reply:
    """Return a reply whose text is Unicode: half of a surrogate pair, which some models write, becomes `?`."""
    text, reasoning = storable_text(reply.text), storable_text(reply.reasoning)
    if text is reply.text and reasoning is reply.reasoning:
        return reply
    return msgspec.structs.replace(reply, text=text, reasoning=reasoning)


def storable_text(text: str) -> str:
    """Return text as Unicode; what is none becomes `?`."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="replace").decode()
    return text
