"""Answers to what cannot be done: a page at `/`, OpenAI's error object at `/v1`; never a traceback or a secret."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Scope

from stepdown.errors import BudgetReached, StepdownError
from stepdown.web.errors.objects import error_object, is_program
from stepdown.web.pages import page, state_of, status_of, wrong
from stepdown.web.security.scrubbing import scrub

_WORDS = {
    404: ("there is no such page", "the list of runs leads to everything there is"),
    405: ("this address does not take that method", "go back and use the page's own links and buttons"),
    408: ("the request took too long to arrive", "send it again"),
    413: ("the request is too large", "send less at once"),
}
_FAILED = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Something failed · stepdown</title>
<link rel="stylesheet" href="/static/app.css"></head>
<body><main id="main"><h1>Something failed</h1>
<p class="wrong" role="alert">This is a fault of stepdown. Where it was started, the terminal says what failed.</p>
<p><a href="/">Back to the runs</a></p></main></body></html>
"""


def failed(scope: Scope) -> Response:
    """Return the answer for an error nobody foresaw."""
    return error_object(500, "stepdown failed") if is_program(scope) else HTMLResponse(_FAILED, status_code=500)


def refuse_status(request: Request, error: Exception) -> Response:
    """Return the answer for a status that was raised: no such address, another method, too large, too slow."""
    assert isinstance(error, HTTPException), "the handler is given for this class"
    status, headers = error.status_code, error.headers
    what, hint = _WORDS.get(status, (error.detail, ""))
    if is_program(request.scope):
        return error_object(status, what, headers)
    answer = page(request, "wrong.html", status=status, error=StepdownError(what, hint))
    answer.headers.update(headers or {})
    return answer


def refuse_error(request: Request, error: Exception) -> Response:
    """Return the answer for an error of the user's or an endpoint's making, keys taken out."""
    assert isinstance(error, StepdownError), "the handler is given for this class"
    token = state_of(request).token
    error.what, error.hint = scrub(error.what, token), scrub(error.hint, token)
    if not is_program(request.scope):
        return wrong(request, error)
    if isinstance(error, BudgetReached):
        return error_object(429, error.what, code="insufficient_quota")
    return error_object(status_of(error), error.what)
