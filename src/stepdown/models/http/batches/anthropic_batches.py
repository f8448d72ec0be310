"""Anthropic's message batches: requests go up in one object, answers come down as lines.

Source: https://docs.anthropic.com/en/api/creating-message-batches
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

import msgspec

from stepdown.models.http.addresses import join_address
from stepdown.models.http.batches.batch_api import BatchAnswer, BatchLimits, BatchLook, BatchRequest
from stepdown.models.http.batches.batch_session import BatchSession
from stepdown.models.http.endpoints import Endpoint
from stepdown.models.http.lenient_json import read_json, write_json

_PAGE, _MOST_PAGES = 100, 50
_CLOCKS = 3600  # seconds by which the provider's clock may be behind ours
_STATUSES = {"succeeded": 200, "errored": 400, "canceled": 0, "expired": 0}


class AnthropicBatches:
    """Message batches. They have no metadata: one whose id was lost is known by the names of its answers."""

    limits = BatchLimits(requests=100_000, size=240_000_000)

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint, self._session = endpoint, BatchSession(endpoint)
        self._url = join_address(endpoint.dialect.address(endpoint.base, endpoint.model), "/batches")

    def _at(self, path: str) -> str:
        return join_address(self._url, path)

    async def submit(self, batch: str, requests: Sequence[BatchRequest]) -> str:
        """Send the requests."""
        listed = [{"custom_id": one.name, "params": msgspec.Raw(one.body)} for one in requests]
        begun = await self._session.post(self._url, {"requests": listed})
        return str(begun.get("id") or "")

    async def find(self, batch: str, since: float, requests: int) -> str | None:
        """Return the batch whose answers are ours; None as long as one of our size is still worked on."""
        after, undecided = "", False
        for _ in range(_MOST_PAGES):
            more = f"&after_id={after}" if after else ""
            listed = await self._session.get(f"{self._url}?limit={_PAGE}{more}") or {}
            found = [one for one in listed.get("data") or [] if isinstance(one, dict)]
            young = [one for one in found if _created(one) >= since - _CLOCKS]
            for one in young:
                if sum(_counts(one).values()) != requests:
                    continue
                if one.get("processing_status") != "ended":
                    undecided = True
                elif await self._is_ours(str(one.get("id")), batch):
                    return str(one.get("id"))
            if not listed.get("has_more") or len(young) < len(found):
                return None if undecided else ""
            after = str(listed.get("last_id"))
        return None

    async def _is_ours(self, remote: str, batch: str) -> bool:
        async for answer in self.answers(remote):
            return answer.name.startswith(f"{batch}-")
        return False

    async def look(self, remote: str) -> BatchLook | None:
        """Return how a batch is."""
        found = await self._session.get(self._at(f"/{remote}"))
        if found is None:
            return None
        counts, status = _counts(found), str(found.get("processing_status"))
        return BatchLook(
            over=status == "ended",
            note=_ending(counts) if status == "ended" else status,
            answered=counts.get("succeeded", 0),
            failed=counts.get("errored", 0),
        )

    async def answers(self, remote: str) -> AsyncIterator[BatchAnswer]:
        """Stream the results, those of requests that were never worked on too."""
        async for line in self._session.lines(self._at(f"/{remote}/results")):
            if (answer := _read(line)) is not None:
                yield answer

    async def cancel(self, remote: str) -> None:
        """Ask that no more of it be worked on."""
        await self._session.post(self._at(f"/{remote}/cancel"), {})

    async def close(self) -> None:
        """Drop the connections."""
        await self._session.close()


def _read(line: bytes) -> BatchAnswer | None:
    try:
        value: Any = read_json(line) if line.strip() else None
    except msgspec.DecodeError:
        return None
    result = value.get("result") if isinstance(value, dict) else None
    if not isinstance(result, dict) or not isinstance(value.get("custom_id"), str):
        return None
    kind = str(result.get("type"))
    error = result.get("error") or {}
    inner = error.get("error") if isinstance(error, dict) else None
    # What is wrong with a request is said by its kind; all else may pass.
    asked = isinstance(inner, dict) and inner.get("type") in {"invalid_request_error", "request_too_large"}
    status = 500 if kind == "errored" and not asked else _STATUSES.get(kind, 500)
    body = result.get("message") if kind == "succeeded" else error
    return BatchAnswer(value["custom_id"], status, write_json(body))


def _counts(found: dict[str, Any]) -> dict[str, int]:
    counts = found.get("request_counts")
    return {name: int(count or 0) for name, count in counts.items()} if isinstance(counts, dict) else {}


def _ending(counts: dict[str, int]) -> str:
    return "expired" if counts.get("expired") else "cancelled" if counts.get("canceled") else "completed"


def _created(found: dict[str, Any]) -> float:
    try:
        return datetime.fromisoformat(str(found.get("created_at")).replace("Z", "+00:00")).timestamp()
    except ValueError:
        return float("inf")
