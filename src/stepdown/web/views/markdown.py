"""Markdown of models drawn as HTML: marks of text alone, no links, pictures or HTML of its own, formulas untouched.

What a model writes is hostile. The renderer lets no HTML through and knows no links or pictures; what it gives is then
read again and held against the few elements that may stand there, and shown as it was written where anything differs.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from html import unescape
from html.parser import HTMLParser
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup, escape

LONGEST = 20_000
MOST_LINES, MOST_MARKS = 2_000, 3_000
_NESTED = 20
# Letters of the private use area that stand for what Markdown must not read; those of a text are shown as unknown.
_PRIVATE = re.compile("[\ue000-\ue0ff]")
_FORMULA, _END, _MARK, _UNMARK, _STAR, _PLUS = "\ue000", "\ue001", "\ue002", "\ue003", "\ue004", "\ue005"
_BACK = {_MARK: '<mark title="the answer was found here">', _UNMARK: "</mark>", _STAR: "*", _PLUS: "+"}
_OPENING = re.compile(r"\\begin\{([a-zA-Z]{1,20}\*?)\}|\$\$|\\\[|\\\(|\$")
_CLOSING = {"$$": "$$", "\\[": "\\]", "\\(": "\\)", "$": "$"}
_LONGEST_FORMULA = 4_000
# Products and sums are no emphasis and no list: `2*3*4`, and a line that goes on with `+ 5`.
_PRODUCT = re.compile(r"(?<=[\w)\]}])\*+(?=[\w(\[{\\])")
_SUM = re.compile(r"^( *)\+(?= )", re.MULTILINE)
_WORDS = ("p", "br", "strong", "em", "s", "code", "pre", "ol", "ul", "li", "blockquote", "hr", "mark")
_ELEMENTS = frozenset({*_WORDS, "table", "thead", "tbody", "tr", "th", "td"})
_PLAIN = frozenset({"p", "br", "mark"})
_EMPTY = frozenset({"br", "hr"})
_FENCE = re.compile(r"^ *(```|~~~).*$", re.MULTILINE)
_OFF = ("html_block", "html_inline", "link", "image", "autolink", "reference", "entity", "code", "lheading")


def markdown(
    text: str, mark: tuple[int, int] | None = None, *, single: bool = False, line: bool = False
) -> Markup | None:
    """Return a text's Markdown as HTML, a passage of it marked; `single` says that one $ opens a formula.

    `line` draws the marks of one line alone, without paragraphs. None where there is nothing to draw, where a text is
    too long, or where its HTML would hold what it may not or not all of it: it is shown as it was written then.
    """
    if len(text) > LONGEST or text.count("\n") > MOST_LINES or sum(map(text.count, "*_~`|")) > MOST_MARKS:
        return None
    formulas: list[str] = []
    source = _kept_apart(_PRIVATE.sub("\ufffd", text), mark, formulas, single=single)
    try:
        html = _renderer().renderInline(source) if line else _renderer().render(source)
    except RecursionError:
        return None
    for letter, back in _BACK.items():
        html = html.replace(letter, back)
    html = re.sub(f"{_FORMULA}([0-9]+){_END}", lambda found: str(escape(formulas[int(found[1])])), html)
    reader = _Reader()
    reader.feed(html)
    reader.close()
    if reader.seen <= _PLAIN:
        return None
    # What is nested too deep is left out by the renderer.
    whole = _letters(_FENCE.sub("", text)) <= _letters("".join(reader.texts))
    return Markup(html) if reader.is_fine and not reader.open and whole else None


def written(text: str, mark: tuple[int, int] | None = None) -> Markup:
    """Return a text as it was written, escaped, with a passage of it marked."""
    if mark is None:
        return escape(text)
    before, marked, after = (escape(one) for one in (text[: mark[0]], text[mark[0] : mark[1]], text[mark[1] :]))
    return Markup(f"{before}{_BACK[_MARK]}{marked}{_BACK[_UNMARK]}{after}")


def _kept_apart(text: str, mark: tuple[int, int] | None, formulas: list[str], *, single: bool) -> str:
    """Return a text with letters in the place of its formulas, of products and of the ends of its mark."""
    start, end = mark or (-1, -1)
    parts: list[str] = []
    at = 0
    for first, last in (*_formulas(text, single=single), (len(text), len(text))):
        parts.append(_passage(text, at, first, (start, end)))
        if last > first:
            formulas.append(text[first:last])
            held = f"{_FORMULA}{len(formulas) - 1}{_END}"
            # A formula is drawn as one piece: a mark that touches it holds all of it.
            opens, closes = first <= start < last, first < end <= last
            parts.append(_MARK * opens + held + _UNMARK * closes)
        at = last
    return "".join(parts)


def _formulas(text: str, *, single: bool) -> Iterator[tuple[int, int]]:
    """Stream the first and last place of each formula; what is never closed is looked for once."""
    at, unclosed = 0, set[str]()
    while found := _OPENING.search(text, at):
        opening, at = found[0], found.end()
        closing = _CLOSING.get(opening) or f"\\end{{{found[1]}}}"
        if opening in unclosed or (opening == "$" and not single):
            continue
        end = text.find(closing, at)
        if end < 0:
            unclosed.add(opening)
        elif 0 < end - at <= _LONGEST_FORMULA and not (opening == "$" and "\n" in text[at:end]):
            at = end + len(closing)
            yield found.start(), at


def _letters(text: str) -> int:
    return sum(map(str.isalpha, text))


def _passage(text: str, first: int, last: int, mark: tuple[int, int]) -> str:
    """Return what stands between two formulas, with the ends of the mark that fall there."""
    cuts = sorted({first, last, *(one for one in mark if first <= one < last or first < one == last)})
    pieces = []
    for one, other in zip(cuts, (*cuts[1:], cuts[-1]), strict=True):
        pieces.append(_UNMARK * (one == mark[1] and one > first) + _MARK * (one == mark[0] and one < last))
        pieces.append(text[one:other])
    held = _PRODUCT.sub(lambda found: _STAR * len(found[0]), "".join(pieces))
    return _SUM.sub(rf"\1{_PLUS}", held)


@cache
def _renderer() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": False, "breaks": True, "maxNesting": _NESTED})
    made.enable(["table", "strikethrough"]).disable(list(_OFF))
    for kind in ("heading", "th", "td"):
        made.add_render_rule(f"{kind}_open", _open)
    made.add_render_rule("heading_close", _close)
    made.add_render_rule("fence", _fence)
    return made


def _open(self: Any, tokens: Sequence[Token], index: int, *rest: object) -> str:
    """Open a heading as a paragraph in bold, which is no heading of the page; a cell without a style of its own."""
    tag = tokens[index].tag
    return "<p><strong>" if tag.startswith("h") and tag[1:].isdigit() else f"<{tag}>"


def _close(self: Any, tokens: Sequence[Token], index: int, *rest: object) -> str:
    return "</strong></p>\n"


def _fence(self: Any, tokens: Sequence[Token], index: int, *rest: object) -> str:
    return f"<pre><code>{escape(tokens[index].content)}</code></pre>\n"


class _Reader(HTMLParser):
    """Reads HTML and says whether it has known elements alone, closed in their order, without attributes."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.texts: list[str] = []
        self.is_fine = True

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_entityref(self, name: str) -> None:
        self.texts.append(unescape(f"&{name};"))

    def handle_charref(self, name: str) -> None:
        self.texts.append(unescape(f"&#{name};"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        known = tag in _ELEMENTS and (not attrs or _is_known(tag, attrs))
        self.is_fine = self.is_fine and known and len(self.open) <= 2 * _NESTED
        if tag not in _EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self.is_fine = self.is_fine and bool(self.open) and self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.is_fine = self.is_fine and tag in _EMPTY and not attrs

    def handle_comment(self, data: str) -> None:
        self.is_fine = False

    def handle_decl(self, decl: str) -> None:
        self.is_fine = False

    def handle_pi(self, data: str) -> None:
        self.is_fine = False

    def unknown_decl(self, data: str) -> None:
        self.is_fine = False


def _is_known(tag: str, attrs: list[tuple[str, str | None]]) -> bool:
    (name, value), *more = attrs
    return not more and (
        (tag, name) == ("mark", "title") or ((tag, name) == ("ol", "start") and str(value).isdecimal())
    )
