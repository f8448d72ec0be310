"""OpenAI's and Azure's batches: a file of requests goes up, files of answers and of errors come down.

Source: https://platform.openai.com/docs/api-reference/batch and
https://learn.microsoft.com/azure/ai-foundry/openai/how-to/batch
"""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import msgspec

from stepdown.models.http.addresses import join_address
from stepdown.models.http.batches.batch_api import BatchAnswer, BatchLimits, BatchLook, BatchRequest
from stepdown.models.http.batches.batch_session import BatchSession
from stepdown.models.http.endpoints import Endpoint
from stepdown.models.http.lenient_json import read_json, write_json

_OVER = frozenset({"completed", "expired", "cancelled", "failed"})
_PAGE, _MOST_PAGES = 100, 50
PAUSE, _MOST_LOOKS = 2.0, 60  # seconds between looks at a file that is not ready, and how many there are
_MARK = "stepdown"  # the field of a batch's metadata that holds our id
_CROWDED = re.compile(r"enqueued|token.?limit", re.I)


class OpenAIBatches:
    """Batches by file; our id stands in a batch's metadata, by which it is found again."""

    limits = BatchLimits(requests=50_000, size=190_000_000)

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint, self._session = endpoint, BatchSession(endpoint)
        self._base = _without_deployment(endpoint.base)

    def _at(self, path: str) -> str:
        return join_address(self._base, path)

    async def submit(self, batch: str, requests: Sequence[BatchRequest]) -> str:
        """Upload the requests and begin their batch."""
        # Azure's batches of a deployment are asked without the version: it stands in the query.
        version = "" if self._base != self.endpoint.base else "/v1"
        url = version + urlsplit(self.endpoint.dialect.address("http://h", self.endpoint.model)).path
        lines = [b'{"custom_id":%b,"method":"POST","url":%b,"body":%b}'
                 % (msgspec.json.encode(one.name), msgspec.json.encode(url), one.body) for one in requests]  # fmt: skip
        content = b"\n".join(lines) + b"\n"
        file = await self._session.upload(self._at("/files"), f"{batch}.jsonl", content, {"purpose": "batch"})
        await self._processed(file)
        asked = {"input_file_id": file.get("id"), "endpoint": url, "completion_window": "24h"}
        begun = await self._session.post(self._at("/batches"), asked | {"metadata": {_MARK: batch}})
        return str(begun.get("id") or "")

    async def _processed(self, file: dict[str, Any]) -> None:
        """Wait until a file can be used: Azure calls it `pending` at first. Whatever takes longer, its batch says."""
        for _ in range(_MOST_LOOKS):
            if file.get("status") != "pending":
                return
            await asyncio.sleep(PAUSE)
            file = await self._session.get(self._at(f"/files/{file.get('id')}")) or {}

    async def find(self, batch: str, since: float, requests: int) -> str | None:
        """Return the batch whose metadata have our id."""
        after = ""
        for _ in range(_MOST_PAGES):
            more = f"&after={after}" if after else ""
            listed = await self._session.get(_with_query(self._at("/batches"), f"limit={_PAGE}{more}"))
            found = [one for one in (listed or {}).get("data") or [] if isinstance(one, dict)]
            for one in found:
                if (one.get("metadata") or {}).get(_MARK) == batch:
                    return str(one.get("id"))
            # They come newest first.
            oldest = min((one.get("created_at") or 0 for one in found), default=0)
            if not found or not (listed or {}).get("has_more") or oldest < since - 3600:
                return ""
            after = str(found[-1].get("id"))
        return None

    async def look(self, remote: str) -> BatchLook | None:
        """Return how a batch is."""
        found = await self._session.get(self._at(f"/batches/{remote}"))
        if found is None:
            return None
        counts, status = found.get("request_counts") or {}, str(found.get("status"))
        errors = (found.get("errors") or {}).get("data") or []
        why = "; ".join(str(one.get("message") or one.get("code")) for one in errors if isinstance(one, dict))[:500]
        return BatchLook(
            over=status in _OVER,
            note=status,
            answered=int(counts.get("completed") or 0),
            failed=int(counts.get("failed") or 0),
            refused=(why or "no reason is given") if status == "failed" else "",
            crowded=bool(_CROWDED.search(why)) and status == "failed",
        )

    async def answers(self, remote: str) -> AsyncIterator[BatchAnswer]:
        """Stream the lines of both files: an expired or cancelled batch has answers too."""
        found = await self._session.get(self._at(f"/batches/{remote}")) or {}
        for file in (found.get("output_file_id"), found.get("error_file_id")):
            if file:
                async for line in self._session.lines(self._at(f"/files/{file}/content")):
                    if (answer := read_line(line)) is not None:
                        yield answer

    async def cancel(self, remote: str) -> None:
        """Ask that no more of it be worked on."""
        await self._session.post(self._at(f"/batches/{remote}/cancel"), {})

    async def close(self) -> None:
        """Drop the connections."""
        await self._session.close()


def read_line(line: bytes) -> BatchAnswer | None:
    """Return what a line of an answer file says, None for one that says nothing."""
    try:
        value: Any = read_json(line) if line.strip() else None
    except msgspec.DecodeError:
        return None
    if not isinstance(value, dict) or not isinstance(value.get("custom_id"), str):
        return None
    response, error = value.get("response"), value.get("error")
    if isinstance(response, dict) and isinstance(status := response.get("status_code"), int):
        return BatchAnswer(value["custom_id"], status, write_json(response.get("body")))
    code = str(error.get("code")) if isinstance(error, dict) else ""
    unworked = code in {"batch_expired", "batch_cancelled"}
    return BatchAnswer(value["custom_id"], 0 if unworked else 500, write_json({"error": error}))


def _without_deployment(base: str) -> str:
    """Return Azure's address of the resource: batches are not of one deployment."""
    parts = urlsplit(base)
    return urlunsplit(parts._replace(path=re.sub(r"/deployments/[^/]+", "", parts.path)))


def _with_query(url: str, query: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}{query}"
