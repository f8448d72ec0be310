"""Sets of real numbers: intervals, points and inequalities in one unknown, in one order, so that they compare."""

import re
from collections.abc import Sequence
from fractions import Fraction
from math import inf

import msgspec

from stepdown.answers.arithmetic import POINTS, Value, constant, evaluate, letters, setting
from stepdown.answers.latex import pieces, unassigned
from stepdown.answers.relations import FLIPPED, Relation, relation

Bound = Fraction | float
_MOST = 40
# What a function takes as its value is one unknown.
_ABSOLUTE = re.compile(r"\|([^|]{1,60})\|")
_APPLIED = re.compile(r"^[a-zA-Z]\([a-zA-Z]\)$")
_MINUS = re.compile(r"^(?:\\setminus|\\backslash|\\|-)\s*(?=\\\{)")


class Interval(msgspec.Struct, frozen=True):
    """The numbers between two bounds; `closed` tells of each bound whether it belongs."""

    low: Bound
    high: Bound
    closed: tuple[bool, bool]


Region = tuple[Interval, ...]
LINE: Region = (Interval(-inf, inf, (False, False)),)


def region(text: str) -> Region | None:
    """Read a union of intervals, sets of numbers and inequalities; None where there is anything else."""
    parts = pieces(text, "\\cup")
    intervals: list[Interval] = []
    for part in parts[:_MOST]:
        one = _part(unassigned(part) if "\\in " in part else part)
        if one is None:
            return None
        intervals += one
    return merged(intervals) if len(parts) <= _MOST else None


def solutions(one: Relation) -> Region | None:
    """Return what an inequality or a chain of them, linear in one unknown, leaves of the real numbers."""
    insides = {inner[1] for side in one.sides if (inner := _ABSOLUTE.fullmatch(side))}
    if len(insides) == 1:
        return _unfolded(Relation(tuple(_ABSOLUTE.sub("y", side) for side in one.sides), one.signs), insides.pop())
    one = Relation(tuple(_APPLIED.sub("y", side) for side in one.sides), one.signs)
    region_left: Region = LINE
    names: frozenset[str] = frozenset()
    for left, sign, right in one.links:
        if left.replace(" ", "") == "-\\infty" or right.replace(" ", "") == "\\infty":
            continue
        solved = _solved(f"({left})-({right})", sign)
        if solved is None:
            return None
        names |= letters(left) | letters(right)
        region_left = crossed(region_left, solved)
    return region_left if len(names) == 1 else None


def _unfolded(one: Relation, inside: str) -> Region | None:
    """Return where a linear formula's absolute value, standing as `y`, is in a region."""
    sizes, line = solutions(one), _line_of(inside)
    if sizes is None or line is None:
        return None
    slope: Bound = -line[0] if line[0] < 0 else line[0]
    root = line[1]
    intervals = []
    for part in crossed(sizes, (Interval(Fraction(0), inf, (True, False)),)):
        low, high = part.low / slope, part.high / slope
        intervals += [
            Interval(root + low, root + high, part.closed),
            Interval(root - high, root - low, part.closed[::-1]),
        ]
    return merged(intervals)


def merged(parts: Sequence[Interval]) -> Region:
    """Return the union of intervals, in order and with those that touch made one."""
    out: list[Interval] = []
    for part in sorted(parts, key=lambda part: (part.low, not part.closed[0])):
        if part.low > part.high or (part.low == part.high and part.closed != (True, True)):
            continue
        last = out[-1] if out else None
        if last is None or part.low > last.high or (part.low == last.high and not (part.closed[0] or last.closed[1])):
            out.append(part)
            continue
        ends = last.closed[1] if last.high > part.high else part.closed[1]
        ends = last.closed[1] or part.closed[1] if last.high == part.high else ends
        out[-1] = Interval(last.low, max(last.high, part.high), (last.closed[0], ends))
    return tuple(out)


def crossed(one: Region, other: Region) -> Region:
    """Return the intersection of two regions."""
    out = []
    for a in one:
        for b in other:
            low, high = max(a.low, b.low), min(a.high, b.high)
            starts = all(part.closed[0] for part in (a, b) if part.low == low)
            ends = all(part.closed[1] for part in (a, b) if part.high == high)
            out.append(Interval(low, high, (starts, ends)))
    return merged(out)


def same_region(one: Region, other: Region) -> bool | None:
    """Tell whether two regions are the same, None where bounds differ by what may be rounding."""
    if len(one) != len(other) or any(a.closed != b.closed for a, b in zip(one, other, strict=True)):
        return False
    verdicts = [
        _same_bound(*bounds) for a, b in zip(one, other, strict=True) for bounds in ((a.low, b.low), (a.high, b.high))
    ]
    return False if False in verdicts else None if None in verdicts else True


def _same_bound(one: Bound, other: Bound) -> bool | None:
    if one == other:
        return True
    if (isinstance(one, Fraction) and isinstance(other, Fraction)) or inf in (abs(one), abs(other)):
        return False
    apart, size = abs(float(one) - float(other)), max(abs(float(one)), abs(float(other)))
    return True if apart <= 1e-9 * size else None if apart <= 1e-6 * size else False


def _part(text: str) -> Region | None:
    text = text.strip()
    if text.startswith("\\reals"):
        rest = text.removeprefix("\\reals").strip()
        return _without(_MINUS.sub("", rest)) if rest else LINE
    if text.startswith("\\{") and text.endswith("\\}"):
        points = [_bound(piece) for piece in pieces(text[2:-2])]
        return _points(points)
    if len(text) > 2 and text[0] in "([" and text[-1] in ")]":
        return _interval(text)
    links = relation(text)
    return solutions(links) if links is not None and set(links.signs) != {"="} else None


def _without(text: str) -> Region | None:
    if not (text.startswith("\\{") and text.endswith("\\}")):
        return None
    allowed: Region | None = LINE
    for piece in pieces(text[2:-2]):
        bound = _bound(piece)
        if bound is None or allowed is None:
            return None
        allowed = crossed(allowed, _holed(bound))
    return allowed


def _points(bounds: Sequence[Bound | None]) -> Region | None:
    return None if None in bounds else merged([Interval(one, one, (True, True)) for one in bounds if one is not None])


def _interval(text: str) -> Region | None:
    ends = pieces(text[1:-1])
    if len(ends) != 2:
        return None
    low, high = _bound(ends[0]), _bound(ends[1])
    if low is None or high is None or low >= high:
        return None
    return (Interval(low, high, (text[0] == "[" and low != -inf, text[-1] == "]" and high != inf)),)


def _bound(text: str) -> Bound | None:
    plain = text.replace(" ", "")
    if plain in ("\\infty", "-\\infty"):
        return -inf if plain.startswith("-") else inf
    values = evaluate(text)
    return None if values is None or not constant(values) else _real(values[0])


def _real(value: Value) -> Bound | None:
    if isinstance(value, Fraction):
        return value
    return value.real if abs(value.imag) <= 1e-12 * max(1.0, abs(value)) else None


def _holed(bound: Bound) -> Region:
    return (Interval(-inf, bound, (False, False)), Interval(bound, inf, (False, False)))


def _solved(difference: str, sign: str) -> Region | None:
    """Solve a linear difference in one unknown that is below, not above, or not zero."""
    line = _line_of(difference)
    if line is None:
        return None
    slope, root = line
    if sign == "!=":
        return _holed(root)
    if sign == "=":
        return (Interval(root, root, (True, True)),)
    below = sign if slope > 0 else FLIPPED[sign]
    closed = below.endswith("=")
    if below[0] == "<":
        return (Interval(-inf, root, (False, closed)),)
    return (Interval(root, inf, (closed, False)),)


def _line_of(difference: str) -> tuple[Bound, Bound] | None:
    """Return slope and root of a formula that is linear in its only unknown."""
    names = letters(difference)
    bounded = "\\infty" in difference
    values = None if len(names) != 1 or bounded else evaluate(difference)
    if values is None:
        return None
    (name,) = names
    at = [setting(name.removeprefix("\\"), point) for point in range(POINTS)]
    real = [_real(value) for value in values]
    first, second = real[0], real[1]
    if first is None or second is None or at[0] == at[1]:
        return None
    slope = (second - first) / (at[1] - at[0])
    for index, value in zip(at[2:], real[2:], strict=True):
        expected = first + slope * (index - at[0])
        if value is None or abs(float(value - expected)) > 1e-9 * max(1.0, abs(float(expected))):
            return None
    if -1e-12 < slope < 1e-12:
        return None
    return slope, at[0] - first / slope
