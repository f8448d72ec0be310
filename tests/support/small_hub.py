"""A small stand-in for the Hugging Face hub: data sets' files at pinned commits, served from memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

Files = dict[tuple[str, str, str], bytes]


class SmallHub:
    """What the hub holds, by (repository, commit, file name), and every path that was asked for."""

    def __init__(self, url: str, files: Files) -> None:
        self.url, self.files = url, files
        self.asked: list[str] = []

    def find(self, path: str) -> tuple[str, bytes] | None:
        """Return the commit and the bytes of a `/datasets/OWNER/NAME/resolve/COMMIT/FILE` path, None without one."""
        for (repo, commit, name), body in self.files.items():
            if path == f"/datasets/{repo}/resolve/{commit}/{name}":
                return commit, body
        return None


def handler_for(hub: SmallHub) -> type[BaseHTTPRequestHandler]:
    """Return the request handler of one hub."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.answer(with_body=False)

        def do_GET(self) -> None:
            self.answer(with_body=True)

        def answer(self, *, with_body: bool) -> None:
            hub.asked.append(f"{self.command} {self.path}")
            found = hub.find(self.path.partition("?")[0])
            commit, body = found or ("", b"no such file")
            self.send_response(200 if found else 404)
            if found:
                self.send_header("X-Repo-Commit", commit)
                self.send_header("ETag", f'"{sha256(body).hexdigest()}"')
            else:
                self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Connection", "close")
            self.end_headers()
            if with_body:
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet."""

    return Handler


@contextmanager
def small_hub(files: Files) -> Iterator[SmallHub]:
    """Serve files on a free local port until the block ends."""
    hub = SmallHub("", files)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_for(hub))
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
