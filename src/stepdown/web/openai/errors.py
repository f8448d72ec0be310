"""OpenAI's error objects: what was wrong, in the words and with the status its clients know."""

from collections.abc import Mapping

import msgspec
from starlette.responses import Response

from stepdown.errors import BudgetReached, CallFailed, EndpointRefused, StepdownError, StoreError, UsageError
from stepdown.web.scrubbing import scrub

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
        return msgspec.json.encode(Enveloped(self.wrong))


def bad_request(message: str, param: str | None = None, code: str | None = None) -> Refusal:
    """Return a 400: the request itself is wrong."""
    return Refusal(400, Wrong(message, param=param, code=code))


def no_model(name: str, why: str = "") -> Refusal:
    """Return a 404: no such model, with the form a name may have."""
    known = "write `METHOD/TEACHER->STUDENT`, or a name that `GET /v1/models` lists"
    message = f"the model `{name[:200]}` does not exist here: {why or known}"
    return Refusal(404, Wrong(message, param="model", code="model_not_found"))


def busy(most: int) -> Refusal:
    """Return a 503: as many requests as the server takes are under way."""
    message = f"{most} requests are under way, and this server takes no more at once; ask again"
    return Refusal(503, Wrong(message, "server_error", code="overloaded"), RETRY_AFTER)


def failed(error: StepdownError | str) -> Refusal:
    """Return what a failure behind this server means to who asked; a text is the error of a trace."""
    if isinstance(error, BudgetReached):
        wrong = Wrong(_said(error), "insufficient_quota", code="insufficient_quota")
        return Refusal(429, wrong, NO_RETRY)
    if isinstance(error, EndpointRefused):
        return Refusal(502, Wrong(_said(error), "api_error", code="upstream_refused"), NO_RETRY)
    if isinstance(error, StoreError):
        return Refusal(503, Wrong(_said(error), "server_error", code="store_unavailable"), RETRY_AFTER)
    if isinstance(error, UsageError):
        return bad_request(_said(error))
    what = _said(error) if isinstance(error, CallFailed) else scrub(str(error))
    return Refusal(502, Wrong(what, "api_error", code="upstream_failed"))


def _said(error: StepdownError) -> str:
    return scrub(f"{error.what}; {error.hint}" if error.hint else error.what)
