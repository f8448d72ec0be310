"""OpenAI's error objects: what was wrong, in the words and with the status its clients know."""

from collections.abc import Mapping

import msgspec
from starlette.responses import Response

from stepdown.errors import (
    BudgetReached,
    CallFailed,
    EndpointRefused,
    PromptTooLong,
    StepdownError,
    StoreError,
    UsageError,
)
from stepdown.text import json_line
from stepdown.web.security.scrubbing import scrub

RETRY_AFTER = {"Retry-After": "1"}
# The official clients ask again after any 429 and 5xx, unless the answer says that it would be no use.
NO_RETRY = {"x-should-retry": "false"}


class Wrong(msgspec.Struct, frozen=True):
    """The inside of an error object; `param` names the field of the request that is at fault."""

    message: str
    type: str = "invalid_request_error"
    param: str | None = None
    code: str | None = None


class Enveloped(msgspec.Struct, frozen=True):
    """An error object as it is sent."""

    error: Wrong


class Refusal(Exception):
    """A request that is not answered: the status and error object to send instead."""

    def __init__(self, status: int, wrong: Wrong, headers: Mapping[str, str] | None = None) -> None:
        self.status, self.wrong, self.headers = status, wrong, dict(headers or {})
        super().__init__(wrong.message)

    def response(self, headers: Mapping[str, str] | None = None) -> Response:
        """Return the answer that says so."""
        return Response(self.body(), self.status, {**self.headers, **(headers or {})}, "application/json")

    def body(self) -> bytes:
        """Return the error object as JSON."""
        return json_line(Enveloped(self.wrong))


def bad_request(message: str, param: str | None = None, code: str | None = None) -> Refusal:
    """Return a 400: the request itself is wrong."""
    return Refusal(400, Wrong(message, param=param, code=code))


def unsupported(field: str, why: str = "") -> Refusal:
    """Return a 400 for a field that may not be left out silently; `why` replaces the usual reason."""
    usual = "ignoring it could change the meaning of the request; send the request without it"
    return bad_request(f"`{field}` is not supported: {why or usual}", field, "unsupported_parameter")


def form_refused(error: StepdownError, field: str, link: Mapping[str, str]) -> Refusal:
    """Return a 400 where the endpoint behind takes no such form of an answer; `field` is the request's own name."""
    return Refusal(400, Wrong(_message_of(error), param=field, code="unsupported_parameter"), link)


def no_model(name: str, why: str = "") -> Refusal:
    """Return a 404: no such model, with the form a name may have."""
    known = "write `METHOD/TEACHER->STUDENT`, or a name that `GET /v1/models` lists"
    message = f"the model `{name[:200]}` does not exist here: {why or known}"
    return Refusal(404, Wrong(message, param="model", code="model_not_found"))


def busy(most: int) -> Refusal:
    """Return a 503: as many requests as the server takes are under way."""
    message = f"{most} requests are under way, and this server takes no more at once; ask again"
    return Refusal(503, Wrong(message, "server_error", code="overloaded"), RETRY_AFTER)


def failed(error: StepdownError, link: Mapping[str, str] | None = None) -> Refusal:
    """Return what a failure behind this server means to who asked.

    `link` is the header that leads to the trace, where there is one.
    """
    if isinstance(error, PromptTooLong):
        wrong = Wrong(_message_of(error), param="messages", code="context_length_exceeded")
        return Refusal(400, wrong, link)
    status, kind, code, headers = _meaning(error)
    return Refusal(status, Wrong(_message_of(error), kind, code=code), {**headers, **(link or {})})


def _meaning(error: StepdownError) -> tuple[int, str, str | None, Mapping[str, str]]:
    if isinstance(error, BudgetReached):
        return 429, "insufficient_quota", "insufficient_quota", NO_RETRY
    if isinstance(error, EndpointRefused):
        return 502, "api_error", "upstream_refused", NO_RETRY
    if isinstance(error, StoreError):
        return 503, "server_error", "store_unavailable", RETRY_AFTER
    if isinstance(error, UsageError):
        return 400, "invalid_request_error", None, {}
    # Asked again as often as is of use already: three times that would help nobody.
    return 502, "api_error", "upstream_failed", NO_RETRY


def _message_of(error: StepdownError) -> str:
    # What is to be done about a failed call is said to who runs a command, not to a client.
    if isinstance(error, CallFailed):
        return scrub(error.what)
    return scrub(f"{error.what}; {error.hint}" if error.hint else error.what)
