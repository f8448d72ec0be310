"""Gemini's batches of generateContent, with requests and answers in line: up to 20 MB of them.

Source: https://ai.google.dev/gemini-api/docs/batch-api
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec

from stepdown.models.http.api_errors import api_error_of
from stepdown.models.http.batches.batch_api import BatchAnswer, BatchLimits, BatchLook, BatchRequest
from stepdown.models.http.batches.batch_session import BatchSession
from stepdown.models.http.dialects.gemini_generate import GEMINI_GENERATE
from stepdown.models.http.endpoints import Endpoint
from stepdown.models.http.lenient_json import write_json

_PAGE, _MOST_PAGES = 100, 50
# Google's codes of errors: https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto
_CODES = {1: 0, 3: 400, 4: 504, 5: 404, 7: 403, 8: 429, 9: 400, 11: 400, 13: 500, 14: 503, 16: 401}
_OVER = {"succeeded": "completed", "failed": "failed", "cancelled": "cancelled", "expired": "expired"}


class GeminiBatches:
    """Batches of one model; our id is the display name, and a request's name the key in its metadata."""

    limits = BatchLimits(requests=50_000, size=18_000_000)

    def __init__(self, endpoint: Endpoint) -> None:
        # Gemini's endpoint for OpenAI's clients takes no files of requests: its own is behind the same address and key.
        key_header = GEMINI_GENERATE.key_header
        self.endpoint = msgspec.structs.replace(endpoint, dialect=GEMINI_GENERATE, key_header=key_header)
        self._session = BatchSession(self.endpoint)
        address = GEMINI_GENERATE.address(endpoint.base, endpoint.model)
        self._create = address.replace(":generateContent", ":batchGenerateContent")
        self._root = GEMINI_GENERATE.models_address(endpoint.base).removesuffix("/models")

    async def submit(self, batch: str, requests: Sequence[BatchRequest]) -> str:
        """Send the requests."""
        listed = [{"request": msgspec.Raw(one.body), "metadata": {"key": one.name}} for one in requests]
        asked = {"batch": {"displayName": batch, "inputConfig": {"requests": {"requests": listed}}}}
        return str((await self._session.post(self._create, asked)).get("name") or "")

    async def find(self, batch: str, since: float, requests: int) -> str | None:
        """Return the batch of our display name."""
        token = ""
        for _ in range(_MOST_PAGES):
            more = f"&pageToken={token}" if token else ""
            listed = await self._session.get(f"{self._root}/batches?pageSize={_PAGE}{more}") or {}
            for one in listed.get("operations") or []:
                if isinstance(one, dict) and _part(one, "metadata").get("displayName") == batch:
                    return str(one.get("name"))
            token = str(listed.get("nextPageToken") or "")
            if not token:
                return ""
        return None

    async def look(self, remote: str) -> BatchLook | None:
        """Return how a batch is."""
        found = await self._session.get(f"{self._root}/{remote}")
        if found is None:
            return None
        about, error = _part(found, "metadata"), api_error_of(found.get("error")) if found.get("error") else None
        state = str(about.get("state")).rpartition("STATE_")[2].lower()
        stats = _part(about, "batchStats")
        return BatchLook(
            over=state in _OVER or bool(found.get("done")),
            note=_OVER.get(state, state),
            answered=int(stats.get("successfulRequestCount") or 0),
            failed=int(stats.get("failedRequestCount") or 0),
            refused=(error.message if error else "no reason is given") if state == "failed" else "",
            crowded=state == "failed" and error is not None and error.status == 429,
        )

    async def answers(self, remote: str) -> AsyncIterator[BatchAnswer]:
        """Stream the responses in line."""
        found = await self._session.get(f"{self._root}/{remote}") or {}
        held = _part(found, "response") or _part(_part(found, "metadata"), "output")
        listed = _part(held, "inlinedResponses").get("inlinedResponses")
        for one in listed if isinstance(listed, list) else []:
            name = _part(one, "metadata").get("key") if isinstance(one, dict) else None
            if isinstance(name, str):
                error = one.get("error")
                body = {"error": error} if error else one.get("response")
                yield BatchAnswer(name, _status(error) if error else 200, write_json(body))

    async def cancel(self, remote: str) -> None:
        """Ask that no more of it be worked on."""
        await self._session.post(f"{self._root}/{remote}:cancel", {})

    async def close(self) -> None:
        """Drop the connections."""
        await self._session.close()


def _status(error: Any) -> int:
    """Return the HTTP status of an error that has a code of gRPC's; one that nobody knows may pass."""
    code = error.get("code") if isinstance(error, dict) else None
    return _CODES.get(code, 500) if isinstance(code, int) and code < 100 else api_error_of(error).status or 500


def _part(value: dict[str, Any], name: str) -> dict[str, Any]:
    part = value.get(name)
    return part if isinstance(part, dict) else {}
