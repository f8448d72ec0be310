"""What sends batches, finds them again, takes up their answers, and gives them up."""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import chain, repeat
from pathlib import Path
from typing import Literal

from stepdown.errors import BatchUnderWay, BudgetReached, EndpointRefused, StepdownError, UsageError
from stepdown.models import EndpointModel, find_endpoint
from stepdown.models.http import BatchApi, BatchLook, BatchRequest, RetryableError, find_batch_api, reading_answer
from stepdown.runner.accounts import Account
from stepdown.runner.batch_answers import Answers, BatchOutcomes
from stepdown.runner.batch_parts import WantedRequest, asked, parts_of, split
from stepdown.runner.budget import Budget, Reservation
from stepdown.runner.request import Request
from stepdown.spans import Spans, find_spans
from stepdown.store import BEAT, Batch, Batches, BatchLine, Claims, LostCall, Store, put_lost_calls
from stepdown.text import counted
from stepdown.types import Model, Usage

# Seconds between two looks at batches, the last again and again; anything new begins it anew.
PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
# So often one process looks again at what a provider seems to have lost (answers that it counts, or a whole batch) and
# may only be late with; or, as a nightly job looks once, until the batch is so many seconds old.
_LOOKS, _TWO_DAYS = 10, 2 * 86_400.0
# The note of a batch that nobody is to send any more.
_GIVEN_UP = "to be cancelled"


class BatchClient:
    """Batches of one command: `batches` has all of the store, `waits` says whether the command waits for them.

    `outcomes` are what became of calls here, `too_dear` the budget's end where it left something unsent. `tell` is told
    what goes on. `spans` are those that OpenTelemetry's variables ask for, unless others are given; None: none.
    """

    def __init__(
        self,
        store: Store,
        *,
        waits: bool = True,
        tell: Callable[[str], None] = lambda line: None,
        spans: Spans | Literal["asked for"] | None = "asked for",
    ) -> None:
        self.waits, self._tell, self._pauses = waits, tell, PAUSES
        self._claims = Claims(store)
        self.batches = Batches(store, self._claims)
        self.outcomes = BatchOutcomes(self.batches, find_spans() if isinstance(spans, str) else spans)
        self.too_dear: BudgetReached | None = None
        self._models: dict[str, EndpointModel] = {}
        self._apis: dict[str, BatchApi | None] = {}
        self._room: dict[str, int] = {}
        self._late: Counter[str] = Counter()

    # -- who has a batch API

    def serves(self, model: Model) -> bool:
        """Whether a model's calls can be made in batches."""
        if not isinstance(model, EndpointModel):
            return False
        if model.name not in self._models:
            self._models[model.name] = model
            self.outcomes.refused[model.name] = self.outcomes.refused_by(model.name) | model.refused
            self._apis[model.name] = find_batch_api(model.endpoint, self._folder)
        return self._apis[model.name] is not None

    def serves_name(self, model: str) -> bool:
        """Whether calls of the model of this name, one that was looked at, are made in batches."""
        return self._apis.get(model) is not None

    def check(self, models: Sequence[Model]) -> None:
        """Refuse to work in batches where no model has them. Raises `UsageError`."""
        if not any([self.serves(model) for model in models]):
            names = ", ".join(f"`{name}`" for name in dict.fromkeys(model.name for model in models))
            known = "OpenAI, Azure, Anthropic, Gemini and vLLM have one"
            raise UsageError(f"{names}: no batch API is known", f"leave it out; {known}", option="--batch")

    def api(self, model: str) -> BatchApi:
        """Return the batch API of a model string. Raises `UsageError` for one that has none, or no key here."""
        if model not in self._apis:
            self._apis[model] = find_batch_api(find_endpoint(model), self._folder)
        found = self._apis[model]
        if found is None:
            raise UsageError(f"`{model}`: no batch API is known", "its batches cannot be taken up here")
        return found

    @property
    def _folder(self) -> Path:
        path = self.batches.store.path
        return path.with_name(f"{path.name}.batches")

    # -- sending

    async def send(self, requests: Sequence[Request], budget: Budget | None) -> int:
        """Send what is not under way yet, in as few batches as its providers take; return how many calls.

        What the budget has no room for is left out, and `too_dear` says so.
        """
        self.outcomes.budget, self.too_dear, sent = budget, None, 0
        account = Account.of(self._claims, budget)
        free = [one for one in requests if not self._claims.batch_of(one.key)]
        for model in dict.fromkeys(one.model.name for one in free):
            api = self.api(model)
            parts = parts_of([one for one in free if one.model.name == model], api, self.outcomes.refused_by(model))
            for some in split(parts, api, self._room.get(model)):
                if not self._has_room(model, some):
                    break
                sent += await self._begin(model, self._affordable(model, some, account), account)
        return sent

    def _has_room(self, model: str, parts: Sequence[WantedRequest]) -> bool:
        """Whether the provider takes so many tokens beside those it has; one batch at a time it always may."""
        if model not in self._room:
            return True
        tokens = self.batches.tokens(model)
        return not tokens or tokens + sum(one.most.input + one.most.output for one in parts) <= self._room[model]

    def _affordable(self, model: str, parts: Sequence[WantedRequest], account: Account | None) -> list[WantedRequest]:
        """Return the first of these parts, as far as the budget goes."""
        budget = self.outcomes.budget
        if account is None or budget is None:
            return list(parts)
        money, tokens = account.left()
        for at, part in enumerate(parts):
            wanted = Reservation(
                model, budget.pricing.cost(model, part.most) or 0.0, part.most.input + part.most.output
            )
            money = None if money is None else money - wanted.money
            tokens = None if tokens is None else tokens - wanted.tokens
            if (money is not None and money < -1e-9) or (tokens is not None and tokens < 0):
                self.too_dear = account.reached(wanted)
                return list(parts[:at])
        return list(parts)

    async def _begin(self, model: str, parts: Sequence[WantedRequest], account: Account | None) -> int:
        if not parts:
            return 0
        batch = f"b{secrets.token_hex(5)}"
        calls = self.batches.begin(batch, [one.calls for one in parts], fits=account.fits if account else lambda: True)
        if calls:
            async with self._held(batch):
                await self._submit(self.batches.find(batch))
        return calls

    async def _submit(self, batch: Batch) -> None:
        """Hand a batch over. Where nobody knows whether it came through, it is looked for before it is sent again."""
        api, refused = self.api(batch.model), self.outcomes.refused_by(batch.model)
        logprobs = batch.model in self._models and self._models[batch.model].asks_logprobs
        encode = api.endpoint.dialect.encode
        requests = [
            BatchRequest(f"{batch.id}-{line.number}", encode(asked(line, api, refused, logprobs=logprobs)))
            for line in self.batches.lines(batch.id)
        ]
        try:
            remote = await api.submit(batch.id, requests)
            if not remote:
                raise RetryableError("the answer names no batch")
        except RetryableError as fault:
            self.batches.mark(batch.id, "prepared", note=fault.reason[:200])
            self._tell(f"batch {batch.id} is looked for before it is sent again: {fault.reason}")
            return
        except StepdownError as refusal:
            self.batches.mark(batch.id, "ended", note=f"refused: {refusal.what}"[:500])
            raise EndpointRefused(f"batch `{batch.id}` was refused: {refusal.what}", refusal.hint) from None
        self.batches.mark(batch.id, "sent", remote=remote)
        self._tell(f"batch {batch.id}: {counted(batch.calls, 'call')} of `{batch.model}` sent")

    # -- taking up

    def open(self, batches: Sequence[str] = ()) -> list[Batch]:
        """Return the open batches, or these of them; where a command asks models, those of its models."""
        some = self.batches.all(only_open=True)
        ours = [one for one in some if not self._models or one.model in self._models]
        return [one for one in ours if not batches or one.id in batches]

    @asynccontextmanager
    async def _held(self, batch: str) -> AsyncIterator[None]:
        """Keep a batch in our hands, however long what is done with it takes."""

        async def hold() -> None:
            while True:
                await asyncio.sleep(BEAT)
                self.batches.take(batch)

        holding = asyncio.create_task(hold())
        try:
            yield
        finally:
            holding.cancel()
            await asyncio.gather(holding, return_exceptions=True)

    async def look(self, batches: Sequence[str] = ()) -> bool:
        """Look once at the open batches, or at these, and take up what has come; True where anything changed.

        Raises the first error of a batch, once the others have been looked at.
        """
        changed, failure = False, None
        for batch in self.open(batches):
            if not self.batches.take(batch.id):
                continue
            try:
                async with self._held(batch.id):
                    changed |= await self._step(self.batches.find(batch.id))
            except RetryableError as fault:
                self._tell(f"batch {batch.id}: {fault.reason}; it is looked at again")
            except StepdownError as error:  # the others may be fine
                failure = failure or error
            finally:
                self.batches.let_go(batch.id)
        if failure is not None:
            raise failure
        return changed

    async def _step(self, batch: Batch) -> bool:
        api = self.api(batch.model)
        if batch.state == "prepared":
            return await self._find(batch, api)
        with reading_answer("a batch"):
            look = await api.look(batch.remote)
        if look is None:
            if self._may_come(batch):
                return False
            self._end(batch, "the provider knows it no more", self.batches.lines(batch.id))
            return True
        if not look.over:
            if look.note != batch.note:
                self.batches.mark(batch.id, "sent", note=look.note)
                self._tell(f"batch {batch.id}: {look.note}, {look.answered} of {batch.requests} answered")
            return False
        if look.refused:
            return self._refuse(batch, look)
        return await self._collect(batch, api, look)

    async def _find(self, batch: Batch, api: BatchApi) -> bool:
        """Look whether a provider has a batch whose id nobody was told; send or end it where it has not."""
        with reading_answer("a list of batches"):
            remote = await api.find(batch.id, batch.created, batch.requests)
        if remote:
            self.batches.mark(batch.id, "sent", remote=remote, note="found again")
            if batch.note == _GIVEN_UP:
                await self._stop(api, remote)
        elif remote == "" and batch.note == _GIVEN_UP:
            self._end(batch, "cancelled before it was sent")
        elif remote == "":
            await self._submit(batch)
        return remote is not None

    def _may_come(self, batch: Batch) -> bool:
        """Whether to look again at what the provider seems to have lost, which is counted."""
        self._late[batch.id] += 1
        return self._late[batch.id] <= _LOOKS and time.time() - batch.created < _TWO_DAYS

    async def _collect(self, batch: Batch, api: BatchApi, look: BatchLook) -> bool:
        """Store what a batch that is over has answered; what it has not is free to be asked again."""
        answers = Answers(self.outcomes, batch, api)
        whole = await answers.read(api.answers(batch.remote))
        if whole < look.answered and self._may_come(batch):  # files may come later than the word that it is over
            return False
        unanswered = answers.count_unanswered()
        # What the provider counts and never gave is paid all the same.
        self._end(self.batches.find(batch.id), look.note, unanswered[: max(0, look.answered - whole)])
        return True

    def _refuse(self, batch: Batch, look: BatchLook) -> bool:
        """End a batch that was not taken. Raises `EndpointRefused` unless smaller ones may be."""
        tokens, requests = self.batches.tokens(batch.model, batch.id), batch.requests
        self._end(batch, f"refused: {look.refused}"[:500])
        if not look.crowded or requests < 2:
            raise EndpointRefused(
                f"batch `{batch.id}` was refused: {look.refused}", "mend what it says; nothing of it was paid"
            )
        self._room[batch.model] = max(1, tokens // 2)
        return True

    def _end(self, batch: Batch, note: str, lost: Iterable[BatchLine] = ()) -> None:
        """End a batch; requests that are `lost` may have been paid for, and count at their most."""
        each = (one for line in lost for one in line.calls)
        calls = [LostCall(one.run, one.model, Usage(one.input, one.output, batched=1)) for one in each]
        with self.batches.store.writing():
            put_lost_calls(self.batches.store, calls)
            self.batches.mark(batch.id, "ended", note=note)
        left = batch.calls - batch.answered - batch.failed
        more = f", {batch.failed} failed" * bool(batch.failed) + f", {left} not worked on" * bool(left)
        self._tell(f"batch {batch.id}: {note}, {batch.answered} answered{more}")

    async def wait(self, stopped: Callable[[], bool], batches: Sequence[str] = ()) -> None:
        """Look at the open batches until one of them has ended, or there is none, or somebody stops it."""
        before = {one.id for one in self.open(batches)}
        pauses = chain(self._pauses, repeat(self._pauses[-1]))
        while not stopped():
            changed = await self.look(batches)
            if before - {one.id for one in self.open(batches)}:
                return
            if changed:
                pauses = chain(self._pauses, repeat(self._pauses[-1]))
            await _rest(next(pauses), stopped)
            if not before:  # others ask what is wanted, and will have it soon
                return

    async def cancel(self, batch: Batch) -> None:
        """Ask the provider to work no more on a batch; what it has answered is taken up once it has stopped."""
        try:
            with reading_answer("a batch"):
                await self._cancel(batch, self.api(batch.model))
        except RetryableError as fault:
            self._tell(f"batch {batch.id}: {fault.reason}; it may go on until it is cancelled again")

    async def _cancel(self, batch: Batch, api: BatchApi) -> None:
        if batch.remote:
            await self._stop(api, batch.remote)
        elif self.batches.take(batch.id):
            # Kept, since it may be long before one knows whether it was sent.
            self.batches.mark(batch.id, "prepared", note=_GIVEN_UP)
            try:
                await self._find(self.batches.find(batch.id), api)
            finally:
                self.batches.let_go(batch.id)
        else:
            self._tell(f"batch {batch.id} is being sent by another process; cancel it again in a moment")

    async def _stop(self, api: BatchApi, remote: str) -> None:
        look = await api.look(remote)
        if look is not None and not look.over:
            await api.cancel(remote)

    def under_way(self) -> BatchUnderWay:
        """Return the error that says what is waited for."""
        some = self.open()
        calls = sum(one.calls - one.answered - one.failed for one in some)
        return BatchUnderWay(
            f"{counted(calls, 'answer')} of {len(some)} {'batch' if len(some) == 1 else 'batches'} to wait for",
            "the same command goes on from here; `stepdown batches wait` takes up what they bring",
        )

    async def close(self) -> None:
        """Drop the connections."""
        for api in self._apis.values():
            if api is not None:
                await api.close()


async def _rest(seconds: float, stopped: Callable[[], bool]) -> None:
    """Sleep, but for no longer than until somebody stops it."""
    until = asyncio.get_running_loop().time() + seconds
    while not stopped() and (left := until - asyncio.get_running_loop().time()) > 0:
        await asyncio.sleep(min(left, 0.25))
