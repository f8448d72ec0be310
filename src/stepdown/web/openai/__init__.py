"""An OpenAI-compatible endpoint, under `/v1`: any client of OpenAI's can use a method as if it were a model."""

from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from uuid import uuid4

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from stepdown.web.openai.chunks import ChatShape
from stepdown.web.openai.completions import ANSWER, Exchange
from stepdown.web.openai.errors import Refusal, Wrong, busy
from stepdown.web.openai.model_list import model, models
from stepdown.web.openai.requests import ParsedRequest
from stepdown.web.openai.response_answers import ResponseShape
from stepdown.web.openai.sending import Stream, answer_whole
from stepdown.web.openai.service import Service, service_of
from stepdown.web.openai.shapes import ClientShape
from stepdown.web.openai.text_completions import TextShape
from stepdown.web.security.guards import plain_id

EVERY = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def identities(request: Request) -> tuple[str, str]:
    """Return the request's id, the client's own if it is plain, and the trace's, which no other request has."""
    own, given = uuid4().hex, plain_id(request.headers)
    return (given, f"{given}-{own[:8]}") if given else (own, own)


class Completions:
    """What answers requests for a completion in one shape."""

    def __init__(self, shape: ClientShape) -> None:
        self.shape = shape

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whole or streamed."""
        request = Request(scope, receive)
        service, (identity, trace) = service_of(request), identities(request)
        headers = {"x-request-id": identity}
        spans = service.state.calls.spans
        try:
            with spans.within(request.headers) if spans else nullcontext():
                response = await self._answer(request, service, trace, headers, send)
        except Refusal as refusal:
            response = refusal.response(headers)
        except ClientDisconnect:
            return
        if response is not None:
            await response(scope, receive, send)

    async def _answer(
        self, request: Request, service: Service, trace: str, headers: dict[str, str], send: Send
    ) -> Response | None:
        if service.under_way >= service.most:
            raise busy(service.most)
        service.under_way += 1
        try:
            wanted = self.shape.read(await _body(request), request.headers.get(ANSWER, ""))
            exchange = begin(service, wanted, trace)
            headers = {**headers, **exchange.link}
            if wanted.stream:
                await Stream(self.shape, exchange, trace, headers, send).run(request.receive)
                return None
            response = await answer_whole(self.shape, exchange, trace, request.receive)
        finally:
            service.under_way -= 1
        if response is not None:
            response.headers.update(headers)
        return response


async def _body(request: Request) -> bytes:
    packed = request.headers.get("content-encoding", "identity").lower()
    if packed != "identity":
        raise Refusal(415, Wrong(f"content encoding `{packed[:40]}` is not supported; send the body uncompressed"))
    return await request.body()


def begin(service: Service, wanted: ParsedRequest, trace: str) -> Exchange:
    """Return the exchange of a request. Raises `Refusal` for one that cannot be right."""
    exchange = Exchange(service.state, service.model(wanted.model), wanted, trace)
    exchange.check()
    return exchange


async def nothing(request: Request) -> Response:
    """Any other address."""
    posts = ", ".join(f"POST /v1{shape.path}" for shape in SHAPES)
    message = f"this server answers GET /v1/models, GET /v1/models/ID, {posts}"
    return Refusal(404, Wrong(message, code="unknown_url")).response()


def only(method: str) -> Callable[[Request], Awaitable[Response]]:
    """Return what answers an address that is asked by another method than the one it has."""

    async def refuse(request: Request) -> Response:
        wrong = Wrong(f"use {method} for this address", code="method_not_allowed")
        return Refusal(405, wrong, {"allow": method}).response()

    return refuse


SHAPES: tuple[ClientShape, ...] = (ChatShape(), TextShape(), ResponseShape())
ROUTES: list[BaseRoute] = [
    *(Route(shape.path, Completions(shape), methods=["POST"]) for shape in SHAPES),
    Route("/models", models),
    Route("/models/{id:path}", model),
    *(Route(shape.path, only("POST"), methods=EVERY) for shape in SHAPES),
    Route("/models", only("GET"), methods=EVERY),
    Route("/models/{id:path}", only("GET"), methods=EVERY),
    Route("/{rest:path}", nothing, methods=EVERY),
]
__all__ = ["ROUTES", "Service"]
