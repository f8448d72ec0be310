"""Tools and the form of an answer in the words of Gemini's generateContent, and calls of tools out of them.

Source: https://ai.google.dev/gemini-api/docs/function-calling, .../structured-output and .../thought-signatures
"""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from stepdown.models.http.tool_calls import MADE_UP_ID, object_of, read_pieces
from stepdown.types import AnswerForm, ToolCallPiece

_MODES = {"auto": "AUTO", "required": "ANY", "none": "NONE"}
# Later models want their signed thoughts back with a call; this stands for those that are not at hand.
_UNSIGNED = "skip_thought_signature_validator"
_SIGNS_NOTHING = re.compile(r"gemini-[12]\b")


def tools_of(form: AnswerForm) -> list[dict[str, Any]]:
    """Return the declarations of a form's functions, which are one tool."""
    functions = [tool["function"] for tool in msgspec.json.decode(form.tools)] if form.tools else []
    declared = [
        {name: one[name] for name in ("name", "description") if one.get(name)}
        | ({"parametersJsonSchema": one["parameters"]} if one.get("parameters") else {})
        for one in functions
    ]
    return [{"functionDeclarations": declared}] if declared else []


def tool_config(form: AnswerForm) -> dict[str, Any] | None:
    """Return which functions may or must be called, None where the form leaves that open."""
    if not form.tool_choice:
        return None
    choice = msgspec.json.decode(form.tool_choice)
    if isinstance(choice, dict):
        return {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": [choice["function"]["name"]]}}
    return {"functionCallingConfig": {"mode": _MODES[choice]}}


def format_of(form: AnswerForm) -> tuple[str, Any]:
    """Return the media type of an answer and the schema that it must keep to; "" and None where it is plain text."""
    if not form.kind:
        return "", None
    value = msgspec.json.decode(form.response_format)
    return "application/json", value["json_schema"]["schema"] if form.kind == "json_schema" else None


def turns_with_calls(form: AnswerForm, turns: Sequence[Any], model: str) -> list[Any]:
    """Return turns with the calls of tools so far, as contents; results that follow one another are one content."""
    written: list[Any] = []
    names = dict[str, str]()
    for turn in form.placed(turns):
        if not isinstance(turn, dict):
            written.append(turn)
        elif turn["role"] != "tool":
            names |= {one["id"]: one["function"]["name"] for one in turn["tool_calls"]}
            written.append({"role": "model", "parts": _called(turn, model)})
        elif written and isinstance(written[-1], dict) and written[-1]["role"] == "user":
            written[-1]["parts"].append(_result(turn, names))
        else:
            written.append({"role": "user", "parts": [_result(turn, names)]})
    return written


def _called(turn: dict[str, Any], model: str) -> list[dict[str, Any]]:
    words: list[dict[str, Any]] = [{"text": turn["content"]}] if turn.get("content") else []
    calls: list[dict[str, Any]] = [
        {"functionCall": _known(one["id"])
         | {"name": one["function"]["name"], "args": object_of(one["function"]["arguments"])}}
        for one in turn["tool_calls"]
    ]  # fmt: skip
    if not _SIGNS_NOTHING.search(model):
        calls[0]["thoughtSignature"] = _UNSIGNED
    return words + calls


def _result(turn: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """Return a function's result, an object: a text that is none stands under `result`."""
    known, text = turn["tool_call_id"], str(turn["content"])
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        value = text
    response = value if isinstance(value, dict) else {"result": text}
    return {"functionResponse": _known(known) | {"name": names.get(known, ""), "response": response}}


def _known(given: str) -> dict[str, str]:
    """Return an id that the endpoint gave; it is told none of those that stand in for one."""
    return {} if MADE_UP_ID.fullmatch(given) else {"id": given}


def calls_in(parts: Sequence[dict[str, Any]], place: int = 0) -> list[ToolCallPiece]:
    """Return the calls among the parts of a candidate, which are whole also in a stream, from this place on."""
    calls = [one for part in parts if isinstance(one := part.get("functionCall"), dict)]
    called = [{"id": one.get("id"), "function": _function(one)} for one in calls]
    return read_pieces([{"index": at} | one for at, one in enumerate(called, place)])


def _function(call: dict[str, Any]) -> dict[str, Any]:
    return {"name": call.get("name"), "arguments": call.get("args") or {}}
