"""Calls of tools in logs of Inspect, and as a call of ours keeps them: in the form of OpenAI's chat completions.

Source of the form: inspect_ai 0.3.285, `tool/_tool_call.py`, `tool/_tool_info.py`, `tool/_tool_choice.py` and
`model/_chat_message.py`.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from stepdown.types import AnswerForm, Message, Messages, ToolCall

_CHOICES = {"auto": "auto", "any": "required", "none": "none"}
# What a turn becomes: a message, or one that calls tools or brings a result, as OpenAI writes it; None for neither.
ReadTurn = Message | dict[str, Any] | None


class InspectToolCall(msgspec.Struct, frozen=True):
    """A call of a tool."""

    id: str = ""
    function: str = ""
    arguments: Any = None


def read_calls(given: Sequence[InspectToolCall], resolved: Callable[[str], str]) -> tuple[ToolCall, ...]:
    """Return calls of tools; `resolved` gives the text that a reference stands for."""
    return tuple(ToolCall(one.id, one.function, _text_of(_put(one.arguments, resolved))) for one in given)


def calling(text: str, calls: Sequence[ToolCall]) -> dict[str, Any]:
    """Return a turn that calls tools as OpenAI writes it."""
    wired = [
        {"id": one.id, "type": "function", "function": {"name": one.name, "arguments": one.arguments}} for one in calls
    ]
    return {"role": "assistant", "content": text or None, "tool_calls": wired}


def size_of(turn: ReadTurn) -> int:
    """Return the characters that a turn comes to."""
    if turn is None or isinstance(turn, Message):
        return len(turn.content) if turn else 0
    return len(turn.get("content") or "") + sum(len(one["function"]["arguments"]) for one in turn.get("tool_calls", ()))


def read_form(turns: Iterable[ReadTurn], tools: str, choice: object) -> tuple[Messages, AnswerForm | None]:
    """Return the messages among turns, and around them the calls of tools with the tools that could be called."""
    messages, called, before = list[Message](), list[tuple[int, dict[str, Any]]](), 0
    for turn in turns:
        if isinstance(turn, Message):
            messages.append(turn)
            before += turn.role != "system"
        elif turn is not None:
            called.append((before, turn))
    if not called and not tools:
        return tuple(messages), None
    placed = [(place if place < before else -1, turn) for place, turn in called]
    form = AnswerForm(
        tools=tools, tool_choice=_choice(choice) if tools else "", turns=_json_of(placed) if placed else ""
    )
    return tuple(messages), form


def read_tools(given: Sequence[Any]) -> str:
    """Return the tools that could be called; what is none is left out."""
    named = [one for one in given if isinstance(one, dict) and isinstance(one.get("name"), str)]
    tools = [
        {"type": "function", "function": {key: one[key] for key in ("name", "description", "parameters") if key in one}}
        for one in named
    ]
    return _json_of(tools) if tools else ""


def written_turn(turn: Message | dict[str, Any]) -> dict[str, Any]:
    """Return a turn as Inspect writes it."""
    if isinstance(turn, Message):
        return {"role": turn.role, "content": turn.content}
    if turn.get("role") == "tool":
        return {"role": "tool", "content": turn.get("content") or "", "tool_call_id": turn.get("tool_call_id")}
    called = [
        ToolCall(one["id"], one["function"]["name"], one["function"]["arguments"]) for one in turn.get("tool_calls", ())
    ]
    return {"role": "assistant", "content": turn.get("content") or "", "tool_calls": written_calls(called)}


def written_calls(calls: Sequence[ToolCall]) -> list[dict[str, Any]]:
    """Return calls of tools as Inspect writes them: arguments that are no JSON object are an error of reading them."""
    return [{"id": one.id, "function": one.name, "type": "function", **_arguments(one.arguments)} for one in calls]


def _arguments(text: str) -> dict[str, Any]:
    with suppress(msgspec.DecodeError, RecursionError):
        if isinstance(found := msgspec.json.decode(text), dict):
            return {"arguments": found}
    return {"arguments": {}, "parse_error": f"no JSON object: {text}"}


def _text_of(arguments: object) -> str:
    return arguments if isinstance(arguments, str) else _json_of(arguments or {})


def _choice(given: object) -> str:
    """Return which tool may be called, in OpenAI's words; what says nothing is left out."""
    if isinstance(given, dict) and isinstance(given.get("name"), str):
        return _json_of({"type": "function", "function": {"name": given["name"]}})
    word = _CHOICES.get(given, "") if isinstance(given, str) else ""
    return _json_of(word) if word and word != "auto" else ""


def _put(value: Any, resolved: Callable[[str], str]) -> Any:
    """Return a value with the text of each reference in its place."""
    if isinstance(value, str):
        return resolved(value)
    if isinstance(value, dict):
        return {key: _put(one, resolved) for key, one in value.items()}
    return [_put(one, resolved) for one in value] if isinstance(value, list) else value


def _json_of(value: object) -> str:
    # Numbers in arguments may have any length.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
