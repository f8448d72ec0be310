"""Pages of other sites that may ask the endpoint: those of a list, never any other, and none without the token."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stepdown.errors import UsageError
from stepdown.models.environment import Secret
from stepdown.runner import plain
from stepdown.web.app import make_app
from stepdown.web.in_process import InProcessAnswer, ask_in_process
from stepdown.web.security import AccessRules, checked_origin
from stepdown.web.state import State

NOTES, OTHER, TOKEN = "https://notes.example", "https://other.example", "a-token-of-enough-letters"
RULES = AccessRules(origins=frozenset({NOTES}))
Headers = dict[str, str]


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "s.sqlite"


def asked(path: Path, at: str, method: str, headers: Headers, *, token: str = "") -> InProcessAnswer:
    async def work() -> InProcessAnswer:
        state = State(path, token=Secret(token))
        pairs = [("host", "localhost"), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors"), *headers.items()]
        try:
            raw = tuple((name.encode(), value.encode()) for name, value in pairs)
            return await ask_in_process(make_app(state, rules=RULES), at, method=method, headers=raw)
        finally:
            await state.close()

    return plain(work())


def preflight(origin: str) -> Headers:
    names = "authorization,content-type,x-stainless-lang"
    return {"origin": origin, "access-control-request-method": "POST", "access-control-request-headers": names}


def test_a_browser_is_told_that_a_listed_site_may_ask_even_before_it_shows_a_token(path: Path) -> None:
    found = asked(path, "/v1/chat/completions", "OPTIONS", preflight(NOTES), token=TOKEN)
    assert (found.status, found.headers["access-control-allow-origin"]) == (204, NOTES)
    assert "x-stainless-lang" in found.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in found.headers


@pytest.mark.parametrize(("at", "origin"), [("/v1/models", OTHER), ("/", NOTES), ("/v1/models", "null")])
def test_no_other_site_and_no_page_is_opened_by_the_list(path: Path, at: str, origin: str) -> None:
    for method, headers in (("OPTIONS", preflight(origin)), ("GET", {"origin": origin})):
        found = asked(path, at, method, headers)
        assert found.status == 403 and "access-control-allow-origin" not in found.headers


def test_a_listed_site_reads_answers_and_where_their_trace_is(path: Path) -> None:
    found = asked(path, "/v1/models", "GET", {"origin": NOTES})
    assert (found.status, found.headers["access-control-allow-origin"], found.headers["vary"]) == (200, NOTES, "origin")
    assert "x-stepdown-trace" in found.headers["access-control-expose-headers"]


def test_a_listed_site_needs_the_token_and_can_read_that_it_does(path: Path) -> None:
    found = asked(path, "/v1/models", "GET", {"origin": NOTES}, token=TOKEN)
    assert (found.status, found.headers["access-control-allow-origin"]) == (401, NOTES)
    named = {"origin": NOTES, "authorization": f"Bearer {TOKEN}"}
    assert asked(path, "/v1/models", "GET", named, token=TOKEN).status == 200


@pytest.mark.parametrize(
    "text", ["*", "null", "notes.example", "https://notes.example/page", "ftp://notes.example", ""]
)
def test_what_is_no_origin_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no origin"):
        checked_origin(text)


def test_an_origin_is_read_as_a_browser_writes_it() -> None:
    assert checked_origin(" HTTPS://Notes.example/ ") == NOTES
