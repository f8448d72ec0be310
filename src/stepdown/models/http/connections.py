"""Connections to an endpoint: how they are opened, through which proxy, and what it means when they break."""

from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from stepdown.errors import EndpointRefused, UsageError
from stepdown.models.environment import unquoted
from stepdown.models.http.addresses import bare_address, split_address
from stepdown.models.http.endpoints import Endpoint
from stepdown.models.http.limits import RetryableError

if TYPE_CHECKING:
    from aiohttp import ClientSession

CONNECT_TIMEOUT = 15.0


def open_session(endpoint: Endpoint, timeout: float) -> "ClientSession":
    """Return a session for an endpoint; `timeout` is in seconds per request.

    A user and password in the address are what is sent: one request carries one authorization, and whoever wrote
    them there meant this address.
    """
    import aiohttp

    headers = {"Content-Type": "application/json", "User-Agent": "stepdown", **endpoint.dialect.headers}
    header = endpoint.key_header or endpoint.dialect.key_header
    is_bearer = header == "Authorization"
    if endpoint.key and not (is_bearer and "@" in urlsplit(endpoint.base).netloc):
        headers[header] = ("Bearer " if is_bearer else "") + endpoint.key.reveal()
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=timeout, sock_connect=CONNECT_TIMEOUT),
        headers=headers,
    )


def read_break(endpoint: Endpoint, error: Exception, timeout: float) -> Exception:
    """Return what a connection that could not be made or broke means."""
    import aiohttp

    at = f"`{endpoint.source}`"
    hint = endpoint.start or "start the server, or mend the address"
    if isinstance(error, aiohttp.ClientSSLError):
        return EndpointRefused(f"the certificate of {at} is not accepted", "mend the address or the certificate")
    if isinstance(error, aiohttp.ClientProxyConnectionError | aiohttp.ClientHttpProxyError):
        return EndpointRefused(f"the proxy on the way to {at} does not answer", "mend `HTTPS_PROXY`, or set `NO_PROXY`")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return RetryableError(f"no address is known for {at}", kind="unreachable", hint=hint)
    if isinstance(error, aiohttp.ClientConnectorError):
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
