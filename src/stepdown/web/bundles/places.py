"""Which addresses of the pages are in a bundle, and the file that each becomes."""

import re
from collections.abc import Sequence
from hashlib import blake2b
from urllib.parse import parse_qsl, quote, unquote, urlencode

import msgspec

from stepdown.web.pages.matrix import MOST as MOST_COLUMNS

SEARCH = "/search"
STATIC = "/static/"
# Addresses with what of their query makes another page; whatever else is asked there is left out.
_KNOWN: tuple[tuple[re.Pattern[str], frozenset[str]], ...] = tuple(
    (re.compile(pattern), frozenset(names.split()))
    for pattern, names in (
        (r"/", "page"),
        (r"/compare", "baseline pair kind page"),
        (r"/matrix", "where dataset page"),
        (r"/charts/[a-z]+\.svg", "baseline scheme"),
        (r"/runs/[^/]+", "where page"),
        (r"/runs/[^/]+/audit", ""),
        (r"/runs/[^/]+/traces/.*", "problem sample"),
        (r"/runs/[^/]+/solved/.*", "problem by"),
        (r"/runs/[^/]+/queue", "at"),
        (r"/runs/[^/]+/plans/.*", "problem"),
        (r"/cascade(\.svg)?", "cheap dear scheme"),
        (r"/studies(/[^/]+)?", ""),
        (r"/studies/[^/]+/[a-z]+\.svg", "scheme"),
        (r"/corpora", ""),
        (r"/corpora/[^/]+", "problem"),
        (SEARCH, ""),
    )
)
# What an address says where it says nothing.
_USUAL = {"page": "1", "sample": "0", "kind": "any"}
_OF_ALL = re.compile(r"/(compare|matrix|charts/.*)")
_PLAIN = re.compile(r"[a-z0-9][a-z0-9_-]{0,79}(\.svg)?")
_UNSAFE = re.compile(r"[^a-z0-9_-]+")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)")
_LONGEST = 40


class BundledPage(msgspec.Struct, frozen=True):
    """A page of a bundle: its path among the pages, with the part of its query that counts."""

    path: str
    query: tuple[tuple[str, str], ...] = ()

    def address(self, runs: Sequence[str], baseline: str = "") -> str:
        """Return where the application has it; what compares runs compares all of the bundle with the baseline."""
        of_all = _OF_ALL.fullmatch(self.path) and not any(name in {"run", "dataset"} for name, _ in self.query)
        # A matrix of more runs is one of the newest of a data set.
        is_wide = self.path == "/matrix" and len(runs) > MOST_COLUMNS
        pairs = [("run", run) for run in runs] if of_all and not is_wide else []
        has_own = any(name == "baseline" for name, _ in self.query)
        pairs += [("baseline", baseline)] if pairs and baseline and not has_own else []
        query = urlencode([*pairs, *self.query], errors="replace")
        return quote(self.path, safe="/~") + (f"?{query}" if query else "")

    @property
    def file(self) -> str:
        """Return its file's path in the bundle: small letters, digits and hyphens, so that every file system has it."""
        if self.path == "/":
            parts, ending = ["index"], ".html"
        else:
            parts, ending = [_part(one) for one in self.path.strip("/").split("/")], ".html"
        if parts[-1].endswith(".svg"):
            parts[-1], ending = parts[-1].removesuffix(".svg"), ".svg"
        more = "".join(f".{name}-{_part(value)}" for name, value in self.query)
        return "/".join(parts) + more + ending


def _part(text: str) -> str:
    """Return a piece of an address as a file system takes it; what had to be changed is has_own apart by a hash."""
    if _PLAIN.fullmatch(text) and not _RESERVED.fullmatch(text):
        return text
    mark = blake2b(text.encode("utf-8", "replace"), digest_size=5).hexdigest()
    return f"{_UNSAFE.sub('-', text.lower())[:_LONGEST].strip('-') or 'x'}-{mark}"


def place_at(address: str, corpus_problems: int = 0) -> BundledPage | None:
    """Return the page of a bundle that an address leads to, None for what no bundle has.

    Of a corpus it has the first problems.
    """
    path, _, query = address.partition("#")[0].partition("?")
    path = unquote(path)
    for pattern, names in _KNOWN:
        if pattern.fullmatch(path):
            pairs = {name: value for name, value in parse_qsl(query) if name in names and value != _USUAL.get(name)}
            if path.startswith("/corpora/") and not _is_shown(pairs.get("problem", "1"), corpus_problems):
                return None
            return BundledPage(path, (*_pair(path, query), *sorted(pairs.items())))
    return None


def _is_shown(problem: str, most: int) -> bool:
    return problem.isdecimal() and len(problem) < 9 and int(problem) <= most


def _pair(path: str, query: str) -> list[tuple[str, str]]:
    """Return the two runs that a matrix of what one won against the other is of; other matrices are of all runs."""
    runs = [pair for pair in parse_qsl(query) if pair[0] == "run"]
    return runs if path == "/matrix" and len(runs) == 2 and ("where", "won") in parse_qsl(query) else []
