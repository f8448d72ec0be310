"""Models behind any OpenAI-compatible endpoint: chat or plain completions, whole or streamed."""

import asyncio
from collections.abc import AsyncGenerator
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from stepdown.errors import CallFailed, EndpointRefused
from stepdown.models.delays import Delay
from stepdown.models.endpoints import Endpoint, join_address
from stepdown.models.limits import Fault, Limits
from stepdown.models.refusals import find_unwelcome, read_error, read_failure
from stepdown.models.streams import Gathering, read_events
from stepdown.models.wire import (
    Answer,
    ask_stream,
    decode_answer,
    decode_models,
    encode_body,
    make_body,
    read_replies,
)
from stepdown.types import Messages, Reply, Sampling, Unseen

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

TIMEOUT = 600.0
_CONNECT_TIMEOUT = 15.0
_ADAPTATIONS = 7


class ChatModel:
    """A model behind an endpoint, asked over kept-alive connections within the endpoint's limits.

    `timeout` is in seconds per request. What the endpoint refuses to be told (`n`, `temperature`,
    `max_tokens` under that name...) is left out from then on and kept in `refused`. One event loop
    uses it at a time; another one may follow, and `close` may be followed by more replies.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        concurrency: int | None = None,
        timeout: float = TIMEOUT,
        logprobs: bool = False,
        limits: Limits | None = None,
    ) -> None:
        self.endpoint, self.name, self.source = endpoint, endpoint.name, endpoint.source
        self.local = endpoint.local
        self.limits = limits or Limits(endpoint.name, concurrency=concurrency)
        self.refused: frozenset[str] = frozenset()
        self._timeout, self._logprobs = timeout, logprobs
        self._session: ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._proxy: str | None = None

    def __repr__(self) -> str:
        return f"ChatModel(name={self.name!r}, source={self.source!r})"

    @property
    def width(self) -> int:
        """How many calls the endpoint may have at once now."""
        return self.limits.width

    @property
    def delay(self) -> Delay | None:
        """What keeps calls waiting now; None since the endpoint's last answer."""
        return self.limits.delay

    async def reply(self, messages: Messages, sampling: Sampling, n: int = 1) -> list[Reply]:
        """Return up to n replies, at least one: as many as the endpoint gives in one request.

        Raises `CallFailed` when this call is given up, `EndpointRefused` when every call would fail.
        """
        at_once = 1 if "n" in self.refused else n
        replies = await self.limits.call(partial(self._attempt, messages, sampling, at_once))
        if len(replies) < at_once:
            self.refused |= {"n"}
        return replies[:n]

    async def _attempt(self, messages: Messages, sampling: Sampling, n: int) -> list[Reply]:
        import aiohttp

        started = perf_counter()
        response = await self._open(messages, sampling, n)
        try:
            raw = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._read_break(error) from None
        return read_replies(self._decode(raw), self.endpoint.model, perf_counter() - started)

    async def _open(
        self, messages: Messages, sampling: Sampling, n: int = 1, *, stream: bool = False
    ) -> "ClientResponse":
        """Return a response of status 200 whose body is still to be read."""
        import aiohttp

        session = await self._session_here()
        for _ in range(_ADAPTATIONS):
            body = make_body(self.endpoint, messages, sampling, n=n, refused=self.refused)
            if self._logprobs and "logprobs" not in self.refused:
                body.logprobs = 1 if self.endpoint.plain else True
            if stream:
                ask_stream(body, self.refused)
            try:
                response = await session.post(
                    self.endpoint.url, data=encode_body(body), allow_redirects=False, proxy=self._proxy
                )
                if response.status == 200:
                    return response
                raw = await response.read()
            except (aiohttp.ClientError, TimeoutError) as error:
                raise self._read_break(error) from None
            field = find_unwelcome(response.status, raw, body)
            if not field:
                break
            self.refused |= {field}
        raise read_failure(self.endpoint, response.status, response.headers, raw)

    def _decode(self, raw: bytes) -> Answer:
        try:
            answer = decode_answer(raw)
        except msgspec.DecodeError as error:
            if raw.lstrip()[:1] == b"<":
                raise Fault("200 with a web page in place of JSON", mark="html") from None
            raise Fault(f"malformed JSON in the reply ({error})") from None
        if answer.error:
            raise read_error(self.endpoint, answer.error)
        if not answer.choices:
            raise Fault("a reply with no choices")
        if any(choice.finish_reason == "error" for choice in answer.choices):
            raise Fault("a reply that ended in an error")
        return answer

    def _read_break(self, error: Exception) -> Exception:
        """Return what a connection that could not be made or broke means."""
        import aiohttp

        at = f"`{self.source}`"
        hint = self.endpoint.start or "start the server, or mend the address"
        if isinstance(error, aiohttp.ClientSSLError):
            return EndpointRefused(f"the certificate of {at} is not accepted", "mend the address or the certificate")
        if isinstance(error, aiohttp.ClientConnectorDNSError):
            return Fault(f"no address is known for {at}", kind="unreachable", hint=hint)
        if isinstance(error, aiohttp.ClientConnectorError):
            return Fault(f"nothing listens at {at}", kind="unreachable", hint=hint)
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return Fault(f"no connection to {at} within {_CONNECT_TIMEOUT:g} s", kind="unreachable", hint=hint)
        if isinstance(error, TimeoutError):
            return Fault(f"no reply within {self._timeout:g} s", kind="silent")
        if isinstance(error, aiohttp.ClientPayloadError):
            return Fault("the body of the reply was cut off")
        if isinstance(error, aiohttp.InvalidURL):
            return EndpointRefused(f"{at} is no address", "mend the base URL")
        return Fault(f"the connection was dropped ({type(error).__name__})")

    async def _session_here(self) -> "ClientSession":
        loop = asyncio.get_running_loop()
        if self._session is not None and self._loop is loop and not self._session.closed:
            return self._session
        if self._session is not None and self._loop is not None and self._loop.is_closed():
            await self._session.close()
        self._loop, self._session, self._proxy = loop, self._open_session(), find_proxy(self.endpoint.url)
        return self._session

    def _open_session(self) -> "ClientSession":
        import aiohttp

        headers = {"Content-Type": "application/json", "User-Agent": "stepdown"}
        if self.endpoint.key:
            scheme = "Bearer " if self.endpoint.key_header == "Authorization" else ""
            headers[self.endpoint.key_header] = scheme + self.endpoint.key.reveal()
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self._timeout, sock_connect=_CONNECT_TIMEOUT),
            headers=headers,
        )

    async def stream(self, messages: Messages, sampling: Sampling) -> AsyncGenerator[str | Unseen | Reply, None]:
        """Yield the text piece by piece, what came together as one piece, then the whole `Reply`.

        A `<think>` block in front is in the reply only; `Unseen` tells its size, as of other thoughts, and comes once
        when the stream is opened. Opening is retried within the limits; a stream that breaks after that raises
        `CallFailed`.
        """
        import aiohttp

        started = perf_counter()
        response = await self.limits.call(partial(self._open, messages, sampling, stream=True))
        gathering, said = Gathering(), 0
        try:
            yield Unseen()
            async for events in read_events(response.content.iter_any()):
                before = gathering.hidden
                if piece := "".join(map(gathering.add, events)):
                    said += len(piece)
                    yield piece
                if gathering.hidden > before:
                    yield Unseen(gathering.hidden - before)
        except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError) as error:
            raise CallFailed(f"the stream of `{self.name}` broke: {type(error).__name__}", "ask again") from None
        finally:
            response.close()
        if gathering.error:
            raise _as_failure(read_error(self.endpoint, gathering.error), self.name)
        if not gathering.finished:
            raise CallFailed(f"the stream of `{self.name}` ended early", "ask again")
        [reply] = read_replies(gathering.whole(), self.endpoint.model, perf_counter() - started)
        if rest := reply.text[said:]:
            yield rest
        yield reply

    async def models(self) -> list[str]:
        """Return the names of the models the endpoint offers; raises as `reply` does, after one attempt."""
        import aiohttp

        session = await self._session_here()
        try:
            async with session.get(join_address(self.endpoint.base, "/models"), proxy=self._proxy) as response:
                raw = await response.read()
            if response.status != 200:
                raise read_failure(self.endpoint, response.status, response.headers, raw)
            return decode_models(raw)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _as_refusal(self._read_break(error)) from None
        except Fault as fault:
            raise _as_refusal(fault) from None
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise EndpointRefused(f"`{self.source}` does not list its models", "name one yourself") from None

    async def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


def _as_refusal(failure: Exception) -> Exception:
    return EndpointRefused(failure.reason, failure.hint) if isinstance(failure, Fault) else failure


def _as_failure(failure: Exception, name: str) -> Exception:
    """Return what ends a stream that has begun, which nothing may ask again."""
    if isinstance(failure, Fault):
        return CallFailed(f"the stream of `{name}` ended in an error: {failure.reason}", "ask again")
    return failure


def find_proxy(address: str) -> str | None:
    """Return the proxy the environment names for an address (`HTTPS_PROXY`, `NO_PROXY`); none for this machine."""
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(address)
    host = parts.hostname or ""
    if host in {"localhost", "::1"} or host.startswith("127.") or proxy_bypass(host):
        return None
    return getproxies().get(parts.scheme)
