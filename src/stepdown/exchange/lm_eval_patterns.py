"""Regular expressions of strangers' task files, over texts of models: bounded in time, number, and what they make.

The harness has Python's `re`, which nothing ends; `regex` reads the same patterns and has a limit of time. Matches are
visited one by one, as the texts of all groups of all matches may be longer than any memory.
"""

import re
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import islice
from typing import Any

from stepdown.errors import MissingExtra, UsageError
from stepdown.extras import EXTRAS
from stepdown.untrusted import reading

EXTRA = "harness"
LONGEST = 1 << 20  # characters of a field, and of whatever is made of one
MOST_PATTERNS = 32  # of a list of patterns, and steps of a filter
_SECONDS = 0.5
_MOST_ADDED = 6_000  # characters of what stands for `\b` and its like in `regex`
# For a text that a pattern must hold, `regex` prepares a search: seconds for 2,000 equal letters, which no limit ends.
# Beside what never matches, none must be there.
_NEVER = "|(?!)"
# An escaped character, a brace that begins no repeat, a set, or any character of a pattern.
_PART = re.compile(r"\\(?:N\{[^}]*\}|.)|(?P<brace>\{(?!\d+(?:,\d*)?\}|,\d*\}))|\[\^?\]?(?:\\.|[^\\\]])*\]|.", re.DOTALL)
_PART_OF_SET = re.compile(r"\\.|\[", re.DOTALL)
# What words are made of in Python, which are no combining marks, and all else, to stand in a set; what is blank.
_LETTERS = r"\p{L}\p{N}_"
_OTHERS = r"\p{M}\p{S}\p{Z}\p{C}\p{Pd}\p{Ps}\p{Pe}\p{Pi}\p{Pf}\p{Po}\u203f\u2040\u2054\ufe33\ufe34\ufe4d-\ufe4f\uff3f"
_BLANKS = r"\s\x1c-\x1f"
_WORDS = {
    r"\w": f"[{_LETTERS}]",
    r"\W": f"[^{_LETTERS}]",
    r"\s": f"[{_BLANKS}]",
    r"\S": f"[^{_BLANKS}]",
    r"\b": f"(?:(?<=[{_LETTERS}])(?![{_LETTERS}])|(?<![{_LETTERS}])(?=[{_LETTERS}]))",
    r"\B": f"(?:(?<=[{_LETTERS}])(?=[{_LETTERS}])|(?<![{_LETTERS}])(?![{_LETTERS}]))",
}
# Of a set `\S` cannot be said so: it has \x1c to \x1f too.
_IN_SETS = {r"\w": _LETTERS, r"\W": _OTHERS, r"\s": _BLANKS}


def compile_pattern(pattern: object, key: str, file: str, longest: int = 2_000) -> Any:
    """Return a stranger's regular expression, compiled. Raises `UsageError` for one that `re` does not read."""
    if not isinstance(pattern, str) or len(pattern) > longest:
        hint = f"stepdown reads a regular expression of at most {longest:,} characters"
        raise UsageError(f"`{key}` of `{file}` is {str(pattern)[:40]!r}", hint)
    with reading(f"`{key}` of `{file}` is no regular expression", "mend it"), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        flags = re.compile(pattern).flags
        read = _as_python_reads(pattern, by_unicode=not flags & re.ASCII)
        if len(read) > longest + _MOST_ADDED:
            raise ValueError(r"it has `\b`, `\s` or their like too often")
        # A comment at the end ends with its line.
        return _regex().compile(read + "\n" * bool(flags & re.VERBOSE) + _NEVER)


def _as_python_reads(pattern: str, *, by_unicode: bool) -> str:
    """Return a pattern that means to `regex` what this one means to `re`.

    Words and blanks are Python's, and characters are characters that `regex` takes for more: `{e<=1}`, `[[:alpha:]]`.
    """
    outside, inside = (_WORDS, _IN_SETS) if by_unicode else ({}, {})

    def in_set(part: re.Match[str]) -> str:
        return r"\[" if part[0] == "[" else inside.get(part[0], part[0])

    def read(part: re.Match[str]) -> str:
        found = part[0]
        if part["brace"]:
            return r"\{"
        if len(found) > 1 and found[0] == "[":
            return "[" + _PART_OF_SET.sub(in_set, found[1:])
        return outside.get(found, found)

    return _PART.sub(read, pattern)


class _Clock:
    """How many seconds of processor patterns have left."""

    def __init__(self) -> None:
        self.left = _SECONDS


_clock: ContextVar[_Clock | None] = ContextVar("clock", default=None)


@contextmanager
def one_limit() -> Iterator[None]:
    """Give all patterns inside half a second together, and not each."""
    before = _clock.set(_Clock())
    try:
        yield
    finally:
        _clock.reset(before)


@contextmanager
def _timed() -> Iterator[float]:
    clock, began = _clock.get() or _Clock(), time.thread_time()
    if clock.left <= 0:
        raise TimeoutError(f"patterns took more than {_SECONDS} s")
    try:
        yield clock.left
    except TimeoutError:
        # `regex` counts the time of all threads, which may be up before this one's is.
        clock.left = 0
        raise
    finally:
        clock.left -= time.thread_time() - began


def nth(pattern: Any, text: str, place: int) -> Any:
    """Return the match at a place of all there are, from the end where it is negative; None where there is none.

    Raises `TimeoutError`, and `ValueError` where there are matches, and fewer.
    """
    with _timed() as seconds:
        wanted = place
        if place:
            found = sum(1 for _ in pattern.finditer(text, timeout=seconds))
            wanted += found * (place < 0)
            if found and not 0 <= wanted < found:
                raise ValueError(f"the pattern found {found}, and the task asks for number {place}")
        return next(islice(pattern.finditer(text, timeout=seconds), max(wanted, 0), None), None)


def first_group(match: Any) -> str | None:
    """Return what `re.findall` says of a match, and of several groups the first that is not empty; None if all are."""
    groups = match.re.groups
    if groups < 2:
        return match[groups] or ""
    place = next((one for one in range(1, groups + 1) if match.end(one) > match.start(one)), None)
    return None if place is None else str(match[place])


def substitute(pattern: Any, replacement: str, text: str, count: int = 0) -> str:
    """Return a text with what a pattern finds replaced, as `re.sub`. Raises `TimeoutError`, `ValueError`."""
    made, length, end = list[str](), len(text), 0
    with _timed() as seconds:
        if not replacement:
            return str(pattern.sub("", text, count=count, timeout=seconds))
        for match in islice(pattern.finditer(text, timeout=seconds), count or None):
            longest = max(match.end(one) - match.start(one) for one in range(match.re.groups + 1))
            bounded(length + len(replacement) + longest * replacement.count("\\"))
            made += (text[end : match.start()], match.expand(replacement))
            length, end = length + len(made[-1]), match.end()
    return "".join([*made, text[end:]])


def bounded(length: int) -> None:
    """Raise `ValueError` for a text of so many characters that it is not made."""
    if length > LONGEST:
        raise ValueError(f"more than {LONGEST:,} characters")


def _regex() -> Any:
    try:
        import regex
    except ImportError as error:
        raise MissingExtra("regex", EXTRA, EXTRAS[EXTRA][0]) from error
    return regex
