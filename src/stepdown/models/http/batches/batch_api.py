"""What a batch API is: requests handed over as a whole, and answered at half the price within a day."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import msgspec

from stepdown.models.http.endpoints import Endpoint


class BatchLimits(msgspec.Struct, frozen=True):
    """What one batch may hold: requests, and bytes of all of them as they are sent."""

    requests: int
    size: int


class BatchRequest(msgspec.Struct, frozen=True):
    """One request of a batch: the name its answer comes back by, and the body that its dialect makes of it."""

    name: str
    body: bytes


class BatchAnswer(msgspec.Struct, frozen=True):
    """What came of one request: an answer (`status` 200) or a refusal, as bodies of its dialect.

    A `status` of 0 says that it was never worked on, as its batch expired or was cancelled first.
    """

    name: str
    status: int
    body: bytes


class BatchLook(msgspec.Struct, frozen=True):
    """How a batch is: `over` once no more answers will come of it, `note` in the provider's words.

    Of its requests `answered` and `failed` are done. `refused` says why it was not taken at all, "" where it was;
    `crowded` that it was for too many tokens at once, and may be taken in smaller parts or later.
    """

    over: bool
    note: str
    answered: int = 0
    failed: int = 0
    refused: str = ""
    crowded: bool = False


class BatchApi(Protocol):
    """Batches of one model at one provider. What fails is raised as an endpoint's calls raise it, after one attempt.

    `endpoint` is the model's, in the dialect that its requests and answers have here.
    """

    endpoint: Endpoint
    limits: BatchLimits

    async def submit(self, batch: str, requests: Sequence[BatchRequest]) -> str:
        """Hand over a batch under our id and return the provider's; after an error it may have come through or not."""
        ...

    async def find(self, batch: str, since: float, requests: int) -> str | None:
        """Return the provider's id of a batch that was submitted under ours since (unix seconds).

        "" where there is none, None where that cannot be told yet.
        """
        ...

    async def look(self, remote: str) -> BatchLook | None:
        """Return how a batch is, None where the provider knows of none."""
        ...

    def answers(self, remote: str) -> AsyncIterator[BatchAnswer]:
        """Stream what there is of a batch that is over, in any order."""
        ...

    async def cancel(self, remote: str) -> None:
        """Ask that no more of it be worked on; what was is answered, and paid."""
        ...

    async def close(self) -> None:
        """Drop the connections."""
        ...
