"""Pages of other sites that may ask the endpoint from a browser (CORS): those of a list, and with a token as anybody.

Source: https://fetch.spec.whatwg.org/#http-cors-protocol
"""

import re
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stepdown.errors import UsageError
from stepdown.web.errors.objects import is_endpoint
from stepdown.web.security.rules import AccessRules

SHOWN = "x-request-id, x-stepdown-trace, x-stepdown-answer, retry-after"
# What a browser asks leave for: names of headers, such as those that OpenAI's own client sends.
_NAMES = re.compile(r"[A-Za-z0-9-]+( ?, ?[A-Za-z0-9-]+)*")
_SECONDS = "600"


def checked_origin(text: str) -> str:
    """Return an origin as a browser writes it. Raises `UsageError` for what is none, and for `*`."""
    origin = text.strip().rstrip("/").lower()
    parts = urlsplit(origin)
    if parts.scheme not in {"http", "https"} or not parts.hostname or f"{parts.scheme}://{parts.netloc}" != origin:
        hint = "name each site whose pages may ask, such as `https://notes.example`; there is no `*`"
        raise UsageError(f"`{text}` is no origin", hint)
    return origin


def allowed_origin(scope: Scope, rules: AccessRules) -> str:
    """Return the origin of a request to the endpoint where it is one of the list, "" for any other."""
    origin = Headers(scope=scope).get("origin", "").lower()
    return origin if origin in rules.origins and is_endpoint(scope) else ""


class CrossOrigin:
    """Tells browsers which sites may read what the endpoint answers; it never lets in who has no token."""

    def __init__(self, app: ASGIApp, rules: AccessRules) -> None:
        self.app, self.rules = app, rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; a browser's question whether it may ask is answered here."""
        origin = allowed_origin(scope, self.rules) if scope["type"] == "http" and self.rules.origins else ""
        if not origin:
            await self.app(scope, receive, send)
            return
        added = [(b"access-control-allow-origin", origin.encode()), (b"vary", b"origin")]
        headers = Headers(scope=scope)
        if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            await Response(status_code=204, headers=_leave(headers, origin))(scope, receive, send)
            return

        async def shown(message: Message) -> None:
            if message["type"] == "http.response.start":
                names = (b"access-control-expose-headers", SHOWN.encode())
                message["headers"] = [*message.get("headers", ()), *added, names]
            await send(message)

        await self.app(scope, receive, shown)


def _leave(asked: Headers, origin: str) -> dict[str, str]:
    """Return what a browser is told that asks whether a page of this origin may ask."""
    names = asked.get("access-control-request-headers", "")
    headers = {
        "access-control-allow-origin": origin,
        "access-control-allow-methods": "GET, POST",
        "access-control-allow-headers": names if _NAMES.fullmatch(names) else "authorization, content-type",
        "access-control-max-age": _SECONDS,
        "vary": "origin",
    }
    # A page of the web that asks a server of this network is asked for more by some browsers.
    if asked.get("access-control-request-private-network") == "true":
        headers["access-control-allow-private-network"] = "true"
    return headers
