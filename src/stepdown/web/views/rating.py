"""Who rates, and how far they are through what was drawn for all raters."""

from collections.abc import Mapping
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from stepdown.errors import UsageError
from stepdown.web.views.cookies import RATER, keep_rater, kept

MOST_DRAWN, LONGEST_NAME = 10_000, 100
_NUMBERS = {"n": (1, MOST_DRAWN), "seed": (0, 10**9)}


class Rating(msgspec.Struct, frozen=True, kw_only=True):
    """How far a rater is: what was drawn, in its order, and of it what they have dealt with, or skipped."""

    drawn: tuple[str, ...]
    dealt: frozenset[str] = frozenset()
    skipped: frozenset[str] = frozenset()

    def next(self, after: str = "") -> str:
        """Return what else is to be dealt with behind one, from the start again at the end; empty where nothing is."""
        start = self.drawn.index(after) + 1 if after in self.drawn else 0
        return next((one for one in self.drawn[start:] + self.drawn[:start] if one not in self.dealt), "")

    def beside(self, at: str) -> tuple[str, str]:
        """Return what was drawn before and after one, empty at either end."""
        place = self.drawn.index(at)
        return "".join(self.drawn[max(0, place - 1) : place]), "".join(self.drawn[place + 1 : place + 2])

    def place(self, at: str) -> int:
        """Return the number of one in the order, from 1."""
        return self.drawn.index(at) + 1


def rater_of(request: Request, form: Mapping[str, str] | None = None) -> str:
    """Return who rates: as a form says it, otherwise as this browser has kept it; empty where nobody has said."""
    given = (form or {}).get("rater", "")
    return " ".join(given.split())[:LONGEST_NAME] if form is not None else kept(request, RATER)


def named(answer: Response, rater: str) -> Response:
    """Let a browser keep who rates. Raises `UsageError` for what is no name."""
    if not rater or not rater.isprintable():
        raise UsageError("nobody is named", "say your name first: it stands beside what you say")
    return keep_rater(answer, rater)


def asked_number(request: Request, name: str, usual: int) -> int:
    """Return a number that an address asks for. Raises `UsageError`."""
    given = request.query_params.get(name, "")
    least, most = _NUMBERS[name]
    if not given:
        return usual
    if not given.isdecimal() or not given.isascii() or len(given) > 10 or not least <= int(given) <= most:
        raise UsageError(f"`{name}={given[:20]}` is no number from {least} to {most:,}", f"give one, such as {usual}")
    return int(given)


def address_with(path: str, asked: Mapping[str, object], usual: Mapping[str, object], **more: str) -> str:
    """Return an address of a path that asks for something; what is as usual is left out."""
    pairs = [(name, str(value)) for name, value in asked.items() if value != usual[name]]
    pairs += [(name, value) for name, value in more.items() if value]
    return path + (f"?{urlencode(pairs, errors='replace')}" if pairs else "")
