"""How the calls that are wanted become the requests of batches, each within what its provider takes."""

from collections.abc import Iterator, Sequence

import msgspec

from stepdown.models.http import BatchApi, CompletionRequest
from stepdown.runner.budget import usage_bound
from stepdown.runner.request import Request
from stepdown.store import BatchedCall, BatchLine
from stepdown.types import Sampling, Usage

# The most choices that OpenAI gives to one request.
_MOST_DRAWS = 128
_AROUND = 200  # bytes that a provider's form puts around a request


class WantedRequest(msgspec.Struct, frozen=True):
    """A request to be: its draws, the bytes of its body, and the most that it may use."""

    calls: tuple[BatchedCall, ...]
    size: int
    most: Usage


def parts_of(requests: Sequence[Request], api: BatchApi, refused: frozenset[str]) -> list[WantedRequest]:
    """Return the requests that ask for these draws: draws of one prompt are one, where the endpoint gives several."""
    many = "n" in api.endpoint.dialect.refusable and "n" not in refused
    groups: dict[object, list[Request]] = {}
    for request in requests:
        groups.setdefault(request.batch if many else request.key, []).append(request)
    found = []
    for some in groups.values():
        for start in range(0, len(some), _MOST_DRAWS):
            calls = tuple(_call(one, at) for at, one in enumerate(some[start : start + _MOST_DRAWS]))
            body = api.endpoint.dialect.encode(asked(BatchLine(0, calls), api, refused))
            found.append(WantedRequest(calls, len(body) + _AROUND, most_of(calls)))
    return found


def _call(request: Request, place: int) -> BatchedCall:
    bound = usage_bound(request.messages, request.sampling, 1)
    return BatchedCall(
        request.key,
        request.model.name,
        request.source,
        request.messages,
        request.sampling,
        request.draw,
        request.run,
        0 if place else bound.input,
        bound.output,
    )


def most_of(calls: Sequence[BatchedCall]) -> Usage:
    """Return the most that a request for these calls may use."""
    return Usage(sum(one.input for one in calls), sum(one.output for one in calls), batched=1)


def asked(line: BatchLine, api: BatchApi, refused: frozenset[str], *, logprobs: bool = False) -> CompletionRequest:
    """Return a line of a batch as its endpoint is asked."""
    first = line.calls[0]
    return CompletionRequest(
        model=api.endpoint.model,
        messages=first.messages,
        sampling=_drawn(first.sampling, first.sample),
        n=len(line.calls),
        logprobs=logprobs,
        refused=refused,
    )


def _drawn(sampling: Sampling, sample: int) -> Sampling:
    """Return a sampling whose seed is the draw's own, as calls one by one have it."""
    if sampling.seed is None or not sample:
        return sampling
    return msgspec.structs.replace(sampling, seed=sampling.seed + sample)


def split(parts: Sequence[WantedRequest], api: BatchApi, room: int | None) -> Iterator[list[WantedRequest]]:
    """Give parts in batches within the provider's limits, and within so many tokens where it has said so."""
    some: list[WantedRequest] = []
    size = tokens = 0
    for part in parts:
        wanted = part.most.input + part.most.output
        full = len(some) >= api.limits.requests or size + part.size > api.limits.size
        if some and (full or (room is not None and tokens + wanted > room)):
            yield some
            some, size, tokens = [], 0, 0
        some.append(part)
        size, tokens = size + part.size, tokens + wanted
    if some:
        yield some
