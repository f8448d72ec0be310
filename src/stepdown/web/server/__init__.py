"""The server: a bound address, its connections, and how bytes leave them."""

from stepdown.web.server.serving import address_of, bind, serve

__all__ = [
    "address_of",
    "bind",
    "serve",
]
