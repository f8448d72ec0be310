"""Addresses of pages: a problem's, whatever its id holds, the one a request came to, and the one to go back to."""

from typing import Literal
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.types import Scope

Room = Literal["plans", "solved", "traces", "verdicts", "annotations", "reviews"]
BACK = "back"  # the field of a form that says where its page was
_MOST = 4000


def address(run: str, room: Room, problem: str, /, **parameters: object) -> str:
    """Return the address of a problem's page in a run, with what is asked of it; empty values are left out.

    The id stands in the path where it can. A browser takes `.` and `..` out of a path, even written `%2e`, and the
    server refuses control characters there: such an id stands after the `?`.
    """
    base = f"/reviews/{quote(run, safe='')}" if room == "reviews" else f"/runs/{quote(run, safe='')}/{room}"
    plain = bool(problem) and problem.isprintable() and not {".", ".."} & set(problem.split("/"))
    pairs = [] if plain else [("problem", problem)]
    pairs += [(name, str(value)) for name, value in parameters.items() if value not in ("", None)]
    query = urlencode(pairs, errors="replace")
    return f"{base}/{quote(problem, safe='/', errors='replace') if plain else ''}" + (f"?{query}" if query else "")


def place_of(request: Request) -> tuple[str, str]:
    """Return the run and the problem that an address names."""
    return request.path_params["run"], request.path_params["problem"] or request.query_params.get("problem", "")


def own(scope: Scope) -> str:
    """Return the address that a request came to, as it was written: path and query."""
    query = scope["query_string"].decode("ascii", "replace")
    return quote(scope["path"]) + (f"?{query}" if query else "")


def inside(given: str, otherwise: str = "/") -> str:
    """Return an address only if it leads to a page of this server, otherwise another."""
    is_path = given.startswith("/") and not given.startswith(("//", "/\\")) and given.isprintable()
    return given if is_path and given.isascii() and len(given) <= _MOST else otherwise
