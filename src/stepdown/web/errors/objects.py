"""Errors as programs read them: who is a program, and OpenAI's error object for it."""

from collections.abc import Mapping

import msgspec
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import Scope

_CODES = {
    401: "invalid_api_key",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    413: "request_too_large",
    421: "misdirected_request",
    429: "rate_limit_exceeded",
}


def is_endpoint(scope: Scope) -> bool:
    """Whether a request came to the endpoint, `/v1`."""
    path: str = scope["path"]
    return path == "/v1" or path.startswith("/v1/")


def is_program(scope: Scope) -> bool:
    """Whether a program asks, not a person: at `/v1`, or at a page by one that reads JSON and no HTML."""
    accepted = Headers(scope=scope).get("accept", "").lower()
    return is_endpoint(scope) or ("application/json" in accepted and "text/html" not in accepted)


def error_body(status: int, what: str, *, code: str = "") -> bytes:
    """Return OpenAI's error object as JSON."""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    fields = {"message": what, "type": kind, "param": None, "code": code or _CODES.get(status)}
    return msgspec.json.encode({"error": fields})


def error_object(status: int, what: str, headers: Mapping[str, str] | None = None, *, code: str = "") -> Response:
    """Return OpenAI's error object as an answer."""
    return Response(error_body(status, what, code=code), status, headers, "application/json")


def bare(scope: Scope, status: int, what: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer that tells nothing of this server, for who may not be who they seem."""
    if is_program(scope):
        return error_object(status, what, headers)
    return PlainTextResponse(what + "\n", status_code=status, headers=headers)
