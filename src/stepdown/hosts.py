"""Whether a host can be reached at all, asked before a client that would retry for long."""

import socket
from urllib.parse import urlsplit


def reach(address: str, seconds: float) -> None:
    """Raise `OSError` where the host of a web address cannot be reached; a proxy is left to the client."""
    from urllib.request import getproxies  # 20 ms to import, needed only here

    where = urlsplit(address)
    if where.hostname and not getproxies().keys() & {"http", "https", "all"}:
        port = where.port or (80 if where.scheme == "http" else 443)
        socket.create_connection((where.hostname, port), timeout=seconds).close()
