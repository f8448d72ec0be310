"""Numbers in text: where they stand, what they are worth exactly, and whether they are money or a percentage.

A figure is read to its end, whatever groups its digits, or not at all: `12:30`, `1.2.3` and `5x` are no numbers.
"""

import re
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache

import msgspec

from stepdown.answers.measures import PARTED, joined
from stepdown.answers.numerals import SCALES, worded
from stepdown.answers.unwrapping import sweep

# Sources of digits are bounded: nobody concludes with a number of more than 40 digits, and exact arithmetic
# on hostile digits or exponents must stay cheap.
_FIGURE = re.compile(
    r"""
    (?=[-\d.$£€¥₹½¼¾⅐-⅞\\]) (?<![\w.\\^À-ɏΑ-ω]) (?<!\^\{)(?<!\^-)(?<!\^\{-) (?<!sqrt\{)
    (?P<sign>(?<![\w)\]}$!%])-(?=[$.\d£€¥₹½¼¾⅐-⅞]|\\[dt]?frac|\\?\$))?
    (?:\\?(?P<money>[$£€¥₹])[ ]?(?P<minus>-)?)?
    (?:
      \\[dtc]?frac(?:\{(?P<top>-?\d{1,20})\}|[ ]?(?P<top1>\d))[ ]?(?:\{(?P<bottom>\d{1,20})\}|(?P<bottom1>\d))
    |
      (?P<vulgar>[½¼¾⅐-⅞])
    |
      (?:(?P<whole>
          \d{1,3}(?P<sep>,|\{,\}|,[ ]{2}|,?\\,|'|_)\d{3}(?:(?P=sep)\d{3}){0,8}(?!\d)
        | \d{1,2}(?:,\d\d){1,8},\d{3}(?!\d)
        | \d{1,3}(?:\.\d{3}){2,8}(?![\d.,])
        | \d{1,3}(?:[ ]\d{3}){2,8}(?![\d,-])
        | (?P<comma>\d{1,3}(?:\.\d{3}){1,8}|\d{1,3}(?:[ ]\d{3}){1,8}|(?<![(\[{,])\d{1,9}|\d{4,9}(?=,\d{4}))
          ,(?:(?<![^\d]0,)\d{1,2}|(?<=\b0,)\d{1,40}|\d{4,40})(?![\d,])
        | \d{1,40}(?!\d)
        )
        (?P<decimals>\.\d{1,40})?
       |(?P<bare>\.\d{1,40}))
      (?:\.{3}|…)?
      (?:[eE](?P<exponent>[+-]?\d{1,3})(?![\w.])
       |[ ]?(?:\*|x|\\times|\\cdot)[ ]?10(?:[ ]?(?:\^|\*\*)[ ]?\{?(?P<ten>-?\d{1,3})\}?|(?P<tens>⁻?[⁰¹²³⁴-⁹]{1,3}))
       |[ ]?(?:\^|\*\*)[ ]?(?:\{(?P<power>-?\d{1,3})\}|(?P<power1>-?\d{1,3}))|(?P<powers>⁻?[⁰¹²³⁴-⁹]{1,3})
       |(?:/|[ ]/[ ](?=\d{1,20}(?![\d\s]*=)))(?P<under>\d{1,20})(?![\d.,:]*[/\w])
       |(?:[ ]|[ ]and[ ]|-)(?P<part>\d{1,9})/(?P<of>\d{1,9})(?![\d/])
       |[ ]?(?P<vpart>[½¼¾⅐-⅞])
       |[ ]?\\[dt]?frac(?:\{(?P<ltop>\d{1,9})\}|(?P<ltop1>\d))[ ]?(?:\{(?P<lbottom>\d{1,9})\}|(?P<lbottom1>\d))
      )?
    )
    (?!\d|[.:/]\d|_\{?\d|(?:st|nd|rd|th)\b|(?<=\d)[abcnpqrtuvwxyz]\b|(?<=\d)[A-Za-z]{1,2}\d(?!\w)(?<![mt][23]))
    (?!(?<=[\d}])[ ]?(?:\\(?:sqrt|pi|theta|sin|cos|tan|log|ln|infty|binom|[dt]?frac)(?![a-z])
       |[π√∞⁰¹²³⁴-⁹]|\^(?!\{?\\circ)))
    (?:[ ]?(?P<percent>\\?%|per[ ]?cent\b|pct\b)
     |[ ](?P<scale>hundred|thousand|million|billion|trillion|lakh|crore)s?\b|(?P<han>[百千万萬亿億])
     |(?<=\d)(?P<short>[kKMB]\b))?
    |
    (?P<unread>(?<![\w.\\^À-ɏΑ-ω])(?<!\^\{)(?<!\^-)(?<!\^\{-)\d(?:[\w.:/']*\w)?)
    """,
    re.VERBOSE | re.ASCII,
)
_SHORT = {"k": 10**3, "K": 10**3, "M": 10**6, "B": 10**9}
_VULGAR = {
    sign: Fraction(top, bottom)
    for sign, top, bottom in (
        ("½", 1, 2), ("¼", 1, 4), ("¾", 3, 4), ("⅐", 1, 7), ("⅑", 1, 9), ("⅒", 1, 10), ("⅓", 1, 3), ("⅔", 2, 3),
        ("⅕", 1, 5), ("⅖", 2, 5), ("⅗", 3, 5), ("⅘", 4, 5), ("⅙", 1, 6), ("⅚", 5, 6), ("⅛", 1, 8), ("⅜", 3, 8),
        ("⅝", 5, 8), ("⅞", 7, 8),
    )
}  # fmt: skip
_RAISED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
_HIGHEST = 64


class Number(msgspec.Struct, frozen=True):
    """One number of a text: its exact value and its place; a percentage keeps its figure (`40%` is 40).

    Of a measure in two units, such as `1 hour and 35 minutes`, `value` counts the smaller one; `larger` is what it is
    worth in the unit named `unit`.
    """

    value: Fraction
    start: int
    end: int
    money: bool = False
    percent: bool = False
    word: bool = False
    unit: str = ""
    larger: Fraction | None = None


class Unread(msgspec.Struct, frozen=True):
    """The place of digits that are no number, or none that is understood to its end."""

    start: int
    end: int


def numbers(text: str, *, words: bool = False) -> list[Number]:
    """Return the numbers of a text in order; with `words` also `seven` or `twenty-one`."""
    return [one for one in figures(text, words=words) if isinstance(one, Number)]


@lru_cache(maxsize=1024)
def numbers_of(text: str, *, words: bool) -> tuple[Number, ...]:
    """Return what `numbers` does, for texts that are asked about again."""
    return numbers_of(text, words=False) if words and not worded(sweep(text)) else tuple(numbers(text, words=words))


def figures(text: str, *, words: bool = False) -> list[Number | Unread]:
    """Return the numbers of a text in order, and where digits are that cannot be read as one."""
    text = sweep(text)
    figures_read = list(_figures(text))
    if words:
        spelled_out = [Number(value, start, end, word=True) for value, start, end in worded(text)]
        figures_read = sorted([*figures_read, *spelled_out], key=lambda one: one.start) if spelled_out else figures_read
    return _measured(text, figures_read) if PARTED.search(text) else figures_read


def spelled(value: Fraction) -> str:
    """Spell a value: `2125`, `7.5`, `-3/4`; a decimal where it ends within twelve places."""
    top, bottom = value.numerator, value.denominator
    if bottom == 1:
        return str(top)
    for places in range(1, 13):
        if 10**places % bottom == 0:
            digits = str(abs(top) * 10**places // bottom).rjust(places + 1, "0")
            return f"{'-' if top < 0 else ''}{digits[:-places]}.{digits[-places:]}"
    return f"{top}/{bottom}"


def _figures(text: str) -> Iterator[Number | Unread]:
    for match in _FIGURE.finditer(text):
        start, end = match.span()
        digits = match[0]
        if digits.isdigit() and match.lastgroup == "whole":
            value: Fraction | None = _whole(digits)
        else:
            value = None if match["unread"] else _value(match)
        if value is None or (text[start - 1 : start] == ":" and text[start - 2 : start - 1].isdigit()):
            yield Unread(start, end)
        elif digits.isdigit():
            yield Number(value, start, end)
        else:
            yield Number(value, start, end, bool(match["money"]), bool(match["percent"]))


@lru_cache(maxsize=4096)
def _whole(digits: str) -> Fraction:
    return Fraction(int(digits))


def _measured(text: str, figures_read: list[Number | Unread]) -> list[Number | Unread]:
    """Join the two numbers of `1 hour and 35 minutes` and of `18 dollars and 50 cents`."""
    out: list[Number | Unread] = []
    for one in figures_read:
        last = out[-1] if out else None
        if isinstance(last, Number) and isinstance(one, Number) and one.start - last.end < 24 and not one.money:
            measure = joined(text, last, one)
            if measure is not None:
                value, larger, unit = measure
                money = last.money or unit == "dollar"
                out[-1] = Number(value, last.start, one.end, money=money, unit=unit, larger=larger)
                continue
        out.append(one)
    return out


def _value(match: re.Match[str]) -> Fraction | None:
    value = _unsigned(match)
    if value is None:
        return None
    scale, han, short = match.group("scale", "han", "short")
    if short and short != "K" and not match["money"]:
        return None
    value *= SCALES[scale or han] if scale or han else _SHORT[short] if short else 1
    return -value if match["sign"] or match["minus"] else value


def _unsigned(match: re.Match[str]) -> Fraction | None:
    if match["vulgar"]:
        return _VULGAR.get(match["vulgar"])
    top, bottom = match["top"] or match["top1"], match["bottom"] or match["bottom1"]
    if top:
        return _ratio(top, bottom)
    value = _decimal(match["whole"], match["decimals"] or match["bare"] or "", match["comma"])
    ten, power = _exponent(match, "exponent", "ten", "tens"), _exponent(match, "power", "power1", "powers")
    if ten is not None:
        return value * Fraction(10) ** ten
    if power is not None:
        return _raised(value, power)
    if match["under"]:
        return value / int(match["under"]) if int(match["under"]) else None
    if match["vpart"]:
        return value + _VULGAR.get(match["vpart"], 0)
    part, of = match["part"] or match["ltop"] or match["ltop1"], match["of"] or match["lbottom"] or match["lbottom1"]
    share = _ratio(part, of) if part else Fraction(0)
    return None if share is None else value + share


def _exponent(match: re.Match[str], *groups: str) -> int | None:
    digits = next((match[group] for group in groups if match[group]), None)
    return None if digits is None else int(digits.translate(_RAISED))


def _raised(value: Fraction, power: int) -> Fraction | None:
    if value == 10:
        return Fraction(10) ** power
    cheap = abs(power) <= _HIGHEST and abs(value.numerator) < 10**6 and value.denominator < 10**6
    return value**power if cheap and (value or power >= 0) else None


def _decimal(whole: str | None, decimals: str, comma: str | None) -> Fraction:
    if comma:
        whole, _, decimals = (whole or "").rpartition(",")
        decimals = f".{decimals}"
    digits = "".join(sign for sign in whole or "0" if sign.isdigit())
    return Fraction(int(digits + decimals[1:]), 10 ** max(0, len(decimals) - 1))


def _ratio(top: str, bottom: str) -> Fraction | None:
    return Fraction(int(top), int(bottom)) if int(bottom) else None
