"""A process that opens no connection: what a model asks of it cannot be paid for, whatever the model makes it load."""

import sys
from typing import Any

from stepdown.errors import UsageError

_LEAVING = frozenset(
    {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.sendmsg"}
)


def refuse_connections() -> None:
    """Have this process refuse to connect to anything or to look up a host, from now to its end."""
    sys.addaudithook(_refuse)


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _LEAVING:
        raise UsageError(
            "`stepdown mcp` opens no connection, and this would take one", "give the command to `stepdown` itself"
        )
