"""Models behind endpoints of any dialect, whole or streamed."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from functools import partial
from time import perf_counter
from typing import TypeVar

import msgspec

from stepdown.errors import CallFailed, EndpointRefused
from stepdown.models.http.api_errors import read_api_error
from stepdown.models.http.bodies import read_body, stream_body
from stepdown.models.http.connections import HttpResponse, HttpSession, open_session, read_break
from stepdown.models.http.dialects.dialect import Answer, CompletionRequest
from stepdown.models.http.endpoints import Endpoint
from stepdown.models.http.http_errors import read_failure
from stepdown.models.http.limits import Limits, RetryableError
from stepdown.models.http.lost_replies import report_break
from stepdown.models.http.outcomes import FieldRefused, close_stream, read_answer, read_refusal, reading_answer
from stepdown.models.http.replies import read_replies
from stepdown.models.http.streaming import StreamedReply, read_events
from stepdown.models.stop_strings import complete_up_to
from stepdown.types import Backoff, Capabilities, HiddenProgress, Messages, Reply, Sampling, ToolCallPiece

T = TypeVar("T")

TIMEOUT = 600.0
_ADAPTATIONS = 9
# How servers answer that have no list of models.
_LISTS_NONE = {501}
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
            source=endpoint.source,
            local=endpoint.local,
            completes=endpoint.dialect.completes,
            streams=True,
            connects=True,
            takes=endpoint.dialect.takes,
        )
        self.limits = limits or Limits(endpoint.name, concurrency=concurrency)
        self.refused: frozenset[str] = frozenset()
        self._timeout, self._logprobs = timeout, logprobs
        self._session: HttpSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def __repr__(self) -> str:
        return f"ChatModel(name={self.name!r}, source={self.endpoint.source!r})"

    @property
    def asks_logprobs(self) -> bool:
        """Whether log-probabilities are asked for."""
        return self._logprobs

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
        return await self.limits.call(partial(self.attempt, messages, sampling, n))

    async def attempt(self, messages: Messages, sampling: Sampling, n: int = 1) -> list[Reply]:
        """Return what one attempt brings, outside the limits; raises `RetryableError` where another may succeed."""
        many = "n" in self.endpoint.dialect.refusable and "n" not in self.refused
        return await self._adapting(partial(self._ask_once, messages, sampling, n if many else 1))

    async def _ask_once(self, messages: Messages, sampling: Sampling, n: int) -> list[Reply]:
        started = perf_counter()
        request = self._request(messages, sampling, n)
        response = await self._post(request)
        try:
            raw, broken = await read_body(response)
        except asyncio.CancelledError as ended:
            report_break(ended, request.n)
            raise
        with reading_answer("a reply"):
            cut = broken and self._read_break(broken)
            answer, offered = read_answer(self.endpoint, raw, response.headers, request, cut)
            if offered < request.n:
                self.refused |= {"n"}
            return read_replies(answer, self.endpoint.model, perf_counter() - started, sampling, n)

    async def _adapting(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Return what a request brings, made again without what the endpoint refuses to be told."""
        for _ in range(_ADAPTATIONS):
            try:
                return await ask()
            except FieldRefused as refused:
                self.refused |= {refused.field}
                failure = refused.failure
        raise failure

    def _request(
        self, messages: Messages, sampling: Sampling, n: int = 1, *, stream: bool = False
    ) -> CompletionRequest:
        return CompletionRequest(
            model=self.endpoint.model,
            messages=messages,
            sampling=sampling,
            n=1 if "n" in self.refused else n,
            stream=stream,
            logprobs=self._logprobs,
            refused=self.refused,
        )

    async def open_stream(self, messages: Messages, sampling: Sampling) -> HttpResponse:
        """Return the response of a stream that is still to be read, by one attempt outside the limits."""
        return await self._adapting(lambda: self._post(self._request(messages, sampling, stream=True)))

    async def _post(self, request: CompletionRequest) -> HttpResponse:
        """Return a response of a good status whose body is still to be read."""
        import aiohttp

        session, endpoint = await self._session_here(), self.endpoint
        url = endpoint.dialect.address(endpoint.base, endpoint.model, stream=request.stream)
        body = endpoint.dialect.encode(request)
        try:
            response = await session.post(url, body)
        except asyncio.CancelledError as ended:
            report_break(ended, request.n)
            raise
        except (OSError, ValueError, aiohttp.ClientError) as error:
            failure = self._read_break(error)
            report_break(failure, request.n)
            raise failure from None
        if 200 <= response.status < 300:
            return response
        raw, _ = await read_body(response)
        with reading_answer(f"a refusal ({response.status})"):
            raise read_refusal(endpoint, response.status, response.headers, read_api_error(raw), request)

    def _read_break(self, error: Exception) -> Exception:
        return read_break(self.endpoint, error, self._timeout)

    async def _session_here(self) -> HttpSession:
        loop = asyncio.get_running_loop()
        if self._session is not None and self._loop is loop and not self._session.closed:
            return self._session
        if self._session is not None and self._loop is not None and self._loop.is_closed():
            await self._session.close()
        self._loop, self._session = loop, open_session(self.endpoint, self._timeout)
        return self._session

    async def stream(
        self, messages: Messages, sampling: Sampling
    ) -> AsyncGenerator[str | HiddenProgress | ToolCallPiece | Reply, None]:
        """Yield the text piece by piece, what came together as one piece, calls of tools, then the whole `Reply`.

        A `<think>` block in front is in the reply only; `HiddenProgress` has its size, as of other thoughts, and comes
        once when the stream is opened. Opening is retried within the limits; a stream that breaks after that raises
        `CallFailed`.
        """
        started = perf_counter()
        response = await self.limits.call(partial(self.open_stream, messages, sampling))
        async with aclosing(self.read_stream(response, sampling, started)) as pieces:
            async for piece in pieces:
                yield piece

    async def read_stream(
        self, response: HttpResponse, sampling: Sampling, started: float
    ) -> AsyncGenerator[str | HiddenProgress | ToolCallPiece | Reply, None]:
        """Yield what `stream` does of a response that is open since `started` (by `perf_counter`)."""
        streamed, text, sent = StreamedReply(), "", 0
        try:
            yield HiddenProgress()
            async for events in self._events(response, streamed):
                before, known = streamed.hidden, len(streamed.tool_calls)
                text += "".join(map(streamed.add, events))
                end = complete_up_to(text, sampling.stop) if sampling.stop else len(text)
                if piece := text[sent:end]:
                    sent = end
                    yield piece
                for call in streamed.tool_calls[known:]:
                    yield call
                if streamed.hidden > before:
                    yield HiddenProgress(streamed.hidden - before)
        finally:
            response.close()
        answer = close_stream(self.endpoint, streamed, response.headers)
        [reply] = read_replies(answer, self.endpoint.model, perf_counter() - started, sampling)
        if rest := reply.text[sent:]:
            yield rest
        yield reply

    async def _events(self, response: HttpResponse, reply: StreamedReply) -> AsyncIterator[list[Answer]]:
        """Yield a stream's events; what breaks after its text has ended is nothing to the reply."""
        import aiohttp

        decode = self.endpoint.dialect.event_decoder()
        events, size, until = read_events(stream_body(response), decode), 0, None
        clock = asyncio.get_running_loop().time
        try:
            while True:
                async with asyncio.timeout_at(until):
                    found = await anext(events)
                yield found
                if reply.finished and (until is None or reply.size > size):
                    size, until = reply.size, clock() + _LINGER
        except StopAsyncIteration:
            with suppress(OSError, ValueError, aiohttp.ClientError):
                # The end of the body lets the connection be used again.
                await asyncio.wait_for(response.read(), _LAST)
        except (OSError, ValueError, aiohttp.ClientError, RetryableError) as error:
            if not reply.finished:
                reason = error.reason if isinstance(error, RetryableError) else type(error).__name__
                raise CallFailed(f"the stream of `{self.name}` broke: {reason}", "ask again") from None

    async def models(self) -> list[str]:
        """Return the names of the models the endpoint offers; raises as `reply` does, after one attempt."""
        try:
            status, headers, raw = await self._get_models()
            if status != 200:
                raise read_failure(self.endpoint, status, headers, read_api_error(raw))
            return self.endpoint.dialect.decode_models(raw)
        except RetryableError as fault:
            raise EndpointRefused(fault.reason, fault.hint) from None
        except msgspec.DecodeError:
            raise EndpointRefused(f"`{self.endpoint.source}` does not list its models", "name one yourself") from None

    async def probe(self) -> list[str] | None:
        """Return the names of the models the endpoint offers, None where it answers and does not say.

        Raises `RetryableError` where it does not answer now, `EndpointRefused` where it cannot be reached at its
        address.
        """
        status, headers, raw = await self._get_models()
        if status == 200:
            with suppress(msgspec.DecodeError):
                return self.endpoint.dialect.decode_models(raw)
            return None
        failure = read_failure(self.endpoint, status, headers, read_api_error(raw))
        # Whoever may not list the models, or has no such list, may be asked all the same.
        if isinstance(failure, RetryableError) and status not in _LISTS_NONE:
            raise failure
        return None

    async def _get_models(self) -> tuple[int, Mapping[str, str], bytes]:
        """Return status, headers and body of the list of models; raises `RetryableError` where none comes."""
        import aiohttp

        session = await self._session_here()
        url = self.endpoint.dialect.models_address(self.endpoint.base)
        try:
            response = await session.get(url)
            raw, broken = await read_body(response)
            if broken is not None:
                raise broken
            return response.status, response.headers, raw
        except (OSError, ValueError, aiohttp.ClientError) as error:
            raise self._read_break(error) from None

    async def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()
