"""LaTeX as answers use it: boxes, one canonical spelling, lists and intervals, and equality where that is cheap."""

import re

from stepdown.answers.arithmetic import close, worth
from stepdown.answers.numbers import number
from stepdown.answers.unwrapping import sweep

_BRACE = re.compile(r"\\[{}]|\\(?:boxed|fbox)\s{0,3}\{|\\(?:boxed|fbox)\s{1,3}(?P<single>[\w.]+)|[{}]")
_FARTHEST = 200_000
_LONGEST = 4000
_UNITS = re.compile(
    r"(?<=[\d)}.\s])\s*(?:square |cubic )?\b(?:units?|dollars?|cents?|degrees?|inch(?:es)?|feet|foot|ft|cm|meters?|"
    r"miles?|"
    r"seconds?|minutes?|hours?|days?|years?|students?|points?|pounds?|ounces?|mph|kPa|percent|revolutions?|ways?|"
    r"values?|solutions?|"
    r"[a-z]{3,}(?: [a-z]{2,})*)\b\s*(?:\^\{?[23]\}?)?\.?$",
)
_SPELLINGS = [
    (re.compile(pattern), instead)
    for pattern, instead in (
        (r"\\(?:left|right|bigl?|bigr?|Bigl?|Bigr?)(?![a-zA-Z])\.?", ""),
        (r"\\(?:displaystyle|quad|qquad|,|;|:|!| )", " "),
        (r"[~`]", " "),
        (r"\\(?:text|mathrm|textbf|mathbf|mbox|operatorname|mathit|textit)\s*\{([^{}]*)\}", r" \1"),
        (r"\\[dt]frac", r"\\frac"),
        (r"\^\{?\\circ\}?|°|\\%|%|\\\$|\$|£|€", ""),
        (r"≤|<=|\\leq(?![a-z])|\\leqslant", r"\\le "),
        (r"≥|>=|\\geq(?![a-z])|\\geqslant", r"\\ge "),
        (r"∞|\+?\binfinity\b|\binf(?:ty)?\b(?<!\\infty)", r"\\infty "),
        (r"\+\\infty", r"\\infty"),
        (r"∪|(?<=[)\]])\s*U\s*(?=[(\[])|(?<=[)\]])\s*(?:or|and)\s*(?=[(\[])", r"\\cup "),
        (r"∈", r"\\in "),
        (r"π|(?<![\\a-z])pi\b", r"\\pi "),
        (r"√\s*\(|(?<![\\a-z])sqrt\s*\(", r"\\sqrt("),
        (r"√\s*(\d+|[a-z])|(?<![\\a-z])sqrt\s*(\d+|[a-z])", r"\\sqrt{\1\2}"),
        (r"√\s*\{|(?<![\\a-z])sqrt\s*\{", r"\\sqrt{"),
        (r"²", "^2"),
        (r"³", "^3"),
        (r"\*\*", "^"),
        (r"(?<=\d),(?=\d{3}(?!\d))(?![^()\[\]]*[)\]])|(?<=\d)\{,\}(?=\d{3})", ""),
        (r"\\(?:cdot|times)(?![a-z])", "*"),
        (r"\\div(?![a-z])", "/"),
    )
]
_ASSIGNED = re.compile(
    r"^\s*(?:[a-zA-Z](?:_\{?\w+\}?)?(?:\^\{-1\})?(?:\([a-zA-Z0-9]\))?|[a-zA-Z]{1,3}"
    r"|\([a-z], ?[a-z]\))\s*(?:=|:|\\in(?![a-z]))\s*(?=\S)"
)


# Three letters in a row are a word, not a product.
_NAME = re.compile(r"[A-Za-z]{3,}(?: [A-Za-z]+)*")
_SIDE = r"([^<>=,]{1,60}?)"
_BETWEEN = re.compile(_SIDE + r"(<|\\le )\s*[a-zA-Z]\s*(<|\\le )" + _SIDE)
_BELOW = re.compile(r"[a-zA-Z]\s*(<|\\le |>|\\ge )" + _SIDE)


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


def canonical(text: str) -> str:
    """Return one spelling for answers that differ only in typography, units or the name they are assigned to.

    Doing it again changes nothing.
    """
    text = text[:_LONGEST]
    for _ in range(4):
        again = _respell(text)
        if again == text:
            break
        text = again
    return text


def _respell(text: str) -> str:
    text = sweep(text).strip().strip("*_\"'").strip()
    for pattern, instead in _SPELLINGS:
        text = pattern.sub(instead, text)
    text = _UNITS.sub("", text.strip()) or text
    text = _interval(_ASSIGNED.sub("", text))
    return re.sub(r"\s+", " ", text).strip().rstrip(".,;:").strip()


def _interval(text: str) -> str:
    """Spell an inequality as the interval it means: `-3 \\le x < 2` is `[-3, 2)`."""
    if match := _BETWEEN.fullmatch(text):
        left, right = "(" if match[2] == "<" else "[", ")" if match[3] == "<" else "]"
        return f"{left}{match[1].strip()}, {match[4].strip()}{right}"
    if match := _BELOW.fullmatch(text):
        if match[1] in ("<", "\\le "):
            return f"(-\\infty, {match[2].strip()}{')' if match[1] == '<' else ']'}"
        return f"{'(' if match[1] == '>' else '['}{match[2].strip()}, \\infty)"
    return text


def pieces(text: str, mark: str = ",") -> list[str]:
    """Split at a mark that stands outside all brackets."""
    out, depth, begin = [], 0, 0
    for at, sign in enumerate(text):
        if sign in "([{":
            depth += 1
        elif sign in ")]}":
            depth -= 1
        elif depth == 0 and text.startswith(mark, at):
            out.append(text[begin:at])
            begin = at + len(mark)
    return [one.strip() for one in [*out, text[begin:]]]


def same_expression(one: str, other: str) -> bool | None:
    """Tell whether two answers are equal, or None where only a computer algebra system could say."""
    one, other = canonical(one), canonical(other)
    if one.replace(" ", "") == other.replace(" ", ""):
        return bool(one)
    for mark in ("\\cup", ","):
        ones, others = pieces(_open(one, mark), mark), pieces(_open(other, mark), mark)
        if len(ones) > 1 or len(others) > 1:
            return _same_pieces(one, other, ones, others, mark)
    if any(re.search(r"<|>|\\l[et]|\\g[et]|=|\\pm", side) for side in (one, other)):
        return None
    if any(_NAME.fullmatch(side) for side in (one, other)):
        return one.casefold() == other.casefold()
    values = worth(_bare(one)), worth(_bare(other))
    if values[0] is not None and values[1] is not None:
        return close(values[0], values[1])
    return None


def _same_pieces(one: str, other: str, ones: list[str], others: list[str], mark: str) -> bool | None:
    if len(ones) != len(others):
        return False if mark == "," else None
    if mark == "," and _shell(one) != _shell(other):
        return False
    if mark == "," and _shell(one) == ("", ""):
        ones, others = sorted(ones, key=_order), sorted(others, key=_order)
    verdicts = [same_expression(a, b) for a, b in zip(ones, others, strict=True)]
    if False in verdicts:
        return False
    return None if None in verdicts else True


def _order(piece: str) -> tuple[float, str]:
    value = worth(_bare(piece))
    return (value[0].real, piece) if value is not None else (float("inf"), piece)


def _shell(text: str) -> tuple[str, str]:
    """Return the brackets around a tuple or interval; a set's or a bare list's order and braces say nothing."""
    if text.startswith(("(", "[")) and text[-1:] in ")]" and len(pieces(text)) == 1:
        return text[0], text[-1]
    return "", ""


def _open(text: str, mark: str) -> str:
    if mark == "\\cup":
        return text
    bare = text.removeprefix("\\{").removesuffix("\\}")
    return text[1:-1] if _shell(text) != ("", "") else bare


def _bare(text: str) -> str:
    """Return a formula for `worth`: a mixed number is a sum, and `\\infty` is a letter of its own."""
    if re.fullmatch(r"-?\d+ \d+/\d+|-?\d+ ?\\frac\{?\d+\}?\{?\d+\}?", text):
        value = number(text)
        return text if value is None else f"({value.numerator})/({value.denominator})"
    return text.replace("\\infty", "Z")
