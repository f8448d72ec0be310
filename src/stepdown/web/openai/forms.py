"""Tools and the form of an answer as a request says them: read, checked, and made what a call is handed."""

import re
from typing import Any

import msgspec

from stepdown.types import AnswerForm
from stepdown.web.openai.errors import Refusal, bad_request

MOST_TOOLS = 128
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_CHOICES = ("none", "auto", "required")


def form_of(
    *,
    tools: list[Any] | None = None,
    tool_choice: Any = None,
    response_format: Any = None,
    parallel: bool | None = None,
    turns: list[tuple[int, dict[str, Any]]] | None = None,
    format_field: str = "response_format",
) -> AnswerForm | None:
    """Return what the solving call is handed beyond its text, None where that is nothing. Raises `Refusal`."""
    names = [_tool_name(tool, at) for at, tool in enumerate(tools or ())]
    if len(names) > MOST_TOOLS or len({*names}) < len(names):
        raise bad_request(f"`tools` must be up to {MOST_TOOLS} functions of different names", "tools", "invalid_value")
    choice = _choice(tool_choice, names)
    kind = _format(response_format, format_field)
    if not (names or turns or kind):
        return None
    return AnswerForm(
        response_format=_json(response_format) if kind else "",
        tools=_json(tools) if names else "",
        tool_choice=_json(choice) if choice is not None and names else "",
        parallel_tool_calls=parallel if names else None,
        turns=_json(turns) if turns else "",
    )


def _json(value: Any) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except (OverflowError, RecursionError, ValueError, TypeError):
        raise bad_request(
            "`tools` and forms of an answer must be plain JSON, whose whole numbers have 64 bits"
        ) from None


def _tool_name(tool: Any, at: int) -> str:
    where = f"tools[{at}]"
    kind = tool.get("type") if isinstance(tool, dict) else None
    if kind != "function":
        raise _unsupported(f"a tool of type `{str(kind)[:50]}` is not supported: only functions are", f"{where}.type")
    function = tool.get("function")
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        what = "a function needs a `name` of up to 64 letters, digits, `_`, `-` and `.`"
        raise bad_request(what, f"{where}.function.name", "invalid_value")
    if not isinstance(function.get("parameters", {}), dict | None):
        raise bad_request("`parameters` must be a JSON schema", f"{where}.function.parameters", "invalid_value")
    return name


def _choice(choice: Any, names: list[str]) -> Any:
    if choice is None or choice in ("none", "auto"):
        return choice
    if not names:
        raise bad_request("`tool_choice` is given without `tools`", "tool_choice", "invalid_value")
    function = choice.get("function") if isinstance(choice, dict) and choice.get("type") == "function" else None
    if choice not in _CHOICES and not (isinstance(function, dict) and function.get("name") in names):
        what = "`tool_choice` must be none, auto, required, or one function of `tools`"
        raise bad_request(what, "tool_choice", "invalid_value")
    return choice


def _format(value: Any, field: str) -> str:
    """Return the kind of an answer's form, "" for plain text."""
    kind = value.get("type") if isinstance(value, dict) else value
    if kind is None or kind == "text":
        return ""
    if kind == "json_schema":
        inner = value.get("json_schema")
        if not isinstance(inner, dict) or not isinstance(inner.get("schema"), dict):
            raise bad_request("a `json_schema` needs a `name` and a `schema`", field, "invalid_value")
        if not isinstance(inner.get("name"), str) or not _NAME.fullmatch(inner["name"]):
            what = "the schema's `name` must be up to 64 letters, digits, `_`, `-` and `.`"
            raise bad_request(what, f"{field}.name", "invalid_value")
    elif kind != "json_object":
        raise _unsupported(f"`{str(kind)[:50]}` is no form of an answer: json_schema, json_object or text", field)
    return str(kind)


def _unsupported(message: str, field: str) -> Refusal:
    return bad_request(message, field, "unsupported_value")
