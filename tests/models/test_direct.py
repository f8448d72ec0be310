"""Whichever client makes a connection, what breaks it is called the same."""

import asyncio
from importlib.util import find_spec
from typing import Any

import aiohttp
import pytest

from chat_calls import KEY, chat_model
from raw_server import END, http, raw_server
from stepdown.models.http.bodies import read_body
from stepdown.models.http.connections import open_session, read_break
from stepdown.models.http.direct import DirectSession
from stepdown.models.http.endpoints import endpoint_at
from stepdown.models.http.limits import RetryableError

pytestmark = pytest.mark.skipif(find_spec("httptools") is None, reason="needs the extra `fast`")

BREAKS: dict[str, tuple[bytes | list[Any], str, str]] = {
    "dropped": (b"", "broken", "the connection was dropped (ServerDisconnectedError)"),
    "cut": (http(b"{}", "Content-Length: 500"), "broken", "the body of the reply was cut off"),
    "no length": (http(b"{}", "Content-Length: many"), "broken", "the connection was dropped"),
    "silent": ([END], "silent", "no reply within 0.2 s"),
    "silent in the body": ([http(b"{", "Content-Length: 2"), END], "silent", "no reply within 0.2 s"),
}


def broken(url: str, *, direct: bool) -> Exception:
    """Return what a request to an address is broken by, as calls are told of it."""
    endpoint = endpoint_at(url, "m")

    async def main() -> Exception:
        session = open_session(endpoint, 0.2, direct=direct)
        try:
            _, error = await read_body(await session.post(url, b"{}"))
        except (OSError, ValueError, aiohttp.ClientError) as raised:
            error = raised
        finally:
            await session.close()
        assert error is not None, "something breaks it"
        return read_break(endpoint, error, 0.2)

    return asyncio.run(main())


@pytest.mark.parametrize("direct", [True, False], ids=["direct", "aiohttp"])
@pytest.mark.parametrize("fault", BREAKS)
def test_what_breaks_a_connection_has_one_name_by_either_client(fault: str, direct: bool) -> None:
    sent, kind, reason = BREAKS[fault]
    with raw_server(sent) as server:
        found = broken(server.url, direct=direct)
    assert isinstance(found, RetryableError)
    assert found.kind == kind and found.reason.startswith(reason)


@pytest.mark.parametrize("direct", [True, False], ids=["direct", "aiohttp"])
def test_where_nothing_listens_no_reply_was_lost(direct: bool) -> None:
    found = broken("http://127.0.0.1:1/v1", direct=direct)
    assert isinstance(found, RetryableError)
    assert found.kind == "unreachable" and found.reason == "nothing listens at `http://127.0.0.1:1/v1`"


def kind_of_session(address: str) -> bool:
    async def main() -> bool:
        session = open_session(endpoint_at(address, "m"), 1.0)
        await session.close()
        return isinstance(session, DirectSession)

    return asyncio.run(main())


def test_only_plain_addresses_without_a_proxy_are_asked_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy:3128")
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert kind_of_session("http://127.0.0.1:8000/v1")
    assert not kind_of_session("https://127.0.0.1:8000/v1") and not kind_of_session("http://far.example/v1")


@pytest.mark.parametrize("direct", [True, False], ids=["direct", "aiohttp"])
def test_either_client_sends_what_a_request_needs(direct: bool) -> None:
    async def main(url: str) -> None:
        session = open_session(chat_model(url).endpoint, 5.0, direct=direct)
        await read_body(await session.post(f"{url}/chat/completions", b"{}"))
        await session.close()

    with raw_server(http(b"{}")) as server:
        asyncio.run(main(server.url))
        head = server.heads[0].decode().lower().split("\r\n")
    assert head[0] == "post /v1/chat/completions http/1.1"
    needed = {"content-type: application/json", "user-agent: stepdown", f"authorization: bearer {KEY}"}
    assert needed | {"content-length: 2"} <= set(head)
