"""Stand-ins for services of the web: a server on a free loopback port, and a handler that answers in JSON and files."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


class JsonHandler(BaseHTTPRequestHandler):
    """Answers with a value as JSON, or with a file or the part of it that was asked for."""

    protocol_version = "HTTP/1.1"

    def body(self) -> bytes:
        """Return the body of the request, in one piece or in chunks."""
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        found = b""
        while size := int(self.rfile.readline(), 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return found

    def send(self, value: object, missing: str = "") -> None:
        """Send a value; for None, that there is nothing, with the hub's name for `missing`."""
        body = {"error": f"{missing}: {self.path}"} if value is None else value
        self._answer(404 if value is None else 200, json.dumps(body).encode(), {"X-Error-Code": missing})

    def send_file(self, body: bytes | None) -> None:
        """Send a file, or the range of it that is asked for."""
        if body is None:
            self.send(None, "EntryNotFound")
            return
        first, _, last = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        piece = body[int(first) : int(last) + 1 if last else None]
        at = f"bytes {first}-{int(first) + len(piece) - 1}/{len(body)}"
        self._answer(206 if "Range" in self.headers else 200, piece, {"Content-Range": at, "ETag": '"x"'})

    def _answer(self, status: int, body: bytes, more: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **more}.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve on a free local port until the block ends, and give the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
