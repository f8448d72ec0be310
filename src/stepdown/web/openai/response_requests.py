"""The body of a request for a response: input items become turns, so that it means what a chat request means.

Source: https://platform.openai.com/docs/api-reference/responses/create
"""

from typing import Any

import msgspec

from stepdown.web.openai.conversation import ContentPart, FormerCall, FormerFunction, Turn, conversation
from stepdown.web.openai.errors import Refusal, bad_request, unsupported
from stepdown.web.openai.forms import form_of
from stepdown.web.openai.requests import Answered, ParsedRequest, answered, check_field, drawn_in, read_body

MOST_ITEMS = 4096
_TEXTS = {"input_text", "output_text", "text"}
_ROLES = {"system", "developer", "user", "assistant"}
# Fields that change nothing here, each with the values under which they do not.
_PASSED: dict[str, tuple[object, ...]] = {
    "include": ([], ["reasoning.encrypted_content"]),
    "truncation": ("disabled",),
    "background": (False,),
    "previous_response_id": ("",),
    "conversation": (),
    "prompt": (),
    "max_tool_calls": (),
    "top_logprobs": (0,),
    "stream_options": ({}, {"include_obfuscation": False}, {"include_obfuscation": True}),
}
_ECHOED = (
    *("instructions", "max_output_tokens", "metadata", "parallel_tool_calls", "reasoning", "store", "temperature"),
    *("text", "tool_choice", "tools", "top_p", "user"),
)


class ReasoningWanted(msgspec.Struct, frozen=True):
    """How long the student may think; how its thoughts are summed up is not ours to say."""

    effort: str | None = None
    summary: object = None
    generate_summary: object = None


class TextWanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the text is written."""

    format: dict[str, Any] | None = None
    verbosity: object = None


class ResponseBody(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a body that have a meaning here, beside those of sampling."""

    model: str
    input: str | list[dict[str, Any]]
    instructions: str | None = None
    stream: bool | None = None
    max_output_tokens: int | None = None
    reasoning: ReasoningWanted | None = None
    text: TextWanted | None = None
    tools: list[Any] | None = None
    tool_choice: Any = None
    parallel_tool_calls: bool | None = None
    stepdown_answer: Answered | None = None


_decode = msgspec.json.Decoder(ResponseBody).decode


def read_response_request(raw: bytes, answer: str = "") -> ParsedRequest:
    """Return what a body asks for. Raises `Refusal`, which names fields as this shape of requests has them."""
    fields, body = read_body(raw, _decode)
    for field, value in fields.items():
        if field in _PASSED and bytes(value) != b"null":
            _check_passed(field, value)
        check_field(field, value, ResponseBody, *_PASSED)
    if body.text is not None and body.text.verbosity not in (None, "medium"):
        raise unsupported("text.verbosity")
    effort = {} if body.reasoning is None else {"reasoning_effort": msgspec.Raw(_json(body.reasoning.effort))}
    try:
        talk = conversation(turns_of(body))
        form = form_of(
            tools=[_deep(tool, "function", at) for at, tool in enumerate(body.tools or ())],
            tool_choice=_chosen(body.tool_choice),
            response_format=_deep_format(body.text.format if body.text else None),
            parallel=body.parallel_tool_calls,
            turns=talk.called,
            format_field="text.format",
        )
        drawn = drawn_in({**fields, **effort}, longest="max_output_tokens")
    except Refusal as refusal:
        raise _renamed(refusal) from None
    return ParsedRequest(
        model=body.model,
        question=talk.question,
        context=talk.context,
        drawn=drawn,
        stream=bool(body.stream),
        answer=answered(body.stepdown_answer, answer),
        form=form,
        format_field="text.format",
        asked={name: fields[name] for name in _ECHOED if name in fields and bytes(fields[name]) != b"null"},
    )


def _json(value: object) -> bytes:
    return msgspec.json.encode(value)


def _check_passed(field: str, raw: msgspec.Raw) -> None:
    why = "this server keeps no conversations; send its earlier turns as `input`"
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        value = raw
    if value not in _PASSED[field]:
        raise unsupported(field, why if field in {"previous_response_id", "conversation"} else "")


def _renamed(refusal: Refusal) -> Refusal:
    """Return a refusal that names the field as it is called here: `input`, not `messages`."""
    names = {"messages": "input", "reasoning_effort": "reasoning.effort"}
    param = refusal.wrong.param or ""
    head = next((name for name in names if param.startswith(name)), "")
    wrong = msgspec.structs.replace(refusal.wrong, param=(names[head] + param.removeprefix(head)) if head else param)
    return Refusal(refusal.status, wrong, refusal.headers)


def turns_of(body: ResponseBody) -> list[Turn]:
    """Return instructions and input as turns. Raises `Refusal`."""
    lines = [Turn("system", body.instructions)] if body.instructions else []
    if isinstance(body.input, str):
        return [*lines, Turn("user", body.input)]
    if len(body.input) > MOST_ITEMS:
        raise bad_request(f"more than {MOST_ITEMS} items", "input", "array_above_max_length")
    turns = list[Turn](lines)
    for at, item in enumerate(body.input):
        turn = _turn(item, f"input[{at}]")
        before = turns[-1] if turns else None
        if turn is not None and turn.tool_calls and before is not None and before.tool_calls:
            # Calls that were made at once are one turn of a chat.
            turns[-1] = msgspec.structs.replace(before, tool_calls=[*before.tool_calls, *turn.tool_calls])
        elif turn is not None:
            turns.append(turn)
    return turns


def _turn(item: dict[str, Any], where: str) -> Turn | None:
    """Return an item as a turn, None for a plan that comes back: it is no part of the conversation."""
    kind, role = item.get("type", "message"), item.get("role")
    if kind == "message" and role in _ROLES:
        return Turn(role, _content(item.get("content"), where))
    if kind == "reasoning":
        return None
    if kind == "function_call":
        function = FormerFunction(_text(item, "name", where), _text(item, "arguments", where))
        return Turn("assistant", tool_calls=[FormerCall(_text(item, "call_id", where), function)])
    if kind == "function_call_output":
        return Turn("tool", _content(item.get("output"), where), tool_call_id=_text(item, "call_id", where))
    raise bad_request(f"an item of type `{str(kind)[:50]}` is not supported", where, "unsupported_value")


def _text(item: dict[str, Any], name: str, where: str) -> str:
    value = item.get(name)
    if not isinstance(value, str):
        raise bad_request(f"`{name}` must be a text", f"{where}.{name}", "invalid_type")
    return value


def _content(value: Any, where: str) -> str | list[ContentPart]:
    if isinstance(value, str):
        return value
    parts: list[Any] = value if isinstance(value, list) else [None]
    for part in parts:
        inside = part if isinstance(part, dict) else {}
        if (kind := inside.get("type")) not in _TEXTS or not isinstance(inside.get("text"), str):
            what = f"content of type `{str(kind)[:50]}` is not supported: only text is"
            raise bad_request(what, f"{where}.content", "unsupported_value")
    return [ContentPart("text", part["text"]) for part in parts]


def _deep(tool: Any, level: str, at: int) -> Any:
    """Return a tool with the level that only chat completions have; `name` and the rest are inside."""
    if not isinstance(tool, dict) or tool.get("type") != "function":
        kind = tool.get("type") if isinstance(tool, dict) else tool
        what = f"a tool of type `{str(kind)[:50]}` is not supported: only functions are"
        raise bad_request(what, f"tools[{at}].type", "unsupported_value")
    return {"type": "function", level: {name: value for name, value in tool.items() if name != "type"}}


def _chosen(choice: Any) -> Any:
    if isinstance(choice, dict) and choice.get("type") == "function":
        return {"type": "function", "function": {"name": choice.get("name")}}
    return choice


def _deep_format(value: dict[str, Any] | None) -> Any:
    if value is None or value.get("type") != "json_schema":
        return value
    return {"type": "json_schema", "json_schema": {name: one for name, one in value.items() if name != "type"}}
