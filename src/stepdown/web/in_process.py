"""An application asked without a connection, by whoever has it in the same process."""

from urllib.parse import unquote

import msgspec
from starlette.types import ASGIApp, Message, Scope

_HEADERS = ((b"host", b"localhost"), (b"accept", b"text/html"))


class InProcessAnswer(msgspec.Struct, frozen=True):
    """What an application answers; the names of headers are in small letters."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")


async def ask_in_process(
    app: ASGIApp, address: str, *, method: str = "GET", headers: tuple[tuple[bytes, bytes], ...] = _HEADERS
) -> InProcessAnswer:
    """Return what an application answers at an address (path and query), asked as from this machine."""
    path, _, query = address.partition("?")
    scope: Scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": unquote(path), "raw_path": path.encode(), "query_string": query.encode(), "root_path": "",
        "headers": list(headers), "client": ("127.0.0.1", 1), "server": ("localhost", 80),
    }  # fmt: skip
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    pairs = sent[0]["headers"]
    found = {name.decode().lower(): value.decode("latin-1") for name, value in pairs}
    return InProcessAnswer(sent[0]["status"], found, b"".join(one.get("body", b"") for one in sent[1:]))
