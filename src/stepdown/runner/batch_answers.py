"""The answers of one batch: read as an endpoint's are, stored a page at a time, and what failed judged."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence

import msgspec

from stepdown.errors import CallFailed, StepdownError
from stepdown.models import provider_and_model
from stepdown.models.http import (
    ApiError,
    BatchAnswer,
    BatchApi,
    FieldRefused,
    LostReply,
    RetryableError,
    losses_to,
    read_api_error,
    read_batched,
    read_refusal,
    reading_answer,
)
from stepdown.runner.batch_parts import asked, most_of
from stepdown.runner.budget import Budget
from stepdown.runner.payment import storable, storable_text
from stepdown.spans import SpannedCall, Spans
from stepdown.store import AbandonedReply, Batch, BatchedCall, Batches, BatchLine, StoredCall, unfindable_key
from stepdown.types import Reply, Sampling, Usage

_PAGE = 200
# So often a call is asked again that failed in passing, or that its batch did not come to.
_MOST_TRIES = 4


class BatchOutcomes:
    """What became of calls in the batches that one command has taken up; `batches` has all of the store.

    `bought` are the keys of the calls that were answered and `bought_for` their number by run, with those that earlier
    passes asked directly; `found_for` is how many the store had before. `failures` are what became of others for good,
    `tries` how often each was asked. `refused` are the fields that endpoints refuse, by model. The `budget` is told
    what was paid, and `spans` are written of what came, if there are.
    """

    def __init__(self, batches: Batches, spans: Spans | None = None) -> None:
        self.batches, self.spans = batches, spans
        self.budget: Budget | None = None
        self.bought: set[bytes] = set()
        self.bought_for: Counter[str] = Counter()
        self.found_for: dict[str, int] = {}
        self.failures: dict[bytes, StepdownError] = {}
        self.tries: Counter[bytes] = Counter()
        self.refused: dict[str, frozenset[str]] = {}

    def refused_by(self, model: str) -> frozenset[str]:
        """Return the fields that a model's endpoint refuses."""
        return self.refused.get(model, frozenset())


class Answers:
    """What comes of a batch. Only what the store still has of it is taken: the rest was taken before."""

    def __init__(self, outcomes: BatchOutcomes, batch: Batch, api: BatchApi) -> None:
        self._outcomes, self._batch, self._api = outcomes, batch, api
        self._open = {f"{batch.id}-{line.number}": line for line in outcomes.batches.lines(batch.id)}
        self._refused = outcomes.refused_by(batch.model)
        self._stored: list[StoredCall] = []
        self._keys: list[bytes] = []
        self._failed = 0

    async def read(self, answers: AsyncIterator[BatchAnswer]) -> int:
        """Store all answers there are and return how many requests were answered, those of earlier looks too."""
        whole, failed = set[str](), dict[str, _Refusal]()
        try:
            async for answer in answers:
                if answer.status == 200 and answer.name.startswith(f"{self._batch.id}-"):
                    whole.add(answer.name)  # a file may have a line twice
                if answer.status == 200 and (line := self._open.pop(answer.name, None)) is not None:
                    self._take(line, answer)
                elif answer.status and answer.name in self._open:
                    # An answer that is paid may stand behind it; a body may have megabytes, and each line is one.
                    failed.setdefault(answer.name, _Refusal.read(answer))
                if len(self._keys) >= _PAGE:
                    self._flush()
            for name in [one for one in failed if one in self._open]:
                self._take(self._open.pop(name), failed[name])
        finally:  # what was taken before a file broke off is counted already
            self._flush()
        return len(whole)

    def count_unanswered(self) -> list[BatchLine]:
        """Count a try for what the batch did not come to, and return it."""
        for line in self._open.values():
            for call in line.calls:
                self._retry(call, RetryableError(f"batch `{self._batch.id}` did not come to it"))
        return list(self._open.values())

    def _take(self, line: BatchLine, answer: "BatchAnswer | _Refusal") -> None:
        outcomes, first = self._outcomes, line.calls[0]
        # Which fields it was sent without nobody knows any more: each that a refusal names was among them.
        request = asked(line, self._api, frozenset())
        try:
            with losses_to(lambda lost: self._lose(line, lost)), reading_answer("an answer"):
                if isinstance(answer, _Refusal):
                    raise read_refusal(self._api.endpoint, answer.status, {}, answer.error, request)
                replies = read_batched(self._api.endpoint, answer.body, request)
        except FieldRefused as refused:
            outcomes.refused[first.model] = outcomes.refused_by(first.model) | {refused.field}
            self._tell(line, request.sampling, refused.failure)
            # A try is counted only where it was known, as it may have been sent without.
            self._fail(line, RetryableError(str(refused.failure)) if refused.field in self._refused else None)
        except (RetryableError, StepdownError) as failure:
            self._tell(line, request.sampling, failure)
            self._fail(line, failure)
        else:
            self._tell(line, request.sampling, replies)
            for call, reply in zip(line.calls, replies, strict=False):
                self._keep(call, reply)
            for call in line.calls[len(replies) :]:
                self._free(call, RetryableError("fewer choices than asked for"))

    def _tell(self, line: BatchLine, sampling: Sampling, came: Sequence[Reply] | Exception) -> None:
        """Write the span of a request that was answered."""
        if (spans := self._outcomes.spans) is None:
            return
        first = line.calls[0]
        provider, called = provider_and_model(first.model)
        call = SpannedCall(
            provider=provider,
            model=called,
            source=first.source,
            remote=True,
            messages=first.messages,
            sampling=sampling,
            draws=len(line.calls),
            role=None,
            run=first.run,
            batch=self._batch.id,
        )
        spans.batched(call, self._batch.created, came)

    def _keep(self, call: BatchedCall, reply: Reply) -> None:
        outcomes = self._outcomes
        usage = msgspec.structs.replace(reply.usage, batched=1) if reply.usage else None
        reply = storable(msgspec.structs.replace(reply, usage=usage))
        self._stored.append(_stored(call, call.key, reply))
        self._keys.append(call.key)
        outcomes.bought.add(call.key)
        outcomes.bought_for[call.run] += 1
        if outcomes.budget is not None:
            outcomes.budget.add(call.model, usage or Usage(call.input, call.output, batched=1), call.run)

    def _lose(self, line: BatchLine, lost: LostReply) -> None:
        """Pay for an answer that gave no reply, to any of its line's calls."""
        call, used = line.calls[0], lost.usage or most_of(line.calls)
        usage = msgspec.structs.replace(used, batched=1)
        reply = AbandonedReply(storable_text(lost.text), call.model, usage)
        self._stored.append(_stored(call, unfindable_key(), reply))
        if self._outcomes.budget is not None:
            self._outcomes.budget.add(call.model, usage, call.run)

    def _fail(self, line: BatchLine, failure: RetryableError | StepdownError | None) -> None:
        for call in line.calls:
            self._free(call, failure)

    def _free(self, call: BatchedCall, failure: RetryableError | StepdownError | None) -> None:
        """Take a call without an answer out of the batch, to be asked again where that may help, or None says so."""
        self._keys.append(call.key)
        self._failed += 1
        if isinstance(failure, StepdownError):
            self._outcomes.failures[call.key] = failure
        elif failure is not None:
            self._retry(call, failure)

    def _retry(self, call: BatchedCall, fault: RetryableError) -> None:
        """Let a call be asked again, alone, unless that was done often enough."""
        tries = self._outcomes.tries
        tries[call.key] += 1
        if tries[call.key] >= _MOST_TRIES:
            what = f"`{call.model}` gave no usable reply in {tries[call.key]} batches; the last: {fault.reason}"
            self._outcomes.failures[call.key] = CallFailed(what, "the same command asks again")

    def _flush(self) -> None:
        if self._keys or self._stored:
            self._outcomes.batches.keep(self._batch.id, self._stored, self._keys, self._failed)
        self._stored, self._keys, self._failed = [], [], 0


class _Refusal(msgspec.Struct, frozen=True):
    """What a line that is no answer says, without its body."""

    status: int
    error: ApiError

    @classmethod
    def read(cls, answer: BatchAnswer) -> "_Refusal":
        try:
            with reading_answer("a refusal"):
                return cls(answer.status, read_api_error(answer.body))
        except RetryableError as unread:
            return cls(answer.status, ApiError(unread.reason))


def _stored(call: BatchedCall, key: bytes, reply: Reply | AbandonedReply) -> StoredCall:
    return StoredCall(key, call.model, call.source, call.messages, call.sampling, call.sample, reply, call.run)
