"""Coming in with the token, and leaving."""

from math import ceil
from urllib.parse import urlsplit

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from stepdown.errors import UsageError
from stepdown.web.pages import fields_of, form_of, page, state_of
from stepdown.web.security.auth import COOKIE
from stepdown.web.views.addresses import inside, own

KEPT = "kept:"  # before the names of the fields of a form that waits for the login
_ENDED = "your login has ended, so nothing was sent; what you typed comes back after it"


class Again(msgspec.Struct, frozen=True):
    """A form that came after the login had ended: its address and its fields."""

    to: str = "/"
    kept: tuple[tuple[str, str], ...] = ()


NOTHING = Again()


async def show(request: Request) -> Response:
    """Show the form; where no token is asked for, lead to the pages."""
    if not state_of(request).auth:
        return RedirectResponse("/", status_code=303)
    return _form(request, inside(request.query_params.get("next", "")))


async def ask_again(scope: Scope, receive: Receive, send: Send) -> None:
    """Ask for the token where a form came without a session: what the form says waits in the login's own."""
    request = Request(scope, receive)
    try:
        fields = await fields_of(request)
    except (UsageError, HTTPException):
        fields = []
    kept = [] if request.url.path == "/logout" else fields
    came = urlsplit(request.headers.get("referer", ""))
    back = inside(came.path + (f"?{came.query}" if came.query else "")) if came.netloc == request.url.netloc else "/"
    answer = _form(request, back, _ENDED if kept else "", status=401, again=Again(own(scope), tuple(kept)))
    await answer(scope, receive, send)


async def enter(request: Request) -> Response:
    """Give a browser its session for the token; after ten wrong ones it has to wait."""
    auth, form = state_of(request).auth, await form_of(request)
    kept = [(name.removeprefix(KEPT), text) for name, text in await fields_of(request) if name.startswith(KEPT)]
    again = Again(inside(form.get("to", "")), tuple(kept))
    address, back = request.client.host if request.client else "", inside(form.get("next", ""))
    seconds = ceil(auth.attempts.wait(address))
    if seconds:
        late = _form(request, back, f"too many wrong tokens; try again in {seconds} s", status=429, again=again)
        late.headers["retry-after"] = str(seconds)
        return late
    if auth and not auth.verify(form.get("token", "").strip()):
        auth.attempts.note(address)
        return _form(request, back, "this is not the token", status=403, again=again)
    answer: Response = RedirectResponse(back, status_code=303)
    if kept:
        answer = page(request, "resend.html", back=back, again=again)
    # A proxy that ends TLS asks in plain HTTP; the browser's own word for where its form came from shows that.
    secure = request.url.scheme == "https" or request.headers.get("origin", "").startswith("https://")
    answer.set_cookie(COOKIE, auth.session, path="/", httponly=True, samesite="strict", secure=secure)
    return answer


async def leave(request: Request) -> Response:
    """End every browser's stay: the tickets given so far open nothing any more."""
    state_of(request).auth.end_sessions()
    answer = RedirectResponse("/login", status_code=303)
    answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return answer


def _form(request: Request, back: str, error: str = "", *, status: int = 200, again: Again = NOTHING) -> Response:
    return page(request, "login.html", status=status, back=back, error=error, again=again)


ROUTES: list[BaseRoute] = [
    Route("/login", show),
    Route("/login", enter, methods=["POST"]),
    Route("/logout", leave, methods=["POST"]),
]
