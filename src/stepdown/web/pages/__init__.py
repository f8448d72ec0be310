"""The pages, one file for each idea, and how a template becomes an answer."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from stepdown import __version__
from stepdown.errors import StepdownError, UnknownName

if TYPE_CHECKING:
    from stepdown.web.state import State

STATIC = files("stepdown.web") / "static"


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
    made.globals["version"] = __version__
    return made


def state_of(request: Request) -> "State":
    """Return what the server holds."""
    state: State = request.app.state.stepdown
    return state


def page(request: Request, template: str, /, *, status: int = 200, **values: Any) -> Response:
    """Return a template filled in; `here` is the path, for the navigation."""
    filled = templates().get_template(template).render(here=request.url.path, state=state_of(request), **values)
    return HTMLResponse(filled, status_code=status)


def wrong(request: Request, error: StepdownError) -> Response:
    """Return the page that says what was wrong and the way out; 404 for a name that is not there, else 400."""
    return page(request, "wrong.html", status=404 if isinstance(error, UnknownName) else 400, error=error)


async def form_of(request: Request) -> Mapping[str, str]:
    """Return the fields of a posted form (urlencoded); of a repeated field the last."""
    body = await request.body()
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=2000))


async def fields_of(request: Request) -> list[tuple[str, str]]:
    """Return the fields of a posted form in their order, repeated ones included."""
    body = await request.body()
    return parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=2000)
