"""A page of the server made a file: its links lead to files, and what needs a server is gone. The one place for it.

In our pages `<` and `"` stand for markup alone: every text is escaped.
"""

import re
from collections.abc import Callable
from html import escape, unescape
from posixpath import dirname, relpath

from stepdown.web.bundles.places import STATIC, BundledPage

# A file has no head of its own, so the policy is said inside. A style may be in no attribute either.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "form-action 'none'; base-uri 'none'"
)
_SCRIPTS = frozenset(
    {
        "katex.min.js",
        "katex-auto-render.min.js",
        "app.js",
        "tables.js",
        "matrix.js",
        "bundle_search.js",
        "search-index.js",
    }
)
_ANCHOR = re.compile(r"<a\b([^>]*)>(.*?)</a>", re.DOTALL)
_HREF = re.compile(r'\bhref="([^"]*)"')
_SOURCE = re.compile(r'<(img|source|link)\b([^>]*?)\b(src|srcset|href)="([^"]*)"')
_SCRIPT = re.compile(r'<script\b([^>]*?)\bsrc="([^"]*)"([^>]*)></script>\n?')
_FORM = re.compile(r"<form\b.*?</form>\n?", re.DOTALL)
_TICK = re.compile(r'<input\b[^>]*\bform="[^"]*"[^>]*>')
_LIVE = re.compile(r' (?:hx-[a-z-]+|data-live|data-draft|data-at-once)(?:="[^"]*")?')
_HTMX = re.compile(r'<meta name="htmx-config"[^>]*>\n?')
_BUTTON = re.compile(r'\bclass="[^"]*\bbutton\b')

Find = Callable[[str], BundledPage | None]


def as_file(html: str, own: str, find: Find) -> str:
    """Return a page as the file at `own`; `find` gives the page of the bundle that an address leads to."""

    def to(address: str) -> str | None:
        """Return a link from this file, None where nothing is there."""
        plain, _, fragment = unescape(address).partition("#")
        if not plain:
            return address
        file = plain.partition("?")[0][1:] if plain.startswith(STATIC) else None
        place = None if file else find(plain)
        if file is None and place is None:
            return None
        link = relpath(file or (place.file if place else ""), dirname(own) or ".")
        return escape(link) + (f"#{escape(fragment)}" if fragment else "")

    html = _HTMX.sub("", _FORM.sub("", html))
    html = _LIVE.sub("", _TICK.sub("", html))
    html = _SCRIPT.sub(lambda found: _script(found, to), html)
    html = _SOURCE.sub(lambda found: _drawn_in(found, to), html)
    html = _ANCHOR.sub(lambda found: _anchor(found, to), html)
    policy = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
    return html.replace('<meta charset="utf-8">\n', f'<meta charset="utf-8">\n{policy}', 1)


def _script(found: re.Match[str], to: Callable[[str], str | None]) -> str:
    name = found[2].rpartition("/")[2].partition("?")[0]
    return f'<script{found[1]}src="{to(found[2])}"{found[3]}></script>\n' if name in _SCRIPTS else ""


def _drawn_in(found: re.Match[str], to: Callable[[str], str | None]) -> str:
    link = to(found[4])
    return found[0] if link is None else f'<{found[1]}{found[2]}{found[3]}="{link}"'


def _anchor(found: re.Match[str], to: Callable[[str], str | None]) -> str:
    """Return a link to a file; what leads nowhere here is its text, and nothing where it was a button."""
    href = _HREF.search(found[1])
    link = to(href[1]) if href else None
    if href and link is not None:
        return f'<a{found[1][: href.start()]}href="{link}"{found[1][href.end() :]}>{found[2]}</a>'
    return "" if _BUTTON.search(found[1]) else f"<span>{found[2]}</span>"


def links_in(html: str) -> list[str]:
    """Return the addresses that a page leads to or draws in."""
    found = [match[1] for match in _HREF.finditer(html)] + [match[4] for match in _SOURCE.finditer(html)]
    return [unescape(one) for one in found if not one.startswith("#")]
