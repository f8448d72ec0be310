"""Web addresses: read, checked and joined."""

import re
from functools import lru_cache
from urllib.parse import SplitResult, urlsplit, urlunsplit

from stepdown.errors import UsageError

_ENDS = ("/chat/completions", "/completions", "/responses", "/messages")


def clean_address(address: str, variable: str) -> str:
    """Return a base URL without a last slash, and without a dialect's path at its end.

    Raises `UsageError` for what is no web address.
    """
    try:
        parts = split_address(address)
    except ValueError as error:
        raise _no_address(address, variable, f" ({error})") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise _no_address(address, variable)
    path = parts.path.rstrip("/")
    for end in _ENDS:
        path = path.removesuffix(end)
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))


def _no_address(address: str, variable: str, why: str = "") -> UsageError:
    return UsageError(
        f"`{variable}` is `{bare_address(address)}`, which is no web address{why}",
        f"export {variable}=http://HOST:PORT/v1",
    )


def split_address(address: str) -> SplitResult:
    """Return the parts of an address; raises `ValueError` where one of them cannot be right, and says which."""
    if any(one.isspace() or not one.isprintable() for one in address):
        raise ValueError("a blank or a control character in it")
    parts = urlsplit(address)
    if parts.port == 0:
        raise ValueError("no port is 0")
    if not (parts.hostname or "").isascii():
        # As the name server would be asked: a label that is too long or empty raises here.
        (parts.hostname or "").encode("idna")
    elif any(not 0 < len(label) < 64 for label in (parts.hostname or "x").rstrip(".").split(".")):
        raise ValueError("a part of the host name is empty or too long")
    return parts


@lru_cache(maxsize=1024)
def join_address(base: str, path: str) -> str:
    """Return the address with a path added before its query."""
    parts = urlsplit(base)
    return urlunsplit((parts.scheme, parts.netloc, parts.path + path, parts.query, ""))


def bare_address(address: str) -> str:
    """Return the address without user name, password, query and fragment, also of one that cannot be parsed."""
    try:
        parts = urlsplit(address)
    except ValueError:
        scheme, mark, rest = address.partition("://")
        bare = re.split(r"[?#]", rest or scheme)[0].rpartition("@")[2]
        return f"{scheme}{mark}{bare}" if mark else bare
    if not parts.netloc and "@" in address:
        return re.split(r"[?#]", address)[0].rpartition("@")[2]
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
