"""Formulas in prose: where they stand, between dollar signs or bare, and what they come to."""

import re

import msgspec

from stepdown.answers.figures import numbers
from stepdown.answers.latex import boxed

_WORD = re.compile(r"(?<![\\a-zA-Z])[a-zA-Z]{3,}")
_KNOWN = frozenset(
    {
        "sqrt", "log", "sin", "cos", "tan", "ln", "exp", "inf", "infty", "infinity", "pi", "and", "or", "frac", "text",
        "left", "right", "abs", "begin", "end", "matrix", "pmatrix", "bmatrix", "vmatrix", "align", "aligned", "cases",
        "array", "smallmatrix", "Bmatrix", "Vmatrix",
    }
)  # fmt: skip
_DELIMITED = re.compile(r"(?<!\\)\$\$|(?<!\\)\$|\\\(|\\\)|\\\[|\\\]|`")
_CLOSES = {"$$": "$$", "$": "$", "\\(": "\\)", "\\[": "\\]", "`": "`"}
_BARE = re.compile(
    r"""(?:(?:
      \\begin\{[a-z]{0,2}matrix\}[^a-z]{0,300}?(?:[^\n]{0,400}?)\\end\{[a-z]{0,2}matrix\}
    | \\?\$?\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)? | \\?\$?\d+(?:\.\d+)?(?:\\?%)? | \.\d+
    | \\(?:text|mathrm)\{[^{}]{0,60}\} | \\[a-zA-Z]+ | \\[{}\\,;! ]
    | (?<![a-zA-Z'])(?:sqrt|log|sin|cos|tan|ln|pi|inf|infty|infinity)(?![a-zA-Z])
    | (?<![a-zA-Z'])[a-zA-Z](?![a-zA-Z']) | (?<=\d)[a-z]{1,2}(?![a-zA-Z])
    | (?<![a-zA-Z'])(?:[xyz][xyz]|ab|bc|ac|mn|pq|abc|xyz)(?![a-zA-Z'])
    | [-+*/^=<>≤≥≈±√∞∪∈π°²³(){}\[\]|_,!] )[ ]*)+""",
    re.VERBOSE,
)
_NAME = re.compile(r"(?<!\w)[A-Za-z][A-Za-z'-]+(?!\w)")
_EQUALS = re.compile(r"=[ &$]*\Z")
_MODULO = re.compile(r"\\pmod\s*(?:\{[^{}]*\}|\d+)|^\s*\\[lc]?dots")
_POINT = re.compile(r"\.\d")
_AROUND = 600
_ENDS = " ,;:.!*_"
_RELATION = re.compile(
    r"(?<![<>!=])=(?!=)|≈|\\approx(?![a-z])|\\equiv(?![a-z])|\\in(?![a-z])|∈|\\to(?![a-z])|\\Rightarrow|\\implies"
)


class Formula(msgspec.Struct, frozen=True):
    """One formula: its place in the text, and where its chain of equations ends (`x = 2 + 2 = 4` comes to `4`)."""

    text: str
    start: int
    end: int
    value: str
    equation: bool = False
    word: bool = False
    first: str = ""


def formulas(sentence: str, names: frozenset[str] = frozenset()) -> list[Formula]:
    """Return the formulas of one sentence in order; with `names`, only the names that are said."""
    matches = [match for match in _NAME.finditer(sentence) if match[0] in names] if names else []
    if matches:
        return [_worded(match) for match in matches]
    formulas_read, at = [], 0
    for start, end, inner_start, inner_end in _marked(sentence):
        formulas_read += _unmarked(sentence, at, start)
        formulas_read.append(_formula(sentence, inner_start, inner_end))
        at = end
    formulas_read += _unmarked(sentence, at, len(sentence))
    formulas_read += [
        Formula(sentence[one.start : one.end], one.start, one.end, str(one.value), word=True)
        for one in numbers(sentence, words=True)
        if one.word
    ]
    return sorted((one for one in formulas_read if one.value), key=lambda one: one.start)


def around(text: str, span: tuple[int, int]) -> str:
    """Return the whole formula that a place stands in: the equation of a right side, the list of a member."""
    begin = max(0, span[0] - _AROUND)
    window = text[begin : span[1] + _AROUND]
    start, end = span[0] - begin, span[1] - begin
    for _, _, inner_start, inner_end in _marked(window):
        if inner_start <= start and end <= inner_end:
            return window[inner_start:inner_end].strip()
    line = window.rfind("\n", 0, start) + 1, window.find("\n", end)
    for match in _BARE.finditer(window, line[0], line[1] if line[1] >= 0 else len(window)):
        if match.start() <= start and end <= match.end():
            first, last = _trimmed(window, match.start(), match.end())
            return window[first:last]
    return text[span[0] : span[1]]


def key(text: str) -> str:
    """Return what two formulas share that differ only in spacing, brackets and dollar signs."""
    return re.sub(r"[\s{}()\\$*.,`]|left|right|dfrac|cdot", "", text)


def _worded(match: re.Match[str]) -> Formula:
    return Formula(match[0], match.start(), match.end(), match[0])


def _marked(sentence: str) -> list[tuple[int, int, int, int]]:
    marks = list(_DELIMITED.finditer(sentence))
    spans, index = [], 0
    while index + 1 < len(marks):
        first, second = marks[index], marks[index + 1]
        inner = sentence[first.end() : second.start()]
        if _CLOSES.get(first[0]) == second[0] and inner.strip() and _mathematical(inner):
            spans.append((first.start(), second.end(), first.end(), second.start()))
            index += 2
        else:
            index += 1
    return spans


def _mathematical(inner: str) -> bool:
    stripped = re.sub(r"\\text\s*\{[^{}]*\}", "", inner)
    words = [word for word in _WORD.findall(stripped) if word.lower() not in _KNOWN]
    return not words and len(inner) < 2000


def _unmarked(sentence: str, start: int, end: int) -> list[Formula]:
    formulas_read = []
    for match in _BARE.finditer(sentence, start, end):
        begin, stop = _trimmed(sentence, match.start(), match.end())
        text = sentence[begin:stop]
        if re.search(r"\d|\\(?:frac|sqrt|pi|infty)|[√∞π]|[-+*/^=(,]\s*[a-z]|^[a-zA-Z]$", text) and text not in (
            "a",
            "A",
            "I",
            "s",
            "S",
        ):
            formulas_read.append(_formula(sentence, begin, stop))
    return formulas_read


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    while True:
        before = (start, end)
        while start < end and text[start] in _ENDS + ")]}=/^" and not _POINT.match(text, start):
            start += 1
        if start < end and text[start] == "-" and text[start + 1 : start + 2] == " ":
            start += 1
        while start < end and text[end - 1] in _ENDS + "([{=/+-^<>":
            end -= 1
        inside = text[start:end]
        if inside.startswith(("(", "[")) and _unclosed(inside) > 0:
            start += 1
        elif _unclosed(inside) < 0 and inside[-1:] in ")]":
            end -= 1
        if before == (start, end):
            return start, end


def _unclosed(text: str) -> int:
    return sum(text.count(sign) for sign in "([") - sum(text.count(sign) for sign in ")]")


def _formula(sentence: str, start: int, end: int) -> Formula:
    text = sentence[start:end]
    if inner := boxed(text):
        start, end = start + inner[-1][0], start + inner[-1][1]
        text = sentence[start:end]
    members = _RELATION.split(text)
    value = _MODULO.sub("", members[-1]).rstrip(_ENDS + "$ ").lstrip(" ,;:!*_&$")
    return Formula(
        text.strip(),
        start,
        end,
        value,
        len(members) > 1 or bool(_EQUALS.search(sentence, max(0, start - 6), start)),
        first=members[0],
    )
