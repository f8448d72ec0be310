"""Who is let in and how much they may send."""

import msgspec

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class AccessRules(msgspec.Struct, frozen=True, kw_only=True):
    """Who is let in and how much they may send.

    `hosts` are the names under which the server may be asked, `any_address` whether any address in figures will do
    too (no foreign name can point there), `page_bytes` and `call_bytes` the largest bodies of either,
    `body_seconds` how long one may take to arrive. `verbose` writes a line per request to stderr. `origins` are the
    sites whose pages may ask the endpoint, `read_only` lets nothing be changed and no model be asked.
    """

    hosts: frozenset[str] = LOOPBACK
    any_address: bool = False
    page_bytes: int = 256 << 10
    call_bytes: int = 2 << 20
    body_seconds: float = 15.0
    verbose: bool = False
    origins: frozenset[str] = frozenset()
    read_only: bool = False
