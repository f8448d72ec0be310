"""What stands before pages and endpoint: who may ask, from where and how much; and what every answer carries.

Each guard is an ASGI application around another one. None of them reads an answer, so that streams stay streams.
"""

import asyncio
import re
import sys
import time
from ipaddress import ip_address
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request, cookie_parser
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stepdown.web.errors.handlers import failed, refuse_status
from stepdown.web.errors.objects import bare, error_object, is_endpoint, is_program
from stepdown.web.pages.login import ask_again
from stepdown.web.security.auth import COOKIE
from stepdown.web.security.cross_origin import CrossOrigin, allowed_origin
from stepdown.web.security.read_only import LOOKS, ReadOnlyGuard
from stepdown.web.security.rules import LOOPBACK, AccessRules
from stepdown.web.security.scrubbing import tell_error
from stepdown.web.state import State
from stepdown.web.views.addresses import own

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    # Not `no-referrer`: under that a browser calls the origin of our own forms `null`.
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
)
_CLOSE = {"connection": "close"}
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DRAINED = 16 << 20


def guard(app: ASGIApp, state: State, rules: AccessRules) -> ASGIApp:
    """Return the application behind all guards."""
    looked_at = ReadOnlyGuard(BodyLimits(app, rules), state, rules)
    guarded = ErrorBoundary(HostGuard(TokenGuard(looked_at, state, rules), rules), state)
    headed = SecurityHeaders(CrossOrigin(guarded, rules))
    return AccessLog(headed) if rules.verbose else headed


class AccessLog:
    """Says each request in a line: method, path without its query, status, milliseconds."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, then write the line."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0

        async def noting(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self.app(scope, receive, noting)
        finally:
            spent = 1000 * (time.perf_counter() - began)
            # As it came, in percent signs: what is decoded could hold line ends.
            path = scope.get("raw_path", b"").decode("ascii", "replace")
            sys.stderr.write(f"{scope['method']} {path} {status or 'left'} {spent:.0f} ms\n")
            sys.stderr.flush()


class SecurityHeaders:
    """Gives every answer the headers that keep a browser strict, and at `/v1` an id; an answer may bring its own."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the headers added."""
        kept = b"no-cache" if scope.get("path", "").startswith("/static/") else b"no-store"

        async def headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = list(message.get("headers", ()))
                names = {name.lower() for name, _ in given}
                added = [*HEADERS, (b"cache-control", kept)]
                if b"x-request-id" not in names and is_endpoint(scope):
                    added.append((b"x-request-id", (plain_id(Headers(scope=scope)) or uuid4().hex).encode()))
                message["headers"] = given + [pair for pair in added if pair[0] not in names]
            await send(message)

        await self.app(scope, receive, headed)


def plain_id(headers: Headers) -> str:
    """Return the id a client gave its request, "" where it gave none or one that is more than letters and digits."""
    given = headers.get("x-request-id", "")
    return given if _ID.fullmatch(given) else ""


class ErrorBoundary:
    """Turns an error nobody foresaw into an answer that says nothing of it, and writes it to stderr without keys."""

    def __init__(self, app: ASGIApp, state: State) -> None:
        self.app, self.state = app, state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; an answer that had begun is cut, so that nobody takes it for whole."""
        started = False

        async def noting(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, noting)
        except ClientDisconnect:
            return
        # The outermost place: whatever comes here has no other reader.
        except Exception as error:
            tell_error(error, self.state.token)
            if scope["type"] != "http" or started:
                raise RuntimeError("an answer failed; stderr says why") from None
            await failed(scope)(scope, receive, send)


class HostGuard:
    """Lets in who asks for this server by a name of its own, and nothing that another site's page sends.

    The first holds off foreign names that point here (DNS rebinding), the second forms of foreign pages.
    """

    def __init__(self, app: ASGIApp, rules: AccessRules) -> None:
        self.app, self.rules = app, rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse in a few words."""
        why = self._refusal(scope, Headers(scope=scope)) if scope["type"] == "http" else None
        if why is None:
            await self.app(scope, receive, send)
        else:
            await bare(scope, *why)(scope, receive, send)

    def _refusal(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        if not all(character.isprintable() for character in scope["path"]):
            return 400, "this address is not valid"
        if not self._is_ours(_name(headers.get("host", ""))):
            return 421, "this server does not answer to that host name; allow it with --allow-host NAME"
        if allowed_origin(scope, self.rules):
            return None
        looks = scope["method"] in LOOKS
        if _is_drawn_in(headers) if looks else self._is_foreign(headers):
            return 403, "this request came from another site's page"
        return None

    def _is_ours(self, name: str) -> bool:
        return name in self.rules.hosts or (self.rules.any_address and _is_address(name))

    def _is_foreign(self, headers: Headers) -> bool:
        if headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
            return True
        origin = headers.get("origin")
        if origin is None:
            return False
        host = origin.lower().partition("://")[2]
        # A proxy may ask under a name of its own, but its pages' origin is a name that was allowed.
        known = self.rules.hosts - LOOPBACK
        return host != headers.get("host", "").lower() and _name(host) not in known


def _is_drawn_in(headers: Headers) -> bool:
    """Whether another site's page asks for a part of itself, such as an image; a link that leads here is no such."""
    elsewhere = headers.get("sec-fetch-site", "none") in {"cross-site", "same-site"}
    return elsewhere and headers.get("sec-fetch-mode", "navigate") != "navigate"


def _name(host: str) -> str:
    """Return the host's name of `name:port`, in small letters, without the brackets of IPv6; empty if there is none."""
    try:
        parts = urlsplit(f"//{host}")
        return (parts.hostname or "").rstrip(".") if parts.netloc == host and "@" not in host else ""
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        return bool(ip_address(name))
    except ValueError:
        return False


class TokenGuard:
    """Asks for the token where the server has one: a cookie's session at the pages, a bearer's token at `/v1`."""

    def __init__(self, app: ASGIApp, state: State, rules: AccessRules) -> None:
        self.app, self.auth = app, state.auth
        self.ask_again = BodyLimits(ask_again, rules)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or send pages to `/login` and programs an error; what a form says waits there for the login."""
        if scope["type"] != "http" or not self.auth or self._is_let_in(scope):
            await self.app(scope, receive, send)
        elif is_program(scope):
            what = "the token is missing or wrong; send `Authorization: Bearer TOKEN` to /v1, or log in at /login"
            await error_object(401, what, {"www-authenticate": "Bearer"})(scope, receive, send)
        elif scope["method"] == "POST" or Headers(scope=scope).get("hx-request"):
            await self.ask_again(scope, receive, send)
        else:
            await RedirectResponse(_login(scope), status_code=303)(scope, receive, send)

    def _is_let_in(self, scope: Scope) -> bool:
        headers = Headers(scope=scope)
        if is_endpoint(scope):
            scheme, _, token = headers.get("authorization", "").partition(" ")
            return scheme.lower() == "bearer" and self.auth.verify(token.strip())
        if scope["path"] == "/login" or scope["path"].startswith("/static/"):
            return True
        return self.auth.verify_session(cookie_parser(headers.get("cookie", "")).get(COOKIE, ""))


def _login(scope: Scope) -> str:
    """Return the address of the login page, which leads back to a page that was only looked at."""
    if scope["method"] not in {"GET", "HEAD"} or scope["path"] == "/":
        return "/login"
    return "/login?" + urlencode({"next": own(scope)})


class BodyLimits:
    """Holds what a request may send to its size and its time."""

    def __init__(self, app: ASGIApp, rules: AccessRules) -> None:
        self.app, self.rules = app, rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; a body that says it is too large is read past, kept nowhere, and refused."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = self.rules.call_bytes if is_endpoint(scope) else self.rules.page_bytes
        body = _Body(receive, limit, self.rules.body_seconds)
        if int(Headers(scope=scope).get("content-length", "0")) <= limit:
            await self.app(scope, body, send)
            return
        await body.drain()
        answer = refuse_status(Request(scope), HTTPException(413, headers=_CLOSE))
        await answer(scope, receive, send)


class _Body:
    """The body of one request as it arrives."""

    def __init__(self, receive: Receive, limit: int, seconds: float) -> None:
        self.receive, self.left, self.whole = receive, limit, False
        self.ends = asyncio.get_running_loop().time() + seconds

    async def __call__(self) -> Message:
        """Receive the next part. Raises `HTTPException`: 408 past its time, 413 past its size."""
        if self.whole:
            return await self.receive()
        message = await self._next()
        if self.left < 0:
            await self.drain()
            raise HTTPException(413, headers=_CLOSE)
        return message

    async def _next(self) -> Message:
        try:
            async with asyncio.timeout_at(self.ends):
                message = await self.receive()
        except TimeoutError:
            raise HTTPException(408, headers=_CLOSE) from None
        self.left -= len(message.get("body", b""))
        self.whole = not message.get("more_body", False)
        return message

    async def drain(self) -> None:
        """Read on and throw away: an answer to somebody who is still sending would get lost."""
        try:
            while not self.whole and self.left > -_DRAINED:
                await self._next()
        except HTTPException:
            return
