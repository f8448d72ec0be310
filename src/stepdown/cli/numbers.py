"""Numbers of a command line that no machine can count with are refused before anything is done with them."""

from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from math import isfinite, nan

from stepdown.errors import UsageError

# SQLite's and C's largest integer; from there on slices, clocks and columns overflow.
LARGEST = 2**63 - 1


def check_numbers(values: Iterable[object], name: str = "") -> None:
    """Raise `UsageError` for an integer beyond 64 bits and a number that is not finite, also within options."""
    for value in values:
        if is_dataclass(value) and not isinstance(value, type):
            for field in fields(value):
                check_numbers([getattr(value, field.name)], f"--{field.name.replace('_', '-')}")
        elif isinstance(value, tuple | list):
            check_numbers(value, name)
        elif isinstance(value, int) and not -LARGEST <= value <= LARGEST:
            raise UsageError(f"{_named(name)}`{value}` is too large", f"the largest number is {LARGEST}")
        elif isinstance(value, float) and not isfinite(value):
            raise UsageError(f"{_named(name)}`{value}` is not a finite number", "give an ordinary number")


def _named(name: str) -> str:
    return f"`{name}` of " if name else ""


def share_of(text: str, option: str) -> float:
    """Return the share of 1 that is meant by `1%` or `0.01`. Raises `UsageError`."""
    number, percent, rest = text.strip().partition("%")
    try:
        share = float(number) / (100 if percent else 1)
    except ValueError:
        share = nan
    if rest or not isfinite(share) or not 0 <= share <= 1:
        raise UsageError(f"`{option}` of `{text[:40]}` is no share", "write it as 1% or 0.01")
    return share
