"""Measures in two units, such as `1 hour and 35 minutes`, `$18 and 50 cents` and `5 feet 6 inches`."""

import re
from fractions import Fraction
from typing import Protocol

_PARTS = {
    "week": ("day", 7), "day": ("hour", 24), "hour": ("minute", 60), "minute": ("second", 60), "year": ("month", 12),
    "yard": ("foot", 3), "foot": ("inch", 12), "pound": ("ounce", 16), "dollar": ("cent", 100), "euro": ("cent", 100),
    "kilogram": ("gram", 1000), "kilometer": ("meter", 1000), "meter": ("centimeter", 100),
    "liter": ("milliliter", 1000), "gallon": ("quart", 4),
}  # fmt: skip
_NAMES = {
    "feet": "foot", "ft": "foot", "inches": "inch", "in": "inch", "hr": "hour", "hrs": "hour", "h": "hour",
    "min": "minute", "mins": "minute", "m": "minute", "sec": "second", "secs": "second", "s": "second", "yr": "year",
    "yrs": "year", "yd": "yard", "yds": "yard", "lb": "pound", "lbs": "pound", "oz": "ounce", "kg": "kilogram",
    "g": "gram", "km": "kilometer", "cm": "centimeter", "l": "liter", "ml": "milliliter", "metre": "meter",
    "metres": "meter", "litre": "liter", "litres": "liter", "wk": "week", "wks": "week", "d": "day", "gal": "gallon",
}  # fmt: skip
# The smaller unit, without which nothing is to be joined.
PARTED = re.compile(
    r"[\da-z] (?:days?|hours?|minutes?|seconds?|months?|feet|inch(?:es)?|ounces?|cents?|grams?|meters?|centimeters?|"
    r"milliliters?|quarts?|pence|hrs?|mins?|secs?|ft|in|oz|kg|g|m|s|cm|ml|d|h)\b|\d[dhmsg]\b|\d(?:min|sec|in|oz|cm)\b",
    re.ASCII,
)
_BETWEEN = re.compile(r"[ ]?(?P<unit>(?!and\b)[A-Za-z]{1,11})?\.?(?:,[ ]and[ ]|,[ ]|[ ]and[ ]|[ ])?\Z")
_AFTER = re.compile(r"[ ]?(?P<unit>[A-Za-z]{1,12})(?![A-Za-z])")


class Figure(Protocol):
    """What `joined` needs to know of a number."""

    @property
    def value(self) -> Fraction:
        """What it is worth."""
        ...

    @property
    def start(self) -> int:
        """Where it begins in its text."""
        ...

    @property
    def end(self) -> int:
        """Where it ends in its text."""
        ...

    @property
    def money(self) -> bool:
        """Whether a sign of money stands before it."""
        ...

    @property
    def unit(self) -> str:
        """The larger unit of a measure that is joined already."""
        ...


def unit_name(word: str) -> str:
    """Return the name of a unit in the singular: `hour` of `hrs`; other words without their `s`."""
    word = word.lower()
    return _NAMES.get(word, word.removesuffix("s"))


def joined(text: str, first: Figure, second: Figure) -> tuple[Fraction, Fraction, str] | None:
    """Return what two numbers are worth as one measure: in the smaller unit, in the larger one, and its name.

    Money counts in the larger unit. None where they are no measure: another unit, or more of the smaller one than
    make one of the larger.
    """
    between, after = _BETWEEN.fullmatch(text, first.end, second.start), _AFTER.match(text, second.end)
    if between is None or after is None or second.value < 0:
        return None
    larger = "dollar" if first.money and not between["unit"] else unit_name(between["unit"] or "")
    smaller, many = _PARTS.get(larger, ("", 0))
    bare = first.money and not between["unit"]
    if (larger == "pound" or bare) and unit_name(after["unit"]) in ("pence", "penny"):
        smaller, many = unit_name(after["unit"]), 100
    if not smaller or unit_name(after["unit"]) != smaller or second.value >= many:
        return None
    value = abs(first.value) * many + second.value
    value = -value if first.value < 0 else value
    money = many == 100 and larger != "meter"
    return (value / many if money else value), value / many, "dollar" if money else larger
