"""Coming in with the token, and leaving."""

from math import ceil

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from stepdown.web.pages import form_of, page, state_of
from stepdown.web.tokens import COOKIE


async def show(request: Request) -> Response:
    """Show the form; where no token is asked for, lead to the pages."""
    if not state_of(request).lock:
        return RedirectResponse("/", status_code=303)
    return _form(request, _inside(request.query_params.get("next", "")))


async def enter(request: Request) -> Response:
    """Give a browser its ticket for the token; after ten wrong ones it has to wait."""
    lock, form = state_of(request).lock, await form_of(request)
    address, back = request.client.host if request.client else "", _inside(form.get("next", ""))
    seconds = ceil(lock.tries.wait(address))
    if seconds:
        answer = _form(request, back, f"too many wrong tokens; try again in {seconds} s", status=429)
        answer.headers["retry-after"] = str(seconds)
        return answer
    if lock and not lock.opens(form.get("token", "").strip()):
        lock.tries.note(address)
        return _form(request, back, "this is not the token", status=403)
    answer = RedirectResponse(back, status_code=303)
    # A proxy that ends TLS asks in plain HTTP; the browser's own word for where its form came from shows that.
    secure = request.url.scheme == "https" or request.headers.get("origin", "").startswith("https://")
    answer.set_cookie(COOKIE, lock.ticket, path="/", httponly=True, samesite="strict", secure=secure)
    return answer


async def leave(request: Request) -> Response:
    """End every browser's stay: the tickets given so far open nothing any more."""
    state_of(request).lock.renew()
    answer = RedirectResponse("/login", status_code=303)
    answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return answer


def _form(request: Request, back: str, error: str = "", *, status: int = 200) -> Response:
    return page(request, "login.html", status=status, back=back, error=error)


def _inside(address: str) -> str:
    """Return an address only if it leads to a page of this server, otherwise the first page's."""
    is_path = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if is_path and address.isascii() else "/"


ROUTES: list[BaseRoute] = [
    Route("/login", show),
    Route("/login", enter, methods=["POST"]),
    Route("/logout", leave, methods=["POST"]),
]
