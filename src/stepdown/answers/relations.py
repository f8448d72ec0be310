"""Equations and inequalities: read into their sides, and two of them compared as conditions on their unknowns."""

import re
from fractions import Fraction

import msgspec

from stepdown.answers.arithmetic import POINTS, Value, Values, close, constant, evaluate, letters

_SIGN = re.compile(r"\\(?:le|ge|ne)(?![a-zA-Z])|[<>=]")
_SIGNS = {"\\le": "<=", "\\ge": ">=", "\\ne": "!=", "<": "<", ">": ">", "=": "="}
FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "!=": "!="}
# What divides by an unknown, takes a root or an absolute value is no polynomial.
_NUMERIC_FRACTION = re.compile(r"\\frac\s?(?:\d|\{[^{}]*\})\s?(?:\d|\{\s?\d+\s?\})|/\s?\d+")
_NO_POLYNOMIAL = re.compile(r"\\(?!cdot|pi)[a-z]|[/|]|\^\s?(?:\{?[^\d{]|\{\d*[^\d}])")
_MOST_SIDES = 12


class Relation(msgspec.Struct, frozen=True):
    """A chain such as `0 < y \\le 1`: its sides, and between each two the sign (`<`, `<=`, `>`, `>=`, `=`, `!=`)."""

    sides: tuple[str, ...]
    signs: tuple[str, ...]

    @property
    def links(self) -> list[tuple[str, str, str]]:
        """Each pair of neighbours with its sign, `>` turned round to `<`."""
        links_read = []
        for left, sign, right in zip(self.sides, self.signs, self.sides[1:], strict=False):
            links_read.append((right, FLIPPED[sign], left) if sign[0] == ">" else (left, sign, right))
        return links_read


def relation(text: str) -> Relation | None:
    """Read a text as a chain of sides and signs that stand outside all brackets; None where there is no sign."""
    sides, signs, begin = [], [], 0
    depth = 0
    for match in re.finditer(r"[(\[{]|[)\]}]|" + _SIGN.pattern, text):
        if match[0] in "([{" or match[0] in ")]}":
            depth += 1 if match[0] in "([{" else -1
        elif depth == 0:
            sides.append(text[begin : match.start()].strip())
            signs.append(_SIGNS[match[0]])
            begin = match.end()
    sides.append(text[begin:].strip())
    if not signs or len(sides) > _MOST_SIDES or not all(sides):
        return None
    return Relation(tuple(sides), tuple(signs))


def same_relation(one: Relation, other: Relation) -> bool | None:
    """Tell whether two chains state the same, None where that takes algebra.

    Of an equation both sides may be moved and multiplied; of an inequality, by what is positive.
    """
    ones, others = one.links, other.links
    if len(ones) != len(others):
        return None if {"="} == {sign for _, sign, _ in ones + others} else False
    taken: set[int] = set()
    unsure = False
    for link in ones:
        verdicts = {at: _same_link(link, others[at]) for at in range(len(others)) if at not in taken}
        same = next((at for at, verdict in verdicts.items() if verdict), None)
        if same is not None:
            taken.add(same)
        elif None in verdicts.values():
            unsure = True
        else:
            return False
    return None if unsure else True


def identity(one: Relation) -> bool:
    """Tell whether a chain of `=` is true whatever its unknowns are: a calculation, such as `2 + 2 = 4`."""
    if set(one.signs) != {"="}:
        return False
    values = [evaluate(side) for side in one.sides]
    first = values[0]
    return first is not None and all(value is not None and close(first, value) is True for value in values[1:])


def _same_link(one: tuple[str, str, str], other: tuple[str, str, str]) -> bool | None:
    if one[1] != other[1]:
        return False
    ratio = _ratio(one, other)
    if ratio is None:
        return None
    values = value_of_ratio(ratio)
    if values is not None:
        return one[1] in ("=", "!=") or values > 0
    if letters(_difference(one)) != letters(_difference(other)):
        return False
    return False if _polynomial(one) and _polynomial(other) else None


def value_of_ratio(ratio: Values) -> float | None:
    """Return what two differences have as their ratio, where it is the same real number at every point."""
    first = complex(ratio[0])
    if not constant(ratio) or abs(first.imag) > 1e-9 * abs(first):
        return None
    return first.real


def _difference(link: tuple[str, str, str]) -> str:
    return f"({link[0]})-({link[2]})"


def _ratio(one: tuple[str, str, str], other: tuple[str, str, str]) -> Values | None:
    tops, bottoms = evaluate(_difference(one)), evaluate(_difference(other))
    if tops is None or bottoms is None or not all(tops) or not all(bottoms):
        return None
    assert len(tops) == len(bottoms) == POINTS, "a worth has one value for each point"
    return tuple(_quotient(top, bottom) for top, bottom in zip(tops, bottoms, strict=True))


def _quotient(top: Value, bottom: Value) -> Value:
    if isinstance(top, Fraction) and isinstance(bottom, Fraction):
        return top / bottom
    return complex(top) / complex(bottom)


def _polynomial(link: tuple[str, str, str]) -> bool:
    return not _NO_POLYNOMIAL.search(_NUMERIC_FRACTION.sub("", _difference(link)))
