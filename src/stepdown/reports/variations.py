"""The settings in which the runs of a report differ, beyond those that have a column of their own."""

import re
from collections.abc import Mapping, Sequence

import msgspec

from stepdown.text import DASH
from stepdown.types import Sampling, Settings

_IN_COLUMNS = frozenset({"dataset", "method", "student", "teacher", "plans", "control", "samples"})
_NAMES = {"count": "limit", "sources": "address", "prompt_set": "prompts", "prompts": "wording", "problems": "data",
          "origin": "file"}  # fmt: skip
# What only tells runs apart that agree in these: a fingerprint of what is said already says nothing more.
_BEYOND = {
    "address": ("student", "teacher"),
    "wording": ("prompts",),
    "data": ("dataset", "limit", "first problem"),
    "first problem": ("dataset",),
}
_SECRET = re.compile(r"//[^/@\s]*@")
_SHORT = 8  # characters of a fingerprint


def variations(settings: Sequence[Settings], firsts: Sequence[str]) -> list[dict[str, str]]:
    """Return for each run its values of the settings in which the runs differ, by their names, in one order.

    `firsts` are the ids of the runs' first problems, which an offset shows in. A value that a run does not have, such
    as its teacher's sampling where it has none, is a dash, and makes no difference.
    """
    parts = [
        _facts(one) | ({"first problem": first} if first else {}) for one, first in zip(settings, firsts, strict=True)
    ]
    names = list(dict.fromkeys(name for one in parts for name in one))
    differing = [name for name in names if name not in _IN_COLUMNS and _differs(name, parts)]
    return [{name: one.get(name, DASH) for name in differing} for one in parts]


def _facts(settings: Settings) -> dict[str, str]:
    """Return every setting as words, those of a sampling one by one."""
    found: dict[str, str] = {}
    for name, value in msgspec.structs.asdict(settings).items():
        if not isinstance(value, Sampling):
            found[_NAMES.get(name, name.replace("_", " "))] = _words(name, value)
        elif name == "sampling" or settings.teacher:
            role = "" if name == "sampling" else "teacher "
            found |= {f"{role}{one.replace('_', ' ')}": _words(one, what) for one, what in _fields(value)}
    return found


def _fields(sampling: Sampling) -> list[tuple[str, object]]:
    return list(msgspec.structs.asdict(sampling).items())


def _words(name: str, value: object) -> str:
    if name in ("problems", "prompts"):
        return str(value)[:_SHORT] or DASH
    if value is None:
        return "none"
    if name == "stop":
        return " ".join(map(repr, value)) if isinstance(value, tuple) and value else "none"
    if isinstance(value, tuple | list):
        return ", ".join(_SECRET.sub("//", str(one)) for one in value if one) or DASH
    return f"{value:g}" if isinstance(value, float) else str(value) or DASH


def _differs(name: str, parts: Sequence[Mapping[str, str]]) -> bool:
    alike: dict[tuple[str, ...], set[str]] = {}
    for one in parts:
        group = tuple(one.get(other, DASH) for other in _BEYOND.get(name, ()))
        alike.setdefault(group, set()).update([one[name]] if name in one else [])
    return any(len(values) > 1 for values in alike.values())
