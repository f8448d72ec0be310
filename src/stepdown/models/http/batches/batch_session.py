"""Requests to a batch API: JSON and files there, JSON and lines back."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec

from stepdown.models.http.api_errors import read_api_error
from stepdown.models.http.bodies import MOST_BYTES, MOST_STREAMED, too_big
from stepdown.models.http.connections import find_proxy, open_client, read_break
from stepdown.models.http.endpoints import Endpoint
from stepdown.models.http.http_errors import read_failure
from stepdown.models.http.lenient_json import read_json
from stepdown.models.http.limits import RetryableError

TIMEOUT = 600.0
_CHUNK = 1 << 16
_TRIES, _PAUSE = 6, 0.5


class BatchSession:
    """Connections to one endpoint's batch API. What only reads is tried again; what sends is not."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._client: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def post(self, url: str, body: object) -> dict[str, Any]:
        """Send an object and return the one that comes back; an empty answer is an empty object."""
        return _object(await self._send("POST", url, data=msgspec.json.encode(body)))

    async def upload(self, url: str, name: str, content: bytes, fields: Mapping[str, str]) -> dict[str, Any]:
        """Send a file as a form does and return the object that comes back."""
        import aiohttp

        form = aiohttp.FormData()
        for field, value in fields.items():
            form.add_field(field, value)
        form.add_field("file", content, filename=name, content_type="application/jsonl")
        multipart = form()
        headers = {"Content-Type": multipart.headers["Content-Type"]}
        return _object(await self._send("POST", url, data=multipart, headers=headers))

    async def get(self, url: str) -> dict[str, Any] | None:
        """Return the object at an address, None where there is none."""
        for tries in range(1, _TRIES + 1):
            try:
                return _object(await self._send("GET", url))
            except _Nothing:
                return None
            except RetryableError:
                if tries == _TRIES:
                    raise
                await asyncio.sleep(_PAUSE * tries)
        raise AssertionError("the last try returns or raises")

    async def lines(self, url: str) -> AsyncIterator[bytes]:
        """Stream the lines of a file without those of over 32 MiB.

        Raises `RetryableError` where it breaks off: begin again.
        """
        import aiohttp

        begun, size, too_long = list[bytes](), 0, False
        try:
            async with self._here().request("GET", url, proxy=find_proxy(url), allow_redirects=False) as response:
                if response.status != 200:
                    raise self._failure(response.status, response.headers, await _read(response))
                async for chunk in response.content.iter_chunked(_CHUNK):
                    *whole, rest = chunk.split(b"\n")
                    if whole:
                        if not too_long:
                            yield b"".join([*begun, whole[0]])
                        for line in whole[1:]:
                            yield line
                        begun, size, too_long = [], 0, False
                    size += len(rest)
                    too_long = too_long or size > MOST_BYTES
                    begun += [rest]
                    if too_long:
                        begun.clear()
        except (OSError, ValueError, aiohttp.ClientError) as error:
            raise read_break(self.endpoint, error, TIMEOUT) from None
        yield b"".join(begun)

    async def _send(self, method: str, url: str, **given: Any) -> bytes:
        import aiohttp

        try:
            client = self._here()
            async with client.request(method, url, proxy=find_proxy(url), allow_redirects=False, **given) as response:
                raw = await _read(response)
                status, headers = response.status, response.headers
        except (OSError, ValueError, aiohttp.ClientError) as error:
            raise read_break(self.endpoint, error, TIMEOUT) from None
        if 200 <= status < 300:
            return raw
        if status == 404 and method == "GET":
            raise _Nothing
        raise self._failure(status, headers, raw)

    def _failure(self, status: int, headers: Mapping[str, str], raw: bytes) -> Exception:
        return read_failure(self.endpoint, status, headers, read_api_error(raw))

    def _here(self) -> Any:
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            self._client, self._loop = open_client(self.endpoint, TIMEOUT), loop
        return self._client

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()


async def _read(response: Any) -> bytes:
    """Return a body, all answers of a batch where they stand inline; raises `RetryableError` for over 256 MiB."""
    parts, size = list[bytes](), 0
    async for chunk in response.content.iter_chunked(_CHUNK):
        size += len(chunk)
        if size > MOST_STREAMED:
            raise too_big("an answer", MOST_STREAMED)
        parts.append(chunk)
    return b"".join(parts)


class _Nothing(Exception):
    """There is nothing at an address."""


def _object(raw: bytes) -> dict[str, Any]:
    try:
        value = read_json(raw) if raw.strip() else {}
    except msgspec.DecodeError:
        raise RetryableError("an answer that cannot be read") from None
    return value if isinstance(value, dict) else {}
