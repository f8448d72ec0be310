"""The pages, one file for each idea, and how a template becomes an answer."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Scope

from stepdown.errors import (
    BudgetReached,
    CallFailed,
    EndpointRefused,
    StepdownError,
    StoreError,
    UnknownName,
    UsageError,
)
from stepdown.types import Grade, fingerprint
from stepdown.version import __version__
from stepdown.web.errors.objects import error_object, is_program
from stepdown.web.views.addresses import address, own
from stepdown.web.views.advice import on_page
from stepdown.web.views.cookies import PERSON, STUDENT, kept
from stepdown.web.views.markdown import markdown, written

if TYPE_CHECKING:
    from stepdown.web.state import State

STATIC = files("stepdown.web") / "static"
MOST_FIELDS = 2000
_POSTED = re.compile(
    r"<form\b(?![^>]*\baction=\"/log(?:in|out)\")[^>]*\bmethod=\"post\"[^>]*>.*?</form>", re.DOTALL | re.IGNORECASE
)


@cache
def templates() -> Environment:
    """Return the templates; every value is escaped, and a name that is not given is an error."""
    made = Environment(
        loader=PackageLoader("stepdown.web"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {"version": __version__, "address": address}
    made.globals |= {"mark": mark, "markdown": markdown, "written": written}
    made.globals["day"] = day
    made.filters["on_page"] = on_page
    return made


def day(moment: float) -> str:
    """Return the day of a moment (unix seconds, UTC), as a page says it that is read years later."""
    return datetime.fromtimestamp(moment, UTC).date().isoformat()


def mark(grade: Grade) -> str:
    """Return what a form says of the verdict that it was shown beside."""
    return fingerprint((grade.verdict, grade.found, grade.why))


def state_of(request: Request) -> "State":
    """Return what the server holds."""
    state: State = request.app.state.stepdown
    return state


def page(request: Request, template: str, /, *, status: int = 200, **values: Any) -> Response:
    """Return a template filled in. A program is told an error as JSON.

    Every template has `here`, the path, for the navigation; `back`, the address to come back to from a form; and what
    this browser has kept: `person`, who edits, and `student`, chosen for the run. `to_review` plans wait for a person.
    """
    if status >= 400 and is_program(request.scope):
        return error_object(status, _problem_text(values))
    state = state_of(request)
    known = {
        "here": request.url.path,
        "back": own(request.scope),
        "state": state,
        "person": kept(request, PERSON) or state.person,
        "student": kept(request, STUDENT),
        "to_review": state.to_review(),
    }
    return HTMLResponse(drawn(state, template, known | values), status_code=status)


def wrong_at(scope: Scope, state: "State", error: StepdownError, *, status: int) -> Response:
    """Return the page that says what was wrong, for a guard, which stands before the application."""
    known = {"here": scope["path"], "back": own(scope), "person": "", "student": "", "to_review": 0}
    values = {**known, "state": state, "error": error}
    return HTMLResponse(drawn(state, "wrong.html", values), status_code=status)


def drawn(state: "State", template: str, values: Mapping[str, Any]) -> str:
    """Return a template filled in; of a server that is only looked at, without any form that changes something."""
    text = templates().get_template(template).render(values)
    return without_forms(text) if state.read_only else text


def without_forms(html: str) -> str:
    """Return a page of ours without forms that are posted, but for the login: in it, `<` stands for a tag alone."""
    return _POSTED.sub("", html)


class EditConflict(UsageError):
    """Somebody else changed meanwhile what a form is about: theirs is shown, and nothing of it is replaced unseen."""


class FieldError(UsageError):
    """What a field of a form says cannot be: the form is shown again with everything that was typed."""

    def __init__(self, field: str, error: StepdownError) -> None:
        self.field = field
        super().__init__(error.what, error.hint)


def wrong(request: Request, error: StepdownError) -> Response:
    """Return the page that says what was wrong and the way out."""
    return page(request, "wrong.html", status=status_of(error), error=error)


def status_of(error: StepdownError) -> int:
    """Return the status of an error: 404 for a name that is not there, 5xx where this server's user is not at fault."""
    statuses = (
        (UnknownName, 404),
        (EditConflict, 409),
        (StoreError, 503),
        (BudgetReached, 429),
        (EndpointRefused, 502),
        (CallFailed, 502),
    )
    return next((status for kind, status in statuses if isinstance(error, kind)), 400)


def _problem_text(values: Mapping[str, Any]) -> str:
    """Return in one line what a page says is wrong: its error, and what is wrong with each field of its form."""
    error = values.get("error") or values.get("refused")
    lines = [f"{error.what}; {error.hint}".removesuffix("; ")] if isinstance(error, StepdownError) else []
    lines += [error] if isinstance(error, str) else []
    return "; ".join(lines + [f"{field}: {what}" for field, what in dict(values.get("errors") or {}).items()])


async def form_of(request: Request) -> Mapping[str, str]:
    """Return the fields of a posted form (urlencoded); of a repeated field the last. Raises `UsageError`."""
    return dict(await fields_of(request))


async def fields_of(request: Request) -> list[tuple[str, str]]:
    """Return the fields of a posted form in their order, repeated ones included. Raises `UsageError`."""
    body = (await request.body()).decode("utf-8", "replace")
    if body.count("&") >= MOST_FIELDS:
        raise UsageError(f"the form has more than {MOST_FIELDS} fields", "go back and use the page's own form")
    return parse_qsl(body, keep_blank_values=True)
