"""Whichever client makes a connection, what breaks it is called the same."""

import asyncio
import gzip
import logging
import socket
import tracemalloc
from collections.abc import Callable, Coroutine
from contextlib import ExitStack, suppress
from importlib.util import find_spec
from typing import Any
from unittest.mock import patch

import aiohttp
import pytest

from chat_calls import KEY, chat_model
from raw_server import END, http, raw_server
from stepdown.errors import EndpointRefused
from stepdown.loops import run_loop
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


def broken(url: str, *, direct: bool, timeout: float = 0.2) -> Exception:
    """Return what a request to an address is broken by, as calls are told of it."""
    endpoint = endpoint_at(url, "m")

    async def main() -> Exception:
        session = open_session(endpoint, timeout, direct=direct)
        try:
            _, error = await read_body(await session.post(url, b"{}"))
        except (OSError, ValueError, aiohttp.ClientError) as raised:
            error = raised
        finally:
            await session.close()
        assert error is not None, "something breaks it"
        return read_break(endpoint, error, timeout)

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


def bodies(url: str, times: int, *, direct: bool = True) -> list[tuple[int, bytes]]:
    """Return status and body of so many requests, one after another in one session."""

    async def main() -> list[tuple[int, bytes]]:
        session, found = open_session(endpoint_at(url, "m"), 5.0, direct=direct), []
        for _ in range(times):
            response = await session.post(url, b"{}")
            body, error = await read_body(response)
            assert error is None
            found.append((response.status, body))
        await session.close()
        return found

    return asyncio.run(main())


ODD: dict[str, bytes] = {
    "early hints": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" + http(b"{}"),
    "line feeds alone": http(b"{}").replace(b"\r\n", b"\n"),
    "a folded header": http(b"{}", "X-Long: one\r\n two"),
    "blanks behind a chunk's size": http(b"2  \r\n{}\r\n0\r\n\r\n", "Transfer-Encoding: chunked"),
    "no length": b"HTTP/1.0 200 OK\r\n\r\n{}",
}
STRAY: dict[str, bytes] = {
    "behind the compressed ones": http(gzip.compress(b"{}") + b"?" * 100, "Content-Encoding: gzip"),
    "behind the body": http(b"{}").replace(b"Connection: close\r\n", b"") + b"HTTP/1.1 200 OK\r\n\r\n[]",
}


@pytest.mark.parametrize("direct", [True, False], ids=["direct", "aiohttp"])
@pytest.mark.parametrize("oddity", ODD)
def test_either_client_reads_what_servers_send(oddity: str, direct: bool) -> None:
    with raw_server(ODD[oddity]) as server:
        assert bodies(server.url, 2, direct=direct) == [(200, b"{}")] * 2


@pytest.mark.parametrize("where", STRAY)
def test_bytes_that_belong_to_no_reply_are_dropped(where: str) -> None:
    with raw_server(STRAY[where]) as server:
        assert bodies(server.url, 2) == [(200, b"{}")] * 2


@pytest.mark.parametrize("key", ["k\r\nX-Other: 1", "k\nX-Other: 1", "k\0", "\udc80"])
def test_a_key_that_would_begin_another_header_or_is_no_text_is_not_sent(key: str) -> None:
    async def main(url: str) -> Exception:
        endpoint = endpoint_at(url, "m", key=key)
        session = open_session(endpoint, 5.0)
        with pytest.raises(ValueError) as raised:
            await session.post(url, b"{}")
        await session.close()
        return read_break(endpoint, raised.value, 5.0)

    with raw_server(http(b"{}")) as server:
        assert isinstance(asyncio.run(main(server.url)), EndpointRefused)
        assert not server.heads


def test_bytes_without_end_behind_a_compressed_body_take_no_memory() -> None:
    junk = b"?" * (1 << 20)
    sent = [http(gzip.compress(b"{}"), "Content-Encoding: gzip", f"Content-Length: {99 << 20}"), *([junk] * 24)]
    with raw_server(sent) as server:
        tracemalloc.start()
        error = broken(server.url, direct=True, timeout=5.0)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert isinstance(error, RetryableError) and error.reason == "the body of the reply was cut off"
    assert peak < 12 << 20


def test_a_server_that_changes_the_protocol_is_a_dropped_connection(caplog: pytest.LogCaptureFixture) -> None:
    sent = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"
    with raw_server(sent) as server, caplog.at_level(logging.ERROR, "asyncio"):
        error = broken(server.url, direct=True)
    assert isinstance(error, RetryableError) and error.reason.startswith("the connection was dropped")
    assert not caplog.records


@pytest.mark.parametrize("loop", [asyncio.run, run_loop])
def test_where_one_address_of_a_host_is_silent_the_next_one_is_asked(
    loop: Callable[[Coroutine[Any, Any, float]], float],
) -> None:
    async def main(silent: tuple[str, int], port: int) -> float:
        here = asyncio.get_running_loop()
        with patch.object(type(here), "getaddrinfo", resolve):
            session = DirectSession({}, timeout=20.0, connect=15.0, idle=5.0)
            began = here.time()
            response = await session.post(f"http://two.example:{port}/v1", b"{}")
            assert await read_body(response) == (b"{}", None)
            await session.close()
        return here.time() - began

    async def resolve(_: object, host: str, at: int, **options: object) -> list[Any]:
        places = [silent, ("127.0.0.1", port)] if host == "two.example" else [(host, at)]
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", place) for place in places]

    with raw_server(http(b"{}")) as server, socket.socket() as full, ExitStack() as waiting:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        silent, port = full.getsockname(), int(server.url.split(":")[2].split("/")[0])
        for _ in range(4):  # what comes after these is not even refused
            one = waiting.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(silent)
        with pytest.raises(TimeoutError):
            socket.create_connection(silent, 0.3)
        assert 0.2 < loop(main(silent, port)) < 5


def test_connections_that_rested_too_long_are_closed_while_another_is_used() -> None:
    ended: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"{}"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        ended.append(writer)
        writer.close()

    async def main() -> list[int]:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        session = DirectSession({}, timeout=5.0, connect=5.0, idle=0.3)
        for response in await asyncio.gather(*(session.post(url, b"{}") for _ in range(4))):
            await read_body(response)
        counts = [len(ended)]
        for _ in range(5):
            await asyncio.sleep(0.1)
            await read_body(await session.post(url, b"{}"))
        counts.append(len(ended))
        await session.close()
        await asyncio.sleep(0.1)
        server.close()
        return [*counts, len(ended)]

    assert asyncio.run(main()) == [0, 3, 4]
