"""LaTeX as answers use it: boxes, one spelling for what differs only in typography, and splitting at commas."""

import re
from functools import lru_cache

from stepdown.answers.unwrapping import sweep, unwrapped

_BRACE = re.compile(r"\\[{}]|\\(?:boxed|fbox)\s{0,3}\{|\\(?:boxed|fbox)\s{1,3}(?P<single>[\w.]+)|[{}]")
_FARTHEST = 200_000
LONGEST = 4000
# Words that stood in `\text{...}` keep marks around them, so that `\text{no}` is never the product n o.
OPEN, CLOSE = "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}", "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}"
_BETWEEN = re.compile(r"\*\*|\\n\\n|[.!?:;]\s|\n\s*\n|\\end|\\\\\s*[^\s\\]")
_JOINING = re.compile(r"[,;&=]|\b(?:and|or)\b|\\q?quad|\A[\s${}()\\]*\Z")
_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{?\s*\Z")
_FURTHEST = 60
# LaTeX that was escaped twice on its way through JSON; `\\\\` before anything else ends a row.
_TWICE = re.compile(
    r"(?<!\\)\\\\(?=(?:boxed|d?frac|sqrt|text|leq?|geq?|infty|cup|pi|left|right|begin|end|cdot|times|in|neq?|pm|circ)"
    r"(?![a-z]))"
)
# `0.333...` repeats its last digits for ever.
_REPEATED = re.compile(r"(?<!\d)(\d{1,9}\.\d{0,9}?)(\d{1,6}?)\2{2,9}(?:\.\.\.|…|\s?\\[cl]?dots(?![a-z]))")
_DELIMITER = re.compile(r"(?<!\\)\\[()\[\]]|(?<!\\)\$")
_WHOLE = re.compile(
    r"[\s$({]*(?:\\[(\[])?\s*\\(?:text|textbf|textrm|textit|mbox|mathrm"
    r"|operatorname)\s*\{([^{}]*)\}[\s$.)}]*(?:\\[)\]])?[\s.]*"
)
_TEXT = re.compile(r"\\(?:text|mathrm|textbf|textrm|textsf|texttt|mbox|mathit|textit|emph)\s*\{([^{}]*)\}")
_GROUPED = re.compile(r"(?<![\d,.])[1-9]\d{0,2}(?:,\d{3})+(?![\d,])(?![^()\[\]]*[)\]])")
_SPELLINGS = [
    (re.compile(pattern), instead)
    for pattern, instead in (
        (r"\\(?:left|right|bigl?|bigr?|Bigl?|Bigr?|biggl?|biggr?|Biggl?|Biggr?)(?![a-zA-Z])\.?", ""),
        (r"\\(?:displaystyle|textstyle|limits)(?![a-zA-Z])|\\q?quad|(?<!\\)\\[,;:! /]|~|`", " "),
        (r"(?<=\d)\{,\}(?=\d{3})", ","),
        (r"(?<=\d),\s(?:\s+)(?=\d{3})", ","),
        (r"\\operatorname\s*\{(sin|cos|tan|log|ln|exp|sec|csc|cot)\}", r"\\\1 "),
        (r"\\operatorname\s*\{([^{}]*)\}", r" \1"),
        (r"\\(?:mathbf|boldsymbol|bm|vec|mathcal|mathsf|overrightarrow)\s*(?:\{([^{}]*)\}|(?=[a-zA-Z]))", r"\1"),
        (r"\\[dtc]frac(?![a-z])", r"\\frac"),
        (r"\\frac\s+(?=\{)", r"\\frac"),
        (r"\\(?:leqslant|leq|le)(?![a-zA-Z])|≤|⩽|<=|=<|&le;", r"\\le "),
        (r"\\(?:geqslant|geq|ge)(?![a-zA-Z])|≥|⩾|>=|&ge;", r"\\ge "),
        (r"\\lt(?![a-zA-Z])|&lt;", "<"),
        (r"\\gt(?![a-zA-Z])|&gt;", ">"),
        (r"\\(?:neq|ne)(?![a-zA-Z])|≠|!=|\\not\s*=", r"\\ne "),
        (r"==", "="),
        (r"\\\{\s*\\\}", r"\\emptyset "),
        (r"(?<![a-zA-Z\d.,])(\d+(?:\.\d+)?)[eE]\+?(-?\d{1,3})(?![\w.])", r"\1*10^{\2}"),
        (r"≈", r"\\approx "),
        (r"∞|\binfinity\b|(?<![\\a-zA-Z])(?:inf|infty|oo)\b", r"\\infty "),
        (r"\+\s*\\infty", r"\\infty"),
        (r"∪|(?<=[)\]}])\s*U\s*(?=[(\[\\])|\\bigcup(?![a-z])", r"\\cup "),
        (r"∩", r"\\cap "),
        (r"∈", r"\\in "),
        (r"∅|\\varnothing(?![a-z])", r"\\emptyset "),
        (r"ℝ|\\R(?![a-zA-Z])|\\mathbb\s*\{?R\}?|‹?\s*\b[Aa]ll real(?: number)?s\b\s*›?", r"\\reals "),
        (r"π|(?<![\\a-zA-Z])pi\b", r"\\pi "),
        (r"±|\+/-|\+-", r"\\pm "),
        (r"√\s*\(|(?<![\\a-z])sqrt\s*\(", r"\\sqrt("),
        (r"√\s*(\d+|[a-z])|(?<![\\a-z])sqrt\s*(\d+|[a-z])", r"\\sqrt{\1\2}"),
        (r"√\s*\{|(?<![\\a-z])sqrt\s*\{", r"\\sqrt{"),
        (r"(?<![\\a-zA-Z])(sin|cos|tan|log|ln|exp)(?=\s*[(^\d])", r"\\\1"),
        (r"²", "^2"),
        (r"³", "^3"),
        (r"\*\*", "^"),
        (r"½", r"\\frac{1}{2}"),
        (r"¼", r"\\frac{1}{4}"),
        (r"¾", r"\\frac{3}{4}"),
        (r"\\(?:cdot|times|ast)(?![a-z])|·|×", "*"),
        (r"\\div(?![a-z])|÷", "/"),
        (r"\\(?:mid|vert)(?![a-z])", "|"),
        (r"\\(?:lbrace|rbrace)(?![a-z])", lambda match: "\\{" if match[0] == "\\lbrace" else "\\}"),
        (r"\\(?:dots|ldots|cdots|dotsc)(?![a-z])|…", "..."),
        (r"\\\$|£|€", ""),
        (r"\\%|％", "%"),
        (r"\^\{?\s*(?:\\circ|\\degree)\s*\}?|\\degree(?![a-z])|\\deg(?![a-z])", "°"),
        (r"(\\(?:sin|cos|tan|sec|csc|cot)\s*[({]?\s*)(\d+(?:\.\d+)?)\s*°", r"\1(\2\\pi/180)"),
    )
]
_ASSIGNED = re.compile(
    r"^\s*(?:[a-zA-Z](?:_\{?\w+\}?)?(?:\^\{-1\})?(?:\([a-zA-Z0-9]\))?|[a-zA-Z]{1,3}"
    r"|\([a-z], ?[a-z]\))\s*(?:=|:|\\in(?![a-z]))\s*(?=\S)"
)
_WORDS = r"(?:[a-zA-Z]{3,}|cm|mm|km|kg|mg|ml|mL|ft|in|of|to|by|per|a|an|the|sq|lb|oz|hr)"
_UNIT = re.compile(
    rf"(?<=[\d)}}.°%\s])\s*(?:{OPEN}[^{OPEN}{CLOSE}]*{CLOSE}|{_WORDS}(?: {_WORDS})*|[msgLhNJWVK])"
    r"(?:\s*/\s*(?:[a-zA-Z]{1,7}|‹[^‹›]*›))?(?:\s*\^\s*\{?-?[1-9]\}?)?\s*\.?$"
)


def boxed(text: str) -> list[tuple[int, int]]:
    """Return the spans of what balanced `\\boxed{...}` and `\\fbox{...}` hold, in order; of nested ones the inner."""
    spans: list[tuple[int, int]] = []
    opened: list[int] = []
    offset = max(0, len(text) - _FARTHEST)
    for match in _BRACE.finditer(text, offset):
        if match[0] == "}":
            begin = opened.pop() if opened else 0
            if begin and (not spans or spans[-1][0] < begin):
                spans.append((begin, match.start()))
        elif match["single"]:
            spans.append(match.span("single"))
        elif match[0][-1] == "{" and match[0][:2] not in ("\\{", "\\}"):
            opened.append(match.end() if match[0] != "{" else 0)
    return spans


def last_boxes(text: str) -> list[tuple[int, int]]:
    """Return the spans of the last boxes that words, commas or names alone part: `\\boxed{1}` and `\\boxed{-2}`."""
    spans = boxed(text)
    first = len(spans) - 1
    while first > 0 and _beside(text[spans[first - 1][1] + 1 : spans[first][0]]):
        first -= 1
    return spans[max(first, 0) :]


def _beside(between: str) -> bool:
    between = _BOX.sub("", between)
    return len(between) <= _FURTHEST and bool(_JOINING.search(between)) and not _BETWEEN.search(between)


def canonical(text: str) -> str:
    """Return one spelling for answers that differ only in typography, units or the name they are assigned to.

    Doing it again changes nothing.
    """
    for _ in range(8):
        again = unmarked(unassigned(unit_off(typography(text))))
        if again == text:
            break
        text = again
    return text


@lru_cache(maxsize=4096)
def typography(text: str) -> str:
    """Return one spelling for answers that differ only in typography; what stood in `\\text{}` keeps marks.

    Several boxes are a list. Only the first 4,000 characters count.
    """
    text = _TWICE.sub(lambda _: "\\", text[:LONGEST].replace(OPEN, "").replace(CLOSE, ""))
    text = _REPEATED.sub(r"\1\\overline{\2}", text)
    whole = _WHOLE.fullmatch(text)
    text = f"\\text{{{whole[1]}}}" if whole else unwrapped(text)
    if spans := last_boxes(text):
        text = ", ".join(text[start:end] for start, end in spans)
    text = _DELIMITER.sub(" ", sweep(text))
    for _ in range(4):
        again = _respelled(text)
        if again == text:
            break
        text = again
    return text


def unmarked(text: str) -> str:
    """Return a text without the marks of `\\text{}`."""
    return re.sub(r"\s+", " ", text.replace(OPEN, " ").replace(CLOSE, " ")).strip()


def unassigned(text: str) -> str:
    """Return a text without the name it is assigned to: `4` for `b = 4`."""
    return _ASSIGNED.sub("", text)


def unit_off(text: str) -> str:
    """Return a text without the unit at its end: `25` for `25 cm^2`."""
    bare = _UNIT.sub("", text).rstrip()
    bare = bare.removesuffix("°").rstrip()
    return bare if re.search(r"[\w)}\]]", bare) else text


def _respelled(text: str) -> str:
    text = text.strip().strip("*_\"'").strip()
    text = _TEXT.sub(rf" {OPEN}\1{CLOSE} ", text)
    for pattern, instead in _SPELLINGS:
        text = pattern.sub(instead, text)
    text = _GROUPED.sub(lambda match: match[0].replace(",", ""), text)
    text = re.sub(r"\s+", " ", text).strip()
    while text.endswith((".", ",", ";", ":", "\\")) and not text.endswith("..."):
        text = text[:-1].rstrip()
    return text


def pieces(text: str, mark: str = ",") -> list[str]:
    """Split at a mark that stands outside all brackets."""
    out, depth, begin = [], 0, 0
    for at, sign in enumerate(text):
        if sign in "([{":
            depth += 1
        elif sign in ")]}":
            depth -= 1
        elif depth == 0 and sign == mark[0] and text.startswith(mark, at):
            out.append(text[begin:at])
            begin = at + len(mark)
    return [one.strip() for one in [*out, text[begin:]]]
