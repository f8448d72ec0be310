"""Calls whose answers batches bring: found in the store, or noted as wanted, so that the next batch asks them."""

import msgspec

from stepdown.runner.batch_client import BatchClient
from stepdown.runner.budget import Budget
from stepdown.runner.calls import Calls, Parked
from stepdown.runner.deltas import Deltas
from stepdown.runner.request import KeyedCall, Request


class BatchCalls(Calls):
    """The calls of one pass over all problems; `wanted` are those, by key, that it could not go on without.

    A model without a batch API is asked at once, as ever.
    """

    def __init__(self, client: BatchClient, budget: Budget | None) -> None:
        super().__init__(client.batches.store, budget=budget, spans=client.outcomes.spans)
        # A problem is begun again and again until batches have brought all it asks: no span says how long it took.
        self.spans = None
        self.client = client
        self.wanted: dict[bytes, Request] = {}

    def sent_for(self, run: str) -> int:
        """Return how many draws that a run pays for went to a model, those in this client's batches too."""
        return super().sent_for(run) + self.client.outcomes.bought_for[run]

    def found_before(self, run: str, calls: int) -> int:
        """Return how many calls of a run the store had answered when the pass before this one was over."""
        return self.client.outcomes.found_for.get(run, calls)

    def end_pass(self, run: str, found: int) -> None:
        """Hand on to the next pass what a run has sent in this one, and how many calls the store had answered."""
        self.client.outcomes.bought_for[run] += super().sent_for(run)
        self.client.outcomes.found_for[run] = found

    async def ask(self, request: Request, deltas: Deltas | None = None) -> KeyedCall:
        """Return the call and its key. Raises `Parked` for one that is to be answered by a batch."""
        if not self.client.serves(request.model):
            return await super().ask(request, deltas)
        request, found = await self._look_up(request)
        if found is not None:
            key, reply = found
            if key in self.client.outcomes.bought:
                reply = msgspec.structs.replace(reply, cached=False)
            return key, request.call(reply)
        if (failure := self.client.outcomes.failures.get(request.key)) is not None:
            raise failure
        self.wanted[request.key] = request
        raise Parked("a batch is to answer this")
