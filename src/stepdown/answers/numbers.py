"""Numbers in text: where they stand, what they are worth exactly, and whether they are money or a percentage."""

import re
from fractions import Fraction

import msgspec

from stepdown.answers.unwrapping import sweep

_WORDS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
)  # fmt: skip
_TENS = {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
_WORTH = {word: value for value, word in enumerate(_WORDS)} | _TENS
_SCALES = {"hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
# Sources of digits are bounded: nobody concludes with a number of more than 40 digits, and exact arithmetic
# on hostile digits or exponents must stay cheap.
_NUMBER = re.compile(
    r"""
    (?=[-\d.$£€\\]) (?<![\w.\\^]) (?<!\^\{)
    (?P<sign>(?<![\w)\]}$!%])-(?=[$.\d£€]|\\[df]?frac))?
    (?:\\?(?P<money>[$£€])[ ]?(?P<minus>-)?)?
    (?:
      \\[dt]?frac\{?(?P<top>-?\d{1,20})\}?[ ]?\{?(?P<bottom>\d{1,20})\}?
    |
      (?P<whole>\d{1,3}(?:(?:,|\{,\}|,\\!|\\,)\d{3}){1,9}(?!\d)|\d{1,40}(?![\d]))?
      (?P<decimals>(?<=\d)\.\d{1,40}|(?<!\d)\.\d{1,40})?
      (?<=\d)
      (?:[eE](?P<exponent>[+-]?\d{1,3})(?![\w.])
       |[ ]?(?:\*|x|\\times|\\cdot)[ ]?10[ ]?\^[ ]?\{?(?P<power>-?\d{1,3})\}?
       |/(?P<under>\d{1,20})(?![\d.]*[/\w])
       |(?:[ ]|[ ]and[ ]|-)(?P<part>\d{1,9})/(?P<of>\d{1,9})(?![\d/])
       |[ ]?\\[dt]?frac\{?(?P<ltop>\d{1,9})\}?[ ]?\{?(?P<lbottom>\d{1,9})\}?
      )?
    )
    (?!\d|:\d\d|(?:st|nd|rd|th)\b|(?<=\d)[abcnpqrtuvwxyz]\b)
    (?:[ ]?(?P<percent>\\?%|percent\b)|[ ](?P<scale>hundred|thousand|million|billion|trillion)\b)?
    """,
    re.VERBOSE,
)
_WORD = re.compile(
    r"(?i:\b(?:(?P<ten>twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)(?:[ -](?P<unit>one|two|three|four"
    r"|five|six|seven|eight|nine))?|(?P<plain>" + "|".join(_WORDS[:20]) + r"))\b"
    r"(?:[ ](?P<scale>hundred|thousand|million)\b)?)"
)
_DURATION = re.compile(r"(?<![\d.,])(\d{1,6}) (?:hours?|minutes?),?(?: and)? (\d{1,2})(?= (?:minutes?|seconds?)\b)")
_CLOCK = re.compile(r"\d:\Z")


class Number(msgspec.Struct, frozen=True):
    """One number of a text: its exact value and its place; a percentage keeps its figure (`40%` is 40)."""

    value: Fraction
    start: int
    end: int
    money: bool = False
    percent: bool = False
    word: bool = False


def numbers(text: str, *, words: bool = False) -> list[Number]:
    """Return the numbers of a text in order; with `words` also `seven` or `twenty-one`."""
    text = sweep(text)
    found = [one for match in _NUMBER.finditer(text) if (one := _figure(match)) is not None]
    found = _durations(text, found) if _DURATION.search(text) else found
    if words:
        found += [_worded(match) for match in _WORD.finditer(text)]
        found.sort(key=lambda one: one.start)
    return found


def _durations(text: str, found: list[Number]) -> list[Number]:
    """Read `1 hour and 35 minutes` as 95: a compound duration is worth its smaller unit."""
    for match in _DURATION.finditer(text):
        minutes = Number(Fraction(60 * int(match[1]) + int(match[2])), match.start(1), match.end(2))
        found = [one for one in found if one.end <= minutes.start or one.start >= minutes.end] + [minutes]
    return sorted(found, key=lambda one: one.start)


def number(text: str) -> Fraction | None:
    """Return the exact value of a text that states one number, such as `$2,125.50` or `x = 3/4`; else None."""
    text = text.rpartition("=")[2] if "=" in text else text
    found = numbers(text) or numbers(text, words=True)
    return found[0].value if len(found) == 1 else None


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


def _figure(match: re.Match[str]) -> Number | None:
    sign, money, minus, top, bottom, percent, scale = match.group(
        "sign", "money", "minus", "top", "bottom", "percent", "scale"
    )
    value = _ratio(top, bottom) if top else _decimal(match)
    if value is None or _CLOCK.search(match.string, max(0, match.start() - 2), match.start()):
        return None
    if scale:
        value *= _SCALES[scale]
    if sign or minus:
        value = -value
    return Number(value, match.start(), match.end(), bool(money), bool(percent))


def _decimal(match: re.Match[str]) -> Fraction | None:
    whole, decimals, exponent, power, under = match.group("whole", "decimals", "exponent", "power", "under")
    digits = whole or "0"
    if not digits.isdigit():
        digits = "".join(sign for sign in digits if sign.isdigit())
    value = (
        Fraction(int(digits)) if decimals is None else Fraction(int(digits + decimals[1:]), 10 ** (len(decimals) - 1))
    )
    if exponent or power:
        return value * Fraction(10) ** int(exponent or power)
    if under:
        return value / int(under) if int(under) else None
    part, of, top, bottom = match.group("part", "of", "ltop", "lbottom")
    if part or top:
        share = _ratio(part or top, of or bottom)
        return None if share is None else value + share
    return value


def _ratio(top: str | None, bottom: str | None) -> Fraction | None:
    return Fraction(int(top or 0), int(bottom)) if bottom and int(bottom) else None


def _worded(match: re.Match[str]) -> Number:
    value = _WORTH[(match["ten"] or match["plain"]).lower()] + _WORTH.get((match["unit"] or "zero").lower(), 0)
    scale = _SCALES[match["scale"].lower()] if match["scale"] else 1
    return Number(Fraction(value * scale), match.start(), match.end(), word=True)
