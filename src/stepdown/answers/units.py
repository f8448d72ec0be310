"""Units of measurement that are said on both sides: `5 cm` is `0.05 m`, and neither is 5 inches."""

import re
from fractions import Fraction

import msgspec

from stepdown.answers.arithmetic import Values, close, evaluate
from stepdown.answers.latex import unmarked

_TABLE: dict[str, dict[str, int | str]] = {
    "length": {
        "mm|millimeter|millimetre": "1/1000", "cm|centimeter|centimetre": "1/100", "m|meter|metre": 1,
        "km|kilometer|kilometre": 1000, "in|inch": "0.0254", "ft|foot|feet": "0.3048", "yd|yard": "0.9144",
        "mi|mile": "1609.344",
    },
    "time": {"s|sec|second": 1, "min|minute": 60, "h|hr|hour": 3600, "day": 86400, "week": 604800},
    "mass": {"mg|milligram": "1/1000", "g|gram": 1, "kg|kilogram": 1000, "oz|ounce": "28.349523125",
             "lb|pound": "453.59237"},
    "money": {"cent": 1, "dollar": 100},
    "volume": {"ml|mL|milliliter|millilitre": "1/1000", "l|L|liter|litre": 1},
}  # fmt: skip
_SIZES = {
    name: (what, Fraction(size))
    for what, names in _TABLE.items()
    for many, size in names.items()
    for name in many.split("|")
}
_MEASURE = re.compile(
    r"(?P<value>.*?[\d)}.\s])\s*(?:(?P<before>square|cubic|sq\.?|cu\.?)\s+)?(?P<unit>[a-zA-Z]{1,12})\s*"
    r"(?:\^\s*\{?(?P<power>[23])\}?)?\.?"
)


class Measure(msgspec.Struct, frozen=True):
    """A value in the base unit of what it measures, and the power of that unit."""

    what: str
    power: int
    value: Values


def measure(text: str) -> Measure | None:
    """Return what a text measures, None without a unit of the table."""
    match = _MEASURE.fullmatch(unmarked(text))
    known = None if match is None else _known(match["unit"])
    values = None if match is None or known is None else evaluate(match["value"].strip())
    if match is None or known is None or values is None:
        return None
    before = {"sq": 2, "cu": 3}.get((match["before"] or "")[:2], 1)
    power = int(match["power"] or before)
    return Measure(known[0], power, tuple(value * known[1] ** power for value in values))


def same_measure(one: Measure, other: Measure) -> bool | None:
    """Tell whether two measures are equal."""
    if (one.what, one.power) != (other.what, other.power):
        return False
    return close(one.value, other.value)


def _known(unit: str) -> tuple[str, Fraction] | None:
    for name in (unit, unit.removesuffix("s"), unit.removesuffix("es"), unit.lower(), unit.lower().removesuffix("s")):
        if name in _SIZES and (len(unit) > 1 or name == unit):
            return _SIZES[name]
    return None
