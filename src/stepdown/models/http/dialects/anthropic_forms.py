"""Tools and the form of an answer in the words of Anthropic's messages, and calls of tools out of them.

Source: https://docs.anthropic.com/en/docs/build-with-claude/tool-use and .../structured-outputs
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from stepdown.models.http.tool_calls import arguments_of, object_of, read_pieces
from stepdown.types import AnswerForm, ToolCallPiece

_CHOICES = {"auto": "auto", "required": "any", "none": "none"}
_NO_SCHEMA = {"type": "object", "properties": {}}


def tools_of(form: AnswerForm) -> list[dict[str, Any]]:
    """Return the definitions of a form's tools; one without parameters takes an empty object."""
    functions = [tool["function"] for tool in msgspec.json.decode(form.tools)] if form.tools else []
    return [
        {name: one[name] for name in ("name", "description", "strict") if one.get(name)}
        | {"input_schema": one.get("parameters") or _NO_SCHEMA}
        for one in functions
    ]


def choice_of(form: AnswerForm) -> dict[str, Any] | None:
    """Return which tools may or must be called, None where the form leaves that open."""
    choice = msgspec.json.decode(form.tool_choice) if form.tool_choice else None
    if choice is None and form.parallel_tool_calls is not False:
        return None
    if isinstance(choice, dict):
        wanted: dict[str, Any] = {"type": "tool", "name": choice["function"]["name"]}
    else:
        wanted = {"type": _CHOICES[choice or "auto"]}
    if form.parallel_tool_calls is False and wanted["type"] != "none":
        wanted["disable_parallel_tool_use"] = True
    return wanted


def format_of(form: AnswerForm) -> dict[str, Any]:
    """Return the schema that an answer must keep to, as a field of `output_config`; nothing where there is none."""
    if form.kind != "json_schema":
        return {}
    schema = msgspec.json.decode(form.response_format)["json_schema"]["schema"]
    return {"format": {"type": "json_schema", "schema": schema}}


def may_think(form: AnswerForm | None) -> bool:
    """Whether a model may think: not where a tool must be called, nor after a call whose thoughts are not here."""
    forced = form is not None and (choice_of(form) or {}).get("type") in {"any", "tool"}
    return form is None or not (forced or form.turns)


def turns_with_calls(form: AnswerForm, turns: Sequence[Any]) -> list[Any]:
    """Return turns with the calls of tools so far; results that follow one another are one turn of the user's."""
    written: list[Any] = []
    for turn in form.placed(turns):
        if not isinstance(turn, dict):
            written.append(turn)
        elif turn["role"] != "tool":
            written.append({"role": "assistant", "content": _called(turn)})
        elif written and isinstance(written[-1], dict) and written[-1]["role"] == "user":
            written[-1]["content"].append(_result(turn))
        else:
            written.append({"role": "user", "content": [_result(turn)]})
    return written


def _called(turn: dict[str, Any]) -> list[dict[str, Any]]:
    words = [{"type": "text", "text": turn["content"]}] if turn.get("content") else []
    return words + [
        {"type": "tool_use", "id": one["id"], "name": one["function"]["name"],
         "input": object_of(one["function"]["arguments"])}
        for one in turn["tool_calls"]
    ]  # fmt: skip


def _result(turn: dict[str, Any]) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": turn["tool_call_id"], "content": turn["content"]}


def calls_in(blocks: Sequence[dict[str, Any]]) -> list[ToolCallPiece]:
    """Return the calls among the blocks of a whole message."""
    used = [block for block in blocks if block.get("type") == "tool_use"]
    return read_pieces(
        [
            {"id": one.get("id"), "function": {"name": one.get("name"), "arguments": one.get("input") or {}}}
            for one in used
        ]
    )


def piece_of(block: dict[str, Any], place: int) -> list[ToolCallPiece]:
    """Return what a stream's block, or a delta of one, adds to the call at this place."""
    if block.get("type") == "input_json_delta":
        return [ToolCallPiece(place, arguments=arguments_of(block.get("partial_json")))]
    if block.get("type") != "tool_use":
        return []
    # The input is empty here, and follows in pieces; some servers give it whole, and no pieces.
    given = {"name": block.get("name"), "arguments": block.get("input") or None}
    return read_pieces([{"index": place, "id": block.get("id"), "function": given}])
