"""A small stand-in for Google's object store: the calls of its JSON API that copying files needs, kept in memory."""

import json
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from loopback_server import JsonHandler

BUCKET = "made"


class SmallBucket:
    """Objects by name."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def row(self, name: str) -> dict[str, Any]:
        """Return what the API says of an object."""
        size = str(len(self.objects[name]))
        stamps = dict.fromkeys(("updated", "timeCreated"), "2026-01-01T00:00:00.000Z")
        return {"name": name, "bucket": BUCKET, "size": size, "generation": "1", "storageClass": "STANDARD", **stamps}

    def listing(self, prefix: str, delimiter: str) -> dict[str, Any]:
        """Return the objects in a folder and the folders in it."""
        names = [name for name in sorted(self.objects) if name.startswith(prefix)]
        deeper = {name for name in names if delimiter and delimiter in name[len(prefix) :]}
        folders = {prefix + name[len(prefix) :].partition(delimiter)[0] + delimiter for name in deeper}
        return {"items": [self.row(name) for name in names if name not in deeper], "prefixes": sorted(folders)}

    def put(self, body: bytes) -> dict[str, Any]:
        """Take an object of a multipart upload: its name in JSON, then its bytes, each behind a head."""
        _, head, rest = body.split(b"--==0==", 2)
        name = json.loads(head.partition(b"\n\n")[2])["name"]
        self.objects[name] = rest.partition(b"\n\n")[2].removesuffix(b"\n--==0==--")
        return self.row(name)


def handler_for(bucket: SmallBucket) -> type[BaseHTTPRequestHandler]:
    """Return the request handler of one bucket."""

    class Handler(JsonHandler):
        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            query, (place, _, name) = parse_qs(asked.query), asked.path.partition(f"/b/{BUCKET}/o")
            key = unquote(name.removeprefix("/"))
            if f"/b/{BUCKET}/o" not in asked.path or (key and key not in bucket.objects):
                self.send(None)
            elif key and ("download" in place or query.get("alt") == ["media"]):
                self.send_file(bucket.objects[key])
            elif key:
                self.send(bucket.row(key))
            else:
                prefix, delimiter = (query.get(word, [""])[0] for word in ("prefix", "delimiter"))
                self.send(bucket.listing(prefix, delimiter))

        def do_POST(self) -> None:
            self.send(bucket.put(self.body()))

        def do_DELETE(self) -> None:
            name = unquote(self.path.partition("/o/")[2].partition("?")[0])
            self.send({} if bucket.objects.pop(name, None) is not None else None)

    return Handler
