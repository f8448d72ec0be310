"""Random paths, queries, forms and bodies on every address of pages and endpoint: never a 500, never a hang."""

import http.client
import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.routing import Mount, Route

import stepdown
from served import served
from stepdown.store import Store
from stepdown.web.app import routes
from stepdown.web.state import State
from worlds import student, sums, teacher

ENDLESS = {"/events"}
FIELDS = (
    *("where", "words", "page", "sample", "run", "baseline", "text", "dataset", "method", "student", "teacher", "next"),
    *("kind", "steps", "why", "author", "verdict", "seconds", "solve", "decision", "problem", "filters", "seed", "n"),
    *("before", "plan", "found", "delegation", "answer", "token", "limit", "temperature", "samples", "plans", "do"),
)
VALUES = (
    "",
    "RUN",
    "0",
    "1",
    "-1",
    "999999999999999999999",
    "right",
    "wrong",
    "1. a\n2. b",
    "any",
    "accepted",
    "edited",
)
BODIES: dict[str, list[object]] = {
    "model": ["direct/x", "trace-of-thought/a->b", "../x", "", 7, None],
    "messages": [[], [{"role": "user", "content": "hi"}], [{"role": "user", "content": [{"type": "text"}]}], "x", None],
    "stream": [True, False, "yes"],
    "n": [0, 1, 129, -1, 1.5],
    "temperature": [0, 3, -1, "hot"],
    "max_tokens": [0, 1, 10**30],
    "stop": ["", "a", ["a"] * 9, {}],
    "stream_options": [{"include_usage": True}, 1],
    "tools": [[], [{}]],
}
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


def addresses() -> list[str]:
    """Return the path of every address, with its places to fill in."""
    mounts = [(mount.path, route) for mount in routes() if isinstance(mount, Mount) for route in mount.routes]
    found = [("", one) for one in routes()] + mounts
    return [*sorted({prefix + one.path for prefix, one in found if isinstance(one, Route)} - ENDLESS), "/static/{path}"]


class Place:
    """A served store with a small run, asked over one connection after another."""

    def __init__(self, address: str, run: str) -> None:
        self.run = run
        self.connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=20)

    def ask(self, method: str, path: str, body: bytes, kind: str) -> int:
        try:
            self.connection.request(method, path, body, {"content-type": kind})
            with self.connection.getresponse() as answer:
                answer.read()
                return answer.status
        finally:
            self.connection.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    path: Path = tmp_path_factory.mktemp("fuzz") / "s.sqlite"
    with Store(path) as store:
        made = stepdown.run(sums(3), "trace-of-thought", student=student(), teacher=teacher(), store=store).id
    with served(lambda: State(path)) as address:
        yield Place(address, made)


def filled(template: str) -> st.SearchStrategy[str]:
    """Fill an address's places with what is there, or with anything."""
    known = {
        "run": ["RUN"],
        "problem": ["sums/test/0", "sums/test/9"],
        "name": ["cost"],
        "job": ["1"],
        "path": ["app.css"],
    }
    parts = re.split(r"\{(\w+)(?::\w+)?\}", template)
    pieces = [
        st.just(part) if at % 2 == 0 else st.sampled_from(known.get(part, ["x"])) | TEXTS.map(lambda text: quote(text))
        for at, part in enumerate(parts)
    ]
    return st.tuples(*pieces).map("".join)


FORMS = st.lists(st.tuples(st.sampled_from(FIELDS), st.sampled_from(VALUES) | TEXTS), max_size=6)
OBJECTS = st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in BODIES.items()})
POSTED = st.one_of(
    FORMS.map(lambda form: (urlencode(form).encode(), "application/x-www-form-urlencoded")),
    OBJECTS.map(lambda one: (json.dumps(one).encode(), "application/json")),
    st.binary(max_size=60).map(lambda raw: (raw, "application/json")),
)


@pytest.mark.slow
@settings(max_examples=250, suppress_health_check=list(HealthCheck))
@given(
    method=st.sampled_from(["GET", "POST", "GET", "POST", "HEAD", "PUT"]),
    path=st.sampled_from(addresses()).flatmap(filled) | TEXTS.map(lambda text: "/" + quote(text)),
    query=FORMS,
    posted=POSTED,
)
def test_no_request_is_a_fault_of_ours(
    place: Place, method: str, path: str, query: list[tuple[str, str]], posted: tuple[bytes, str]
) -> None:
    address = f"{path.replace('RUN', place.run)}?{urlencode(query)}".replace("RUN", place.run)
    status = place.ask(method, address, posted[0].replace(b"RUN", place.run.encode()), posted[1])
    assert status < 500 or status in {502, 503}, (method, address, posted)


def test_every_address_is_asked(place: Place) -> None:
    assert len(addresses()) > 25
    assert place.ask("GET", f"/runs/{place.run}/traces/sums/test/0", b"", "text/plain") == 200
