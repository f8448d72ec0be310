"""How much of a store an answer shows: texts are cut, lists are short, and a whole answer has a limit of its own."""

from typing import Any

import msgspec

from stepdown.errors import UsageError
from stepdown.text import json_line

MOST_ITEMS = 50
MOST_RUNS = 24
MOST_CHARACTERS = 200_000  # of a whole answer, as JSON
Answer = dict[str, Any]


def check_count(limit: int, most: int = MOST_ITEMS) -> int:
    """Return how many items are asked for. Raises `UsageError` for none, and for too many."""
    if not 1 <= limit <= most:
        raise UsageError(f"`limit` cannot be `{limit}`", f"give 1 to {most}, and an `offset` to go on")
    return limit


def bounded(answer: Answer, *, text: int) -> Answer:
    """Return an answer as plain values, each text cut to so many characters. Raises `UsageError` for one too large."""
    plain: Answer = _cut(msgspec.to_builtins(answer), text)
    size = len(json_line(plain))
    if size > MOST_CHARACTERS:
        raise UsageError(f"the answer would have {size:,} characters", "ask for fewer runs, or a lower `limit`")
    return plain


def _cut(value: Any, most: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= most else f"{value[:most]}… ({len(value) - most:,} characters more)"
    if isinstance(value, list):
        return [_cut(one, most) for one in value]
    return {name: _cut(one, most) for name, one in value.items()} if isinstance(value, dict) else value
