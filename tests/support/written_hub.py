"""A small stand-in for the Hugging Face hub that takes commits: one data set, `me/made`, its files kept in memory."""

import base64
import json
from hashlib import sha1
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote

from loopback_server import JsonHandler

COMMIT, REPO = "c" * 40, "me/made"


class WrittenHub:
    """The files of the data set by name, served at `url`."""

    def __init__(self) -> None:
        self.url = ""
        self.files: dict[str, bytes] = {}
        self.created: list[dict[str, Any]] = []

    def row(self, name: str) -> dict[str, Any]:
        """Return what the hub says of a file."""
        return {"type": "file", "path": name, "size": len(self.files[name]), "oid": sha1(self.files[name]).hexdigest()}

    def tree(self, folder: str) -> list[dict[str, Any]] | None:
        """Return the files and folders in a folder, None where there is none."""
        start = f"{folder}/" if folder else ""
        inside = [name for name in sorted(self.files) if name.startswith(start)]
        deeper = {name[len(start) :].partition("/")[0] for name in inside if "/" in name[len(start) :]}
        folders = [{"type": "directory", "path": start + name, "oid": COMMIT} for name in sorted(deeper)]
        files = [self.row(name) for name in inside if "/" not in name[len(start) :]]
        return [*folders, *files] if inside or not folder else None

    def commit(self, body: bytes) -> dict[str, Any]:
        """Put and delete files, an operation on each line."""
        for line in map(json.loads, body.splitlines()):
            if line["key"] == "file":
                self.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            elif line["key"] == "deletedFile":
                del self.files[line["value"]["path"]]
        return {"commitUrl": f"{self.url}/datasets/{REPO}/commit/{COMMIT}", "commitOid": COMMIT, "success": True}


def handler_for(hub: WrittenHub) -> type[BaseHTTPRequestHandler]:
    """Return the request handler of one hub."""

    class Handler(JsonHandler):
        def do_GET(self) -> None:
            path = unquote(self.path.partition("?")[0])
            if path.startswith(f"/datasets/{REPO}/resolve/main/"):
                self.send_file(hub.files.get(path.partition("/main/")[2]))
            elif path.startswith(f"/api/datasets/{REPO}/tree/main"):
                self.send(hub.tree(path.partition("/main")[2].strip("/")), "EntryNotFound")
            elif path in (f"/api/datasets/{REPO}", f"/api/datasets/{REPO}/revision/main"):
                self.send({"id": REPO, "sha": COMMIT, "private": False, "tags": [], "downloads": 0, "likes": 0})
            else:
                self.send(None, "RepoNotFound")

        do_HEAD = do_GET

        def do_POST(self) -> None:
            body, path = self.body(), self.path.partition("?")[0]
            if path == f"/api/datasets/{REPO}/preupload/main":
                names = [one["path"] for one in json.loads(body)["files"]]
                self.send({"files": [{"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in names]})
            elif path == f"/api/datasets/{REPO}/commit/main":
                self.send(hub.commit(body))
            elif path == f"/api/datasets/{REPO}/paths-info/main":
                self.send([hub.row(name) for name in parse_qs(body.decode())["paths"] if name in hub.files])
            elif path == "/api/validate-yaml":
                self.send({"errors": [], "warnings": []})
            elif path == "/api/repos/create":
                hub.created.append(json.loads(body))
                self.send({"url": f"{hub.url}/datasets/{REPO}"})
            else:
                self.send(None, "RepoNotFound")

    return Handler
