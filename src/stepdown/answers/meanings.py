"""What an answer can mean: a formula, a list, a condition, a set of numbers, a matrix, names with values, words.

`(0, 1)` is a point and an interval, `x = 5` an equation and 5: `readings` yields every one.
"""

import re
from collections.abc import Iterator

import msgspec

from stepdown.answers.arithmetic import letters
from stepdown.answers.latex import CLOSE, OPEN, pieces, typography, unassigned, unit_off, unmarked
from stepdown.answers.numbers_in_text import numbers
from stepdown.answers.regions import Region, crossed, region
from stepdown.answers.relations import Relation, identity, relation

_OR = re.compile(
    rf"\s*(?:,\s*)?(?:{OPEN}\s*,?\s*(?:and|or)\s*{CLOSE}|\b(?:and|or)\b|\\lor(?![a-z])|\\vee(?![a-z]))\s*,?\s*"
)
_AND = re.compile(rf"{OPEN}\s*,?\s*and\s*{CLOSE}|\band\b|\\land(?![a-z])|\\wedge(?![a-z])")
_NAMED = re.compile(r"([a-zA-Z](?:_\{?\w{1,9}\}?)?'?|\\[a-z]{2,8})\s*(?:=|:)\s*([^=<>:]+)")
_FUNCTION = re.compile(r"[a-zA-Z](?:\^\{-1\})?\s?\([a-zA-Z]\)\s*=|y\s*=")
_TUPLE_OF_NAMES = re.compile(r"\(([^()=]{1,60})\)\s*=\s*(\(.*\))")
_BUILDER = re.compile(r"\\\{\s*[a-zA-Z](?:\s*\\in\s*\\reals)?\s*[|:]\s*(.*)\\\}")
_MEMBER = re.compile(r"^[a-zA-Z](?:_\{?\w{1,9}\}?)?\s?\\in(?![a-z])\s*")
# A word, not a product of letters such as `xyz`.
_BARE_WORD = re.compile(r"[\w$%]+")
_READABLE = re.compile(r"[A-Za-z]{4,}|(?=[A-Za-z]*[eiouEIOU])[A-Za-z]{3}")
_MATRIX = re.compile(
    r"\\begin\s*\{([bBpvV]?matrix|array|smallmatrix)\}\s*(?:\{[lcr|\s]*\})?((?:(?!\\begin).)*)\\end\s*\{\1\}"
)
_CASES = re.compile(
    r"\\begin\s*\{(?:cases|aligned|align\*?|gathered)\}(.*)\\end\s*\{(?:cases|aligned|align\*?|gathered)\}"
)
_BASED = re.compile(
    rf"\(?([0-9A-Za-z]+(?:\.[0-9A-Za-z]+)?)\)?\s*(?:_\s*\{{?\s*{OPEN}?\s*(\d+|[a-z]+)\s*{CLOSE}?\s*\}}?"
    rf"|{OPEN}?\s*\(?\s*base[ -](\d+|[a-z]+)\s*\)?\s*{CLOSE}?)"
)
_BASES = {"two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9",
          "ten": "10", "twelve": "12", "sixteen": "16"}  # fmt: skip
_MIXED = re.compile(r"(-?)\s?(\d+)\s?(?:\\frac\s?(?:\{(\d+)\}|(\d))\s?(?:\{(\d+)\}|(\d+))|(?<=\d\s)(\d+)/(\d+))")
_WORDY = re.compile(rf"{OPEN}([^{OPEN}{CLOSE}]*){CLOSE}|(?=[^\\]*[A-Za-z]{{3}})[A-Za-z0-9][\w ,.:;'&/-]*")
_FUNCTIONS = re.compile(r"(?<![A-Za-z])(?:sin|cos|tan|log|ln|sqrt|frac|pi|exp)(?![A-Za-z])")
_CLOCK = re.compile(r"(\d{1,2}):(\d\d)(?::00)?\s*(?:([AaPp])\.?\s?[Mm]\.?)?")
_RATIO = re.compile(r"([^:=<>,]+):([^:=<>,]+)")
_COMMA = re.compile(r"(-?(?:\d+,\d\d|\d+,\d{4,9}|0,\d{1,9}))")
# A ratio, a length or a value of a function, which a letter of its own could stand for.
_QUANTITY = re.compile(
    r"(?:\|[^|=]{1,40}\||[A-Z](?:_\{?\w{1,9}\}?)?(?:\s*:\s*[A-Z](?:_\{?\w{1,9}\}?)?)+"
    r"|\\frac\{[A-Z]{1,3}\}\{[A-Z]{1,3}\}"
    r"|[A-Z]{2,4}|\\(?:angle|overline)\s*\{?[A-Z]{1,3}\}?|[a-zA-Z]\([^()=]{1,20}\)|[A-Z]{1,3}/[A-Z]{1,3})\s*=\s*"
)


class ListOfAnswers(msgspec.Struct, frozen=True):
    """Several answers: `shell` are the brackets around them, empty for a bare list; `ordered` where order counts."""

    members: tuple[str, ...]
    shell: str = ""
    ordered: bool = False


class NamedValues(msgspec.Struct, frozen=True):
    """Values given to distinct names: `p = 5, q = 2`."""

    values: tuple[tuple[str, str], ...]


class Based(msgspec.Struct, frozen=True):
    """Digits in a base that is said."""

    digits: str
    base: str


class Matrix(msgspec.Struct, frozen=True):
    """A matrix by rows; `bars` are those of a determinant."""

    rows: tuple[tuple[str, ...], ...]
    bars: bool = False


class Words(msgspec.Struct, frozen=True):
    """Words."""

    words: str


class FormulaValue(msgspec.Struct, frozen=True):
    """One formula; `named` is the name it was assigned to."""

    formula: str
    named: str = ""


Reading = ListOfAnswers | NamedValues | Based | Matrix | Words | FormulaValue | Region | Relation


def several(text: str) -> bool:
    """Tell whether an answer is more than one formula: a condition or a list, which a reader may have cut."""
    return any(isinstance(one, Relation | ListOfAnswers | NamedValues) for one in readings(typography(text)))


def readings(text: str) -> Iterator[Reading]:
    """Yield the ways in which an answer in one typography can be meant."""
    text = _builder(text)
    if words := _clock(text) or _as_words(text):
        yield words
        if text.startswith(OPEN) or _READABLE.fullmatch(text):
            return
    if based := _based(text):
        yield based
        return
    if grid := _grid(text):
        yield grid
        return
    if text == "\\emptyset":
        yield ListOfAnswers((), "\\{\\}")
        return
    if _COMMA.fullmatch(text):
        yield FormulaValue(text.replace(",", "."))
    bracketed = _bracketed(text)
    if bracketed is None and (many := list(_many(text))):
        yield from many
        return
    known = [one for one in (bracketed, region(text)) if one is not None]
    yield from known
    yield from _related(text, alone=not known)


def _builder(text: str) -> str:
    inside = _BUILDER.fullmatch(text)
    return _MEMBER.sub("", inside[1].strip() if inside else text)


def _many(text: str) -> Iterator[Reading]:
    """Read a bare list: its members, what they give to names, and where all are inequalities what they leave."""
    cases = _CASES.fullmatch(text)
    parts = _rows(cases[1]) if cases else _grouped(text)
    parts = [one for part in parts for one in _signed(part)]
    if len(parts) < 2 or (_AND.search(text) and any(sign in text for sign in "<>") and not cases):
        yield from _joined(text) if len(parts) > 1 else ()
        if len(parts) < 2:
            return
    names = [_NAMED.fullmatch(unmarked(part)) for part in parts]
    if all(names):
        given = tuple((name[1].replace(" ", ""), name[2].strip()) for name in names if name)
        if len({name for name, _ in given}) == len(given):
            yield NamedValues(given)
        else:
            yield ListOfAnswers(tuple(value for _, value in given))
        return
    regions = [region(part) for part in parts]
    if (
        all(one is not None for one in regions)
        and not _AND.search(text)
        and any(re.search("[<>]|\\\\[lgn]e", p) for p in parts)
    ):
        joined = region("\\cup ".join(parts))
        if joined is not None:
            yield joined
    yield ListOfAnswers((unassigned(parts[0]), *parts[1:]) if names[0] else tuple(parts))


def _joined(text: str) -> Iterator[Reading]:
    """Read inequalities that hold together: `x > 2 and x < 5`."""
    regions = [region(part) for part in _AND.split(text)]
    joined = regions[0]
    for one in regions[1:]:
        if joined is None or one is None:
            return
        joined = crossed(joined, one)
    if joined is not None and len(regions) > 1:
        yield joined


def _grouped(text: str) -> list[str]:
    """Split a list at its semicolons where each stands between lists of their own, else at every mark."""
    parts = [part for part in pieces(text, ";") if part]
    return parts if len(parts) > 1 and any(len(pieces(part)) > 1 for part in parts) else list(_parts(text))


def _parts(text: str) -> Iterator[str]:
    for part in pieces(text, ";"):
        for one in pieces(part, ","):
            yield from (bare for bare in (piece.strip(" ,") for piece in _split(one)) if bare)


def _split(text: str) -> list[str]:
    """Split at `and` and `or` outside all brackets."""
    out, begin = [], 0
    for match in _OR.finditer(text):
        before = text[: match.start()]
        if sum(before.count(sign) for sign in "([{") == sum(before.count(sign) for sign in ")]}"):
            out.append(text[begin : match.start()])
            begin = match.end()
    return [*out, text[begin:]]


def _signed(text: str) -> list[str]:
    """Return what `\\pm` stands for: two answers."""
    if "\\pm" not in text and "\\mp" not in text:
        return [text]
    upper = text.replace("\\pm", "+").replace("\\mp", "-")
    lower = text.replace("\\pm", "-").replace("\\mp", "+")
    return [re.sub(r"(^|[=(,])\s*\+\s*", r"\1", one) for one in (upper, lower)]


def _bracketed(text: str) -> ListOfAnswers | None:
    if text.startswith("\\{") and text.endswith("\\}"):
        members = [one for part in _parts(text[2:-2]) for one in _signed(part)]
        return ListOfAnswers(tuple(members), "\\{\\}")
    if text.startswith("\\langle") and text.endswith("\\rangle"):
        return ListOfAnswers(tuple(pieces(text[7:-7])), "()", ordered=True)
    if len(text) > 2 and text[0] in "([" and text[-1] in ")]" and len(pieces(text)) == 1 and _whole(text):
        inner = tuple(pieces(text[1:-1]))
        return ListOfAnswers(inner, text[0] + text[-1], ordered=True) if len(inner) > 1 else None
    return None


def _whole(text: str) -> bool:
    """Tell whether the first bracket closes at the end."""
    depth = 0
    for at, sign in enumerate(text):
        depth += (sign in "([{") - (sign in ")]}")
        if depth == 0:
            return at == len(text) - 1
    return False


def _related(text: str, *, alone: bool) -> Iterator[Reading]:
    tuples = _TUPLE_OF_NAMES.fullmatch(text)
    if tuples:
        names, values = pieces(tuples[1]), pieces(tuples[2][1:-1])
        if len(names) == len(values) > 1:
            yield NamedValues(tuple(zip(names, values, strict=True)))
    exact, _, about = text.partition("\\approx")
    text = exact.strip() or about.strip()
    links = relation(text)
    if links is None:
        if alone:
            yield from _values(text)
        return
    if set(links.signs) != {"="}:
        yield links
        return
    yield links
    bare = _QUANTITY.sub("", text, count=1) if _QUANTITY.match(text) else unassigned(text)
    if bare != text:
        rest = relation(bare)
        name = squeezed(text[: len(text) - len(bare)]).rstrip("=:")
        if rest is None:
            function = _FUNCTION.match(text) and letters(bare)
            yield from _values(bare, "" if function else name)
            listing = _bracketed(bare)
            if listing is not None:
                yield listing
        elif identity(rest):
            yield from _values(rest.sides[-1], name)
    elif identity(links):
        yield from _values(links.sides[-1])


def _values(text: str, named: str = "") -> Iterator[FormulaValue]:
    ratio = _RATIO.fullmatch(text)
    yield FormulaValue(f"({ratio[1]})/({ratio[2]})" if ratio else text, named)
    if text.endswith("%"):
        yield FormulaValue(f"({text.rstrip('% ')})/100", named)


def _grid(text: str) -> Matrix | None:
    bare = text[1:-1].strip() if text[:1] in ("(", "[") and text[-1:] in (")", "]") else text
    match = _MATRIX.fullmatch(text) or _MATRIX.fullmatch(bare)
    if match:
        rows = tuple(tuple(cell.strip() for cell in row.split("&")) for row in _rows(match[2]))
        return Matrix(rows, bars=match[1] in ("vmatrix", "Vmatrix"))
    if text.startswith("[[") and text.endswith("]]"):
        return Matrix(tuple(tuple(pieces(row[1:-1])) for row in pieces(text[1:-1])))
    return None


def _rows(text: str) -> list[str]:
    return [
        row.strip().rstrip(",").strip() for row in re.split(r"\\\\(?:\[\w{1,9}\])?|\\cr(?![a-z])", text) if row.strip()
    ]


def _based(text: str) -> Based | None:
    match = _BASED.fullmatch(text.strip())
    if match is None or not any(sign.isdigit() for sign in match[1]):
        return None
    base = match[2] or match[3]
    base = _BASES.get(base, base)
    return Based(match[1].upper().lstrip("0") or "0", base) if base.isdigit() else None


def _as_words(text: str) -> Words | None:
    if not _WORDY.fullmatch(text.strip()) or _FUNCTIONS.search(text):
        return None
    bare = unmarked(text)
    if any(sign.isdigit() for sign in bare) and unit_off(text) != text:
        return None
    values = numbers(bare, words=True)
    if values and values[0].word and values[0].start == 0:
        return None
    words = [word for word in _BARE_WORD.findall(bare.casefold()) if word != "the"]
    if len(words) > 1 and words[0] in ("a", "an") and len(words[1]) > 2:
        words = words[1:]
    shown_text = "".join(words)
    return Words(shown_text) if any(sign.isalpha() for sign in shown_text) else None


def _clock(text: str) -> Words | None:
    match = _CLOCK.fullmatch(unmarked(text))
    if match is None:
        return None
    hour = int(match[1]) % 12 + 12 * (match[3] in "Pp") if match[3] else int(match[1])
    return Words(f"{hour}:{match[2]}")


def figure(text: str) -> str:
    """Return a formula for `worth`: a mixed number is a sum, a number in words its figure."""
    text = unmarked(text)
    mixed = _MIXED.fullmatch(text)
    if mixed:
        sign, whole, *parts = mixed.groups()
        top, bottom = (part for part in parts if part)
        return f"{sign}({whole}+{top}/{bottom})"
    words = numbers(text, words=True) if text[:1].isalpha() else []
    if len(words) == 1 and words[0].word and words[0].end == len(text):
        return str(words[0].value)
    return text.replace("\\infty", "\\infty ").replace("°", "")


def squeezed(text: str) -> str:
    """Return a text without what only its typography needs: blanks, marks, braces around one sign."""
    text = re.sub(rf"[\s{OPEN}{CLOSE}]", "", text)
    return re.sub(r"\{(\w)\}", r"\1", text)
