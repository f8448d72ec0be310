"""Connections to an endpoint: how they are opened, through which proxy, and what it means when they break."""

import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from stepdown.errors import EndpointRefused, UsageError
from stepdown.extras import has
from stepdown.models.environment import unquoted
from stepdown.models.http.addresses import bare_address, split_address
from stepdown.models.http.endpoints import Endpoint
from stepdown.models.http.limits import RetryableError

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

CONNECT_TIMEOUT, IDLE_TIMEOUT = 15.0, 30.0


class HttpResponse(Protocol):
    """A response whose body is still to be read."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The head, by names in any case."""
        ...

    async def read(self) -> bytes:
        """Return the next bytes of the body, none at its end."""
        ...

    def close(self) -> None:
        """Drop the connection, whatever more comes."""
        ...


class HttpSession(Protocol):
    """Kept-alive connections to an address. What breaks is raised as `OSError`, `ValueError` or aiohttp's errors."""

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        ...

    async def post(self, url: str, data: bytes) -> HttpResponse:
        """Return a response whose body is still to be read."""
        ...

    async def get(self, url: str) -> HttpResponse:
        """Return a response whose body is still to be read."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


class _Response:
    def __init__(self, response: "ClientResponse") -> None:
        self.status, self.headers = response.status, response.headers
        self.read, self.close = response.content.readany, response.close


class _Session:
    def __init__(self, session: "ClientSession", proxy: str | None) -> None:
        self._session, self._proxy = session, proxy
        self.close = session.close

    @property
    def closed(self) -> bool:
        return self._session.closed

    async def post(self, url: str, data: bytes) -> _Response:
        return _Response(await self._session.post(url, data=data, allow_redirects=False, proxy=self._proxy))

    async def get(self, url: str) -> _Response:
        return _Response(await self._session.get(url, allow_redirects=False, proxy=self._proxy))


def open_session(endpoint: Endpoint, timeout: float, *, direct: bool = True) -> HttpSession:
    """Return a session for an endpoint in this event loop; `timeout` is in seconds per request.

    A plain HTTP address without a proxy is asked by `DirectSession` where `direct` and the extra `fast` allow it.

    A user and password in the address are what is sent: one request carries one authorization, and whoever wrote
    them there meant this address. Raises `UsageError` for a proxy of the environment that is none.
    """
    headers, proxy = _headers(endpoint), find_proxy(endpoint.url)
    if direct and proxy is None and urlsplit(endpoint.url).scheme == "http" and has("httptools"):
        from stepdown.models.http.direct import DirectSession

        return DirectSession(headers, timeout=timeout, connect=CONNECT_TIMEOUT, idle=IDLE_TIMEOUT)
    return _Session(open_client(endpoint, timeout), proxy)


def open_client(endpoint: Endpoint, timeout: float) -> "ClientSession":
    """Return aiohttp's session for an endpoint, which a proxy has to be named to at each request."""
    import aiohttp

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_TIMEOUT),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=timeout, sock_connect=CONNECT_TIMEOUT),
        headers=_headers(endpoint),
    )


def _headers(endpoint: Endpoint) -> dict[str, str]:
    headers = {"Content-Type": "application/json", "User-Agent": "stepdown", **endpoint.dialect.headers}
    header = endpoint.key_header or endpoint.dialect.key_header
    is_bearer = header == "Authorization"
    if endpoint.key and not (is_bearer and "@" in urlsplit(endpoint.base).netloc):
        headers[header] = ("Bearer " if is_bearer else "") + endpoint.key.reveal()
    return headers


def read_break(endpoint: Endpoint, error: Exception, timeout: float) -> Exception:
    """Return what a connection that could not be made or broke means."""
    import aiohttp

    at = f"`{endpoint.source}`"
    hint = endpoint.start or "start the server, or mend the address"
    if isinstance(error, aiohttp.ClientSSLError):
        return EndpointRefused(f"the certificate of {at} is not accepted", "mend the address or the certificate")
    if isinstance(error, aiohttp.ClientProxyConnectionError | aiohttp.ClientHttpProxyError):
        return EndpointRefused(f"the proxy on the way to {at} does not answer", "mend `HTTPS_PROXY`, or set `NO_PROXY`")
    if isinstance(error, aiohttp.ClientConnectorDNSError | socket.gaierror):
        return RetryableError(f"no address is known for {at}", kind="unreachable", hint=hint)
    if isinstance(error, aiohttp.ClientConnectorError | ConnectionRefusedError):
        return RetryableError(f"nothing listens at {at}", kind="unreachable", hint=hint)
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return RetryableError(f"no connection to {at} within {CONNECT_TIMEOUT:g} s", kind="unreachable", hint=hint)
    if isinstance(error, TimeoutError):
        return RetryableError(f"no reply within {timeout:g} s", kind="silent")
    if isinstance(error, aiohttp.ClientPayloadError):
        return RetryableError("the body of the reply was cut off")
    if isinstance(error, ValueError):
        what = f"no request can be sent to {at} ({type(error).__name__})"
        return EndpointRefused(what, "mend the base URL or the key")
    return RetryableError(f"the connection was dropped ({type(error).__name__})")


def find_proxy(address: str) -> str | None:
    """Return the proxy the environment names for an address (`HTTPS_PROXY`, `ALL_PROXY`); none for this machine.

    Raises `UsageError` for one that is no HTTP proxy.
    """
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(address)
    host = parts.hostname or ""
    if host in {"localhost", "::1"} or host.startswith("127."):
        return None
    # What a list of exceptions holds is foreign too.
    with suppress(Exception):
        if proxy_bypass(host):
            return None
    proxies = getproxies()
    variable = parts.scheme if proxies.get(parts.scheme) else "all"
    named = unquoted(proxies.get(variable) or "")
    return _checked_proxy(named, f"{variable.upper()}_PROXY") if named else None


def _checked_proxy(named: str, variable: str) -> str:
    scheme = named.partition("://")[0].lower() if "://" in named else ""
    if scheme and scheme not in {"http", "https"}:
        raise UsageError(
            f"`{variable}` is `{bare_address(named)}`: proxies of the kind `{scheme}` are not supported",
            "name an HTTP proxy (`http://HOST:PORT`), or set `NO_PROXY` for this endpoint",
        )
    proxy = named if scheme else f"http://{named}"
    try:
        fine = bool(split_address(proxy).hostname)
    except ValueError:
        fine = False
    if not fine:
        raise UsageError(f"`{variable}` is `{bare_address(named)}`, which is no address", "write `http://HOST:PORT`")
    return proxy
