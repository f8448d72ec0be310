"""Models behind any OpenAI-compatible endpoint: chat or plain completions, whole or streamed."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import suppress
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, TypeVar

import msgspec

from stepdown.errors import CallFailed, EndpointRefused
from stepdown.models.http.api_errors import read_api_error
from stepdown.models.http.bodies import read_body, stream_body
from stepdown.models.http.connections import find_proxy, open_session, read_break
from stepdown.models.http.endpoints import Endpoint, join_address
from stepdown.models.http.http_errors import read_failure
from stepdown.models.http.limits import Fault, Limits
from stepdown.models.http.outcomes import Unwelcome, close_stream, foreign, judge, read_refusal
from stepdown.models.http.streaming import Gathering, read_events
from stepdown.models.http.wire import Answer, Body, ask_stream, decode_models, encode_body, make_body, read_replies
from stepdown.models.stop_strings import complete_up_to
from stepdown.types import Backoff, Capabilities, HiddenProgress, Messages, Reply, Sampling

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

T = TypeVar("T")

TIMEOUT = 600.0
_ADAPTATIONS = 9
# Seconds for what follows the end of a stream's text: the usage, and the last word.
_LINGER, _LAST = 15.0, 0.5


class EndpointModel:
    """A model behind an endpoint, asked over kept-alive connections within the endpoint's limits.

    `timeout` is in seconds per request. What the endpoint refuses to be told (`n`, `temperature`, `max_tokens` under
    that name, a system line...) is left out or said otherwise from then on and kept in `refused`. One event loop uses
    it at a time; another one may follow, and `close` may be followed by more replies.
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
        self.endpoint, self.name = endpoint, endpoint.name
        self.capabilities = Capabilities(
            source=endpoint.source, local=endpoint.local, completes=endpoint.plain, streams=True, connects=True
        )
        self.limits = limits or Limits(endpoint.name, concurrency=concurrency)
        self.refused: frozenset[str] = frozenset()
        self._timeout, self._logprobs = timeout, logprobs
        self._session: ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._proxy: str | None = None

    def __repr__(self) -> str:
        return f"ChatModel(name={self.name!r}, source={self.endpoint.source!r})"

    @property
    def width(self) -> int:
        """How many calls the endpoint may have at once now."""
        return self.limits.width

    @property
    def backoff(self) -> Backoff | None:
        """What keeps calls waiting now; None since the endpoint's last answer."""
        return self.limits.backoff

    async def prepare(self) -> None:
        """Do nothing; the first call connects."""

    async def reply(self, messages: Messages, sampling: Sampling, n: int = 1) -> list[Reply]:
        """Return up to n replies, at least one: as many as the endpoint gives in one request.

        Raises `CallFailed` when this call is given up, `EndpointRefused` when every call would fail.
        """
        at_once = 1 if "n" in self.refused else n
        return await self.limits.call(partial(self._attempt, messages, sampling, at_once))

    async def _attempt(self, messages: Messages, sampling: Sampling, n: int) -> list[Reply]:
        return await self._adapting(partial(self._ask_once, messages, sampling, n))

    async def _ask_once(self, messages: Messages, sampling: Sampling, n: int) -> list[Reply]:
        started = perf_counter()
        body = self._body(messages, sampling, n)
        response = await self._post(body)
        raw, broken = await read_body(response)
        with foreign("a reply"):
            cut = broken and self._read_break(broken)
            answer, offered = judge(self.endpoint, raw, response.headers, body, cut)
            if offered < body.n:
                self.refused |= {"n"}
            return read_replies(answer, self.endpoint.model, perf_counter() - started, sampling, n)

    async def _adapting(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Return what a request brings, made again without what the endpoint refuses to be told."""
        for _ in range(_ADAPTATIONS):
            try:
                return await ask()
            except Unwelcome as unwelcome:
                self.refused |= {unwelcome.field}
                failure = unwelcome.failure
        raise failure

    def _body(self, messages: Messages, sampling: Sampling, n: int = 1, *, stream: bool = False) -> Body:
        body = make_body(self.endpoint, messages, sampling, n=n, refused=self.refused)
        if self._logprobs and "logprobs" not in self.refused:
            body.logprobs = 1 if self.endpoint.plain else True
        if stream:
            ask_stream(body, self.refused)
        return body

    async def _open(self, messages: Messages, sampling: Sampling) -> "ClientResponse":
        """Return the response of a stream that is still to be read."""
        return await self._adapting(lambda: self._post(self._body(messages, sampling, stream=True)))

    async def _post(self, body: Body) -> "ClientResponse":
        """Return a response of a good status whose body is still to be read."""
        import aiohttp

        session = await self._session_here()
        try:
            response = await session.post(
                self.endpoint.url, data=encode_body(body), allow_redirects=False, proxy=self._proxy
            )
        except (OSError, ValueError, aiohttp.ClientError) as error:
            raise self._read_break(error) from None
        if 200 <= response.status < 300:
            return response
        raw, _ = await read_body(response)
        with foreign(f"a refusal ({response.status})"):
            raise read_refusal(self.endpoint, response.status, response.headers, read_api_error(raw), body)

    def _read_break(self, error: Exception) -> Exception:
        return read_break(self.endpoint, error, self._timeout)

    async def _session_here(self) -> "ClientSession":
        loop = asyncio.get_running_loop()
        if self._session is not None and self._loop is loop and not self._session.closed:
            return self._session
        if self._session is not None and self._loop is not None and self._loop.is_closed():
            await self._session.close()
        self._proxy = find_proxy(self.endpoint.url)
        self._loop, self._session = loop, open_session(self.endpoint, self._timeout)
        return self._session

    async def stream(
        self, messages: Messages, sampling: Sampling
    ) -> AsyncGenerator[str | HiddenProgress | Reply, None]:
        """Yield the text piece by piece, what came together as one piece, then the whole `Reply`.

        A `<think>` block in front is in the reply only; `HiddenProgress` has its size, as of other thoughts, and comes
        once when the stream is opened. Opening is retried within the limits; a stream that breaks after that raises
        `CallFailed`.
        """
        started = perf_counter()
        response = await self.limits.call(partial(self._open, messages, sampling))
        gathering, shown, said = Gathering(), "", 0
        try:
            yield HiddenProgress()
            async for events in self._events(response, gathering):
                before = gathering.hidden
                shown += "".join(map(gathering.add, events))
                end = complete_up_to(shown, sampling.stop) if sampling.stop else len(shown)
                if piece := shown[said:end]:
                    said = end
                    yield piece
                if gathering.hidden > before:
                    yield HiddenProgress(gathering.hidden - before)
        finally:
            response.close()
        answer = close_stream(self.endpoint, gathering, response.headers)
        [reply] = read_replies(answer, self.endpoint.model, perf_counter() - started, sampling)
        if rest := reply.text[said:]:
            yield rest
        yield reply

    async def _events(self, response: "ClientResponse", gathering: Gathering) -> AsyncIterator[list[Answer | None]]:
        """Yield a stream's events; what breaks after its text has ended is nothing to the reply."""
        import aiohttp

        events, size, until = read_events(stream_body(response)), 0, None
        clock = asyncio.get_running_loop().time
        try:
            while True:
                async with asyncio.timeout_at(until):
                    found = await anext(events)
                yield found
                if gathering.finished and (until is None or gathering.size > size):
                    size, until = gathering.size, clock() + _LINGER
        except StopAsyncIteration:
            with suppress(OSError, ValueError, aiohttp.ClientError):
                # The end of the body lets the connection be used again.
                await asyncio.wait_for(response.content.readany(), _LAST)
        except (OSError, ValueError, aiohttp.ClientError, Fault) as error:
            if not gathering.finished:
                reason = error.reason if isinstance(error, Fault) else type(error).__name__
                raise CallFailed(f"the stream of `{self.name}` broke: {reason}", "ask again") from None

    async def models(self) -> list[str]:
        """Return the names of the models the endpoint offers; raises as `reply` does, after one attempt."""
        import aiohttp

        session = await self._session_here()
        try:
            async with session.get(join_address(self.endpoint.base, "/models"), proxy=self._proxy) as response:
                raw, broken = await read_body(response)
                if broken is not None:
                    raise broken
                if response.status != 200:
                    raise read_failure(self.endpoint, response.status, response.headers, read_api_error(raw))
            return decode_models(raw)
        except Fault as fault:
            raise EndpointRefused(fault.reason, fault.hint) from None
        except msgspec.DecodeError:
            raise EndpointRefused(f"`{self.endpoint.source}` does not list its models", "name one yourself") from None
        except (OSError, ValueError, aiohttp.ClientError) as error:
            failure = self._read_break(error)
            raise (EndpointRefused(failure.reason, failure.hint) if isinstance(failure, Fault) else failure) from None

    async def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()
