"""An OpenAI-compatible endpoint, under `/v1`: any client of OpenAI's can use a method as if it were a model."""

from collections.abc import Awaitable, Callable
from uuid import uuid4

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from stepdown.errors import StepdownError
from stepdown.text import json_line
from stepdown.web.openai.completions import ANSWER, Exchange
from stepdown.web.openai.errors import Refusal, Wrong, busy, failed
from stepdown.web.openai.requests import ParsedRequest, read_request
from stepdown.web.openai.sending import Stream, answer_whole
from stepdown.web.openai.served import ServedModel, find_served, make_served, names_in
from stepdown.web.security.guards import plain_id
from stepdown.web.state import State

MOST_AT_ONCE = 1000
MOST_SERVED = 500
EVERY = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


class Service:
    """What the endpoint holds while the server runs: served models that were asked for, and how many requests."""

    def __init__(self, state: State, *, most: int = MOST_AT_ONCE) -> None:
        self.state, self.most, self.under_way = state, most, 0
        self._models: dict[str, ServedModel] = {}

    def model(self, name: str) -> ServedModel:
        """Return a served model, made once. Raises `Refusal` (404)."""
        if name not in self._models:
            if len(self._models) >= MOST_SERVED:
                self._models.pop(next(iter(self._models)))
            self._models[name] = make_served(name, self.state)
        return self._models[name]


def service_of(request: Request) -> Service:
    """Return the service of an application."""
    service: Service = request.app.state.service
    return service


def identities(request: Request) -> tuple[str, str]:
    """Return the request's id, the client's own if it is plain, and the trace's, which no other request has."""
    own, given = uuid4().hex, plain_id(request.headers)
    return (given, f"{given}-{own[:8]}") if given else (own, own)


class Completions:
    """`POST /chat/completions`."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whole or streamed."""
        request = Request(scope, receive)
        service, (identity, trace) = service_of(request), identities(request)
        headers = {"x-request-id": identity}
        try:
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
            wanted = read_request(await _body(request), request.headers.get(ANSWER, ""))
            exchange = begin(service, wanted, trace)
            headers = {**headers, **exchange.link}
            if wanted.stream:
                await Stream(exchange, trace, headers, send).run(request.receive)
                return None
            response = await answer_whole(exchange, trace, request.receive)
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


class Offered(msgspec.Struct, frozen=True):
    """A model as OpenAI lists it."""

    id: str
    created: int
    object: str = "model"
    owned_by: str = "stepdown"


async def offered(state: State) -> list[Offered]:
    """Return the names of `stepdown.toml`, then those that runs of the store could be served by."""
    named = [Offered(name, 0) for name in state.config.models]
    return named + [Offered(name, created) for name, created in await state.read(names_in)]


async def models(request: Request) -> Response:
    """`GET /models`."""
    try:
        listed = await offered(service_of(request).state)
    except StepdownError as error:
        return failed(error).response()
    return _json({"object": "list", "data": listed})


async def model(request: Request) -> Response:
    """`GET /models/{id}`: a model that could be asked, whether it is listed or not."""
    name = request.path_params["id"]
    try:
        find_served(name, service_of(request).state.config)
    except Refusal as refusal:
        return refusal.response()
    return _json(Offered(name, 0))


async def nothing(request: Request) -> Response:
    """Any other address."""
    message = "this server answers GET /v1/models, GET /v1/models/ID and POST /v1/chat/completions"
    return Refusal(404, Wrong(message, code="unknown_url")).response()


def only(method: str) -> Callable[[Request], Awaitable[Response]]:
    """Return what answers an address that is asked by another method than the one it has."""

    async def refuse(request: Request) -> Response:
        wrong = Wrong(f"use {method} for this address", code="method_not_allowed")
        return Refusal(405, wrong, {"allow": method}).response()

    return refuse


def _json(value: object) -> Response:
    return Response(json_line(value), media_type="application/json")


ROUTES: list[BaseRoute] = [
    Route("/chat/completions", Completions(), methods=["POST"]),
    Route("/models", models),
    Route("/models/{id:path}", model),
    Route("/chat/completions", only("POST"), methods=EVERY),
    Route("/models", only("GET"), methods=EVERY),
    Route("/models/{id:path}", only("GET"), methods=EVERY),
    Route("/{rest:path}", nothing, methods=EVERY),
]
__all__ = ["ROUTES", "Service"]
