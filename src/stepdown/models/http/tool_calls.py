"""Calls of tools in an answer, whole or in the pieces of a stream, from what servers make of them."""

import json
import re
from collections.abc import Iterable
from typing import Any

import msgspec

from stepdown.models.http.lenient_json import unicode_of
from stepdown.types import ToolCall, ToolCallPiece

MOST_CALLS = 128
_LONGEST_NAME = 256
MADE_UP_ID = re.compile(r"call_\d{1,4}")  # what a call without an id gets


def read_pieces(value: Any) -> list[ToolCallPiece]:
    """Return what OpenAI's `tool_calls` hold: of a server that gives no `index`, the place in the list is it."""
    listed = value if isinstance(value, list) else [value]
    return [_piece(one, at) for at, one in enumerate(listed[:MOST_CALLS]) if isinstance(one, dict)]


def _piece(one: dict[str, Any], at: int) -> ToolCallPiece:
    function, index = one.get("function"), one.get("index")
    inner = function if isinstance(function, dict) else {}
    place = index if isinstance(index, int) and not isinstance(index, bool) else at
    return ToolCallPiece(place, _text(one.get("id")), _text(inner.get("name")), arguments_of(inner.get("arguments")))


def object_of(text: str) -> dict[str, Any]:
    """Return a JSON text as the object it is; a text that is none, under `arguments`, as some models write no JSON."""
    try:
        value = msgspec.json.decode(text) if text.strip() else {}
    except (msgspec.DecodeError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {"arguments": text}


def _text(value: Any) -> str:
    return unicode_of(value[:_LONGEST_NAME]) if isinstance(value, str) else ""


def arguments_of(value: Any) -> str:
    """Return a call's arguments as JSON text: some servers give the object itself."""
    if value is None or isinstance(value, str):
        return unicode_of(value or "")
    try:
        return unicode_of(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
    except RecursionError:
        return ""


def joined_calls(pieces: Iterable[ToolCallPiece]) -> tuple[ToolCall, ...]:
    """Return the calls that pieces add up to, in the order of their places; a call without an id gets one by place."""
    found: dict[int, list[ToolCallPiece]] = {}
    for piece in pieces:
        if piece.place in found or len(found) < MOST_CALLS:
            found.setdefault(piece.place, []).append(piece)
    calls = []
    for place, some in sorted(found.items()):
        known = next((one.id for one in some if one.id), f"call_{place}")
        name = next((one.name for one in some if one.name), "")
        calls.append(ToolCall(known, name, "".join(one.arguments for one in some)))
    return tuple(call for call in calls if call.name)
