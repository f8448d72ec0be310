"""What stands before pages and endpoint: foreign names and sites, tokens, sizes, slow connections, and secrets."""

import asyncio
import io
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import aiohttp
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from served import served
from stepdown.errors import EndpointRefused
from stepdown.models.environment import Secret
from stepdown.web.security.guards import POLICY
from stepdown.web.security.rules import AccessRules
from stepdown.web.server.serving import ConnectionLimits
from stepdown.web.state import State

TOKEN = "a-token-of-enough-letters"
Answer = tuple[int, dict[str, str], str]


async def fail(request: Request) -> Response:
    raise RuntimeError(f"the key is {os.environ.get('SOME_API_KEY')} and the token {TOKEN}")


async def refuse(request: Request) -> Response:
    raise EndpointRefused(f"the endpoint said: wrong key {os.environ.get('SOME_API_KEY')}", "set another")


async def length(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


async def much(request: Request) -> Response:
    return StreamingResponse(b"x" * 65536 for _ in range(4096))


MORE = [
    Route("/fail", fail),
    Route("/refuse", refuse),
    Route("/length", length, methods=["POST"]),
    Route("/v1/length", length, methods=["POST"]),
    Route("/v1/fail", fail),
    Route("/v1/refuse", refuse),
    Route("/much", much),
]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "s.sqlite"


@pytest.fixture
def address(store: Path) -> Iterator[str]:
    with served(lambda: State(store), more=MORE) as found:
        yield found


@pytest.fixture
def locked(store: Path) -> Iterator[str]:
    with served(lambda: State(store, token=Secret(TOKEN)), more=MORE) as found:
        yield found


def ask(address: str, method: str = "GET", *, body: object = None, **headers: str) -> Answer:
    """Ask once, with headers given as `user_agent="..."`, and follow nothing."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}

    async def work() -> Answer:
        # Closed at once, as the cookie of one test is not another's.
        async with (
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.request(method, address, headers=sent, data=body, allow_redirects=False) as answer,
        ):
            return answer.status, {k.lower(): v for k, v in answer.headers.items()}, await answer.text()

    return asyncio.run(work())


def test_a_foreign_name_that_points_here_is_refused_and_told_nothing(address: str) -> None:
    for path in ("/new", "/v1/models", "/static/app.css"):
        status, _, text = ask(address + path, host="rebound.example:8765")
        assert status == 421 and "sqlite" not in text
    assert [ask(f"{address}/new", host=name)[0] for name in ("localhost", "[::1]:8765", "127.0.0.1:1")] == [200] * 3
    assert [ask(f"{address}/new", host=name)[0] for name in ("a@localhost", "localhost.evil.example", "[::1")] == [
        421
    ] * 3


def test_a_proxys_name_is_let_in_where_it_was_allowed(store: Path) -> None:
    rules = AccessRules(hosts=frozenset({"steps.example"}))
    with served(lambda: State(store), rules=rules) as address:
        assert ask(f"{address}/new", host="Steps.Example")[0] == 200
        assert ask(f"{address}/new", host="10.0.0.7:8765")[0] == 421
        origin = {"host": "upstream", "origin": "https://steps.example"}
        assert ask(f"{address}/jobs", "POST", **origin)[0] == 421
        assert ask(f"{address}/jobs", "POST", **{**origin, "host": "steps.example"})[0] == 400


def test_a_server_for_every_address_answers_to_figures_but_not_to_foreign_names(store: Path) -> None:
    with served(lambda: State(store), rules=AccessRules(any_address=True)) as address:
        assert ask(f"{address}/new", host="10.0.0.7:8765")[0] == 200
        assert ask(f"{address}/new", host="[fe80::1]:8765")[0] == 200
        assert ask(f"{address}/new", host="rebound.example")[0] == 421


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://elsewhere.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ],
)
def test_another_sites_page_cannot_send_anything(address: str, headers: dict[str, str]) -> None:
    assert ask(f"{address}/jobs", "POST", body="student=x", **headers)[0] == 403
    status, _, text = ask(f"{address}/v1/chat/completions", "POST", body="{}", **headers)
    assert status == 403 and '"error"' in text


def test_another_sites_page_can_link_here_but_draw_nothing_in(address: str) -> None:
    for path in ("/events", "/charts/cost.svg", "/static/app.css", "/v1/models"):
        for mode in ("cors", "no-cors"):
            assert ask(address + path, sec_fetch_site="cross-site", sec_fetch_mode=mode)[0] == 403
    assert ask(f"{address}/new", sec_fetch_site="cross-site", sec_fetch_mode="navigate")[0] == 200
    assert ask(f"{address}/static/app.css", sec_fetch_site="same-origin", sec_fetch_mode="no-cors")[0] == 200


def test_a_page_of_this_server_can(address: str) -> None:
    assert ask(f"{address}/length", "POST", body="abc", origin=address, sec_fetch_site="same-origin")[2] == "3"


def test_every_answer_keeps_a_browser_strict(address: str) -> None:
    pages = [("GET", "/new"), ("GET", "/nowhere"), ("PUT", "/new"), ("GET", "/fail"), ("GET", "/static/app.css")]
    calls = [("GET", "/v1/nowhere"), ("GET", "/v1/fail"), ("GET", "/v1/models")]
    for method, path in pages + calls:
        status, headers, text = ask(address + path, method)
        assert headers["content-security-policy"] == POLICY
        assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == ("no-cache" if path.startswith("/static") else "no-store")
        assert "server" not in headers and "Traceback" not in text
        if path.startswith("/v1") and status >= 400:
            assert headers["content-type"] == "application/json" and '"error"' in text


def test_what_is_no_address_is_no_error_of_ours(address: str) -> None:
    for path in ("/nowhere", "/static/..%2f..%2fapp.py", "/static/%00", "/%0a", "/jobs/7", "/static/vendor"):
        assert ask(address + path)[0] in {400, 404}, path
    assert ask(f"{address}/jobs", "DELETE")[0] == 405


def test_every_answer_to_a_program_has_an_id(locked: str) -> None:
    token = {"authorization": f"Bearer {TOKEN}"}
    for path, headers in (("/v1/models", {}), ("/v1/models", token), ("/v1/nowhere", token), ("/v1/fail", token)):
        assert ask(locked + path, x_request_id="my-own_id", **headers)[1]["x-request-id"] == "my-own_id"
        assert len(ask(locked + path, x_request_id="a b\tc", **headers)[1]["x-request-id"]) == 32
    assert "x-request-id" not in ask(f"{locked}/login")[1]


def test_a_form_of_too_many_fields_is_refused_in_words(address: str) -> None:
    status, _, text = ask(f"{address}/jobs", "POST", body="&".join(["a=b"] * 2001))
    assert status == 400 and "2000 fields" in text


def test_no_secret_is_in_a_page_an_error_or_the_log(
    address: str, locked: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SOME_API_KEY", "sk-of-an-environment")
    texts = [ask(f"{address}{path}")[2] for path in ("/new", "/refuse", "/v1/refuse")]
    assert "endpoint said: wrong key ***" in texts[1] and "wrong key ***" in texts[2]
    texts += [ask(f"{locked}/v1/fail", authorization=f"Bearer {TOKEN}")[2], capfd.readouterr().err]
    assert "RuntimeError: the key is *** and the token ***" in texts[-1]
    assert not [text for text in texts[:-1] if "sk-of" in text or TOKEN in text] and "sk-of" not in texts[-1]


# -- tokens


def test_pages_lead_to_the_login_and_programs_get_an_error_without_the_token(locked: str) -> None:
    status, headers, _ = ask(f"{locked}/new?a=b")
    assert (status, headers["location"]) == (303, "/login?next=%2Fnew%3Fa%3Db")
    for header in (
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": f"Basic {TOKEN}"},
        {"cookie": "stepdown=x"},
    ):
        status, headers, text = ask(f"{locked}/v1/models", **header)
        assert status == 401 and headers["www-authenticate"] == "Bearer" and "invalid_api_key" in text
    assert ask(f"{locked}/v1/models", authorization=f"Bearer {TOKEN}")[0] == 200
    assert ask(f"{locked}/static/app.css")[0] == ask(f"{locked}/login")[0] == 200


def test_the_login_gives_a_ticket_that_is_not_the_token_and_ends_with_the_logout(locked: str) -> None:
    status, headers, _ = ask(f"{locked}/login", "POST", body=f"token={TOKEN}&next=/new")
    assert (status, headers["location"]) == (303, "/new")
    cookie = headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and "Path=/" in cookie and TOKEN not in cookie
    assert "Secure" not in cookie
    ticket = cookie.partition(";")[0]
    assert ask(f"{locked}/new", cookie=ticket)[0] == 200
    assert ask(f"{locked}/v1/models", cookie=ticket)[0] == 401
    assert ask(f"{locked}/new", cookie=f"stepdown={TOKEN}")[0] == 303
    assert ask(f"{locked}/logout", "POST", cookie=ticket)[0] == 303
    assert ask(f"{locked}/new", cookie=ticket)[0] == 303


def test_behind_a_proxy_that_ends_tls_the_ticket_is_for_tls_alone(store: Path) -> None:
    rules = AccessRules(hosts=frozenset({"steps.example"}))
    with served(lambda: State(store, token=Secret(TOKEN)), rules=rules) as address:
        asked = {"host": "steps.example", "origin": "https://steps.example"}
        assert "Secure" in ask(f"{address}/login", "POST", body=f"token={TOKEN}", **asked)[1]["set-cookie"]


@pytest.mark.parametrize(
    "place", ["https://elsewhere.example", "//elsewhere.example", "/\\elsewhere.example", "x", "/\n"]
)
def test_the_login_leads_nowhere_else(locked: str, place: str) -> None:
    form = aiohttp.FormData({"token": TOKEN, "next": place})
    assert ask(f"{locked}/login", "POST", body=form)[1]["location"] == "/"


def test_wrong_tokens_cannot_be_tried_for_long(locked: str) -> None:
    statuses = [ask(f"{locked}/login", "POST", body="token=wrong")[0] for _ in range(11)]
    assert statuses == [403] * 10 + [429]
    assert ask(f"{locked}/login", "POST", body=f"token={TOKEN}")[0] == 429


# -- sizes and times


async def in_chunks(total: int) -> object:
    for _ in range(total // 1000):
        yield b"x" * 1000


@pytest.mark.parametrize(("path", "limit"), [("/length", 256 << 10), ("/v1/length", 2 << 20)])
def test_a_body_is_held_to_its_size(address: str, path: str, limit: int) -> None:
    assert ask(address + path, "POST", body=io.BytesIO(b"x" * limit))[2] == str(limit)
    assert ask(address + path, "POST", body=io.BytesIO(b"x" * (limit + 1)))[0] == 413
    assert ask(address + path, "POST", body=in_chunks(limit + 2000))[0] == 413


def talk(address: str, words: bytes, *, until: Callable[[bytes], bool] = lambda heard: False) -> bytes:
    """Say some bytes and return what is heard until the other side hangs up."""
    host, _, port = address.removeprefix("http://").partition(":")
    heard = b""
    with socket.create_connection((host, int(port)), timeout=10) as line:
        line.sendall(words)
        while not until(heard):
            try:
                part = line.recv(65536)
            except ConnectionResetError:
                break
            if not part:
                break
            heard += part
    return heard


HEAD = b"Host: localhost\r\n"
QUICK = ConnectionLimits(head_seconds=0.3, request_seconds=0.6, idle_seconds=1, reader_seconds=0.4, head_bytes=2000)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (b"", b""),
        (b"GET / HTTP/1.1\r\nHost: loc", b""),
        (b"POST /length HTTP/1.1\r\n" + HEAD + b"Content-Length: 9\r\n\r\nabc", b"HTTP/1.1 408"),
        (b"POST /nowhere HTTP/1.1\r\n" + HEAD + b"Content-Length: 9\r\n\r\nabc", b"HTTP/1.1 404"),
        (b"GET /new HTTP/1.1\r\n" + HEAD + b"X: " + b"y" * 5000, b"HTTP/1.1 400"),
        (b"GET /new HTTP/1.1\r\n" + HEAD + b"\r\n", b"HTTP/1.1 200"),
        (b"no request at all\r\n\r\n", b"HTTP/1.1 400"),
        (b"GET /new HTTP/1.0\r\n\r\n", b"HTTP/1.1 421"),
    ],
)
def test_who_sends_slowly_or_nothing_is_left(store: Path, words: bytes, answer: bytes) -> None:
    with served(lambda: State(store), more=MORE, limits=QUICK, rules=AccessRules(body_seconds=0.3)) as address:
        heard = talk(address, words)
    assert heard.startswith(answer) and (not answer or POLICY.encode() in heard)


def test_who_does_not_read_is_left(store: Path) -> None:
    with served(lambda: State(store), more=MORE, limits=QUICK) as address:
        host, _, port = address.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=10) as line:
            line.sendall(b"GET /much HTTP/1.1\r\n" + HEAD + b"\r\n")
            assert len(line.recv(1)) == 1
            # The other side has hung up when nothing more can be said to it.
            with pytest.raises(OSError, match=r"reset|pipe"):
                while True:
                    line.sendall(b"x" * 65536)


def test_one_connection_too_many_is_told_so(store: Path) -> None:
    with served(lambda: State(store), limits=ConnectionLimits(connections=1, grace_seconds=1)) as address:
        host, _, port = address.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=10):
            assert talk(address, b"").startswith(b"HTTP/1.1 503")
