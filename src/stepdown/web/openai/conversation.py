"""The turns of a conversation: the problem, what comes before it, and the calls of tools around it."""

from typing import Any, Literal

import msgspec

from stepdown.types import Message, Messages
from stepdown.web.openai.errors import bad_request, unsupported

MOST_TURNS = 2048  # a trace's page shows them all

Speaker = Literal["system", "developer", "user", "assistant", "tool"]


class ContentPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One piece of a content that is a list; marks for a cache and citations change nothing."""

    type: str
    text: str = ""
    cache_control: object = None
    annotations: object = None


class FormerFunction(msgspec.Struct, frozen=True):
    """What an earlier answer asked to be called, its arguments as JSON text."""

    name: str
    arguments: str = ""


class FormerCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A call of a tool in an earlier answer."""

    id: str
    function: FormerFunction
    type: Literal["function"] = "function"
    index: object = None


class Turn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One message of the conversation.

    A plan that comes back with an earlier answer (`reasoning_content`) is no part of it, as with other servers, nor
    are citations.
    """

    role: Speaker
    content: str | list[ContentPart] | None = None
    tool_calls: list[FormerCall] | None = None
    tool_call_id: str | None = None
    function_call: object = None
    audio: object = None
    refusal: object = None
    name: object = None
    reasoning_content: object = None
    reasoning: object = None
    annotations: object = None
    cache_control: object = None


class Talk(msgspec.Struct, frozen=True):
    """The problem with its context, and the `called`: turns that call tools or bring results, each with its place."""

    context: Messages
    question: str
    called: list[tuple[int, dict[str, Any]]]


def conversation(turns: list[Turn]) -> Talk:
    """Return what turns say: the last one of a user's is the problem.

    Behind it only system lines may stand, and calls of tools with their results. Raises `Refusal`.
    """
    if len(turns) > MOST_TURNS:
        raise bad_request(f"more than {MOST_TURNS} messages", "messages", "array_above_max_length")
    problem = max((at for at, turn in enumerate(turns) if turn.role == "user"), default=-1)
    context, called, known = list[Message](), list[tuple[int, dict[str, Any]]](), set[str]()
    question, before, last = "", 0, ""
    for at, turn in enumerate(turns):
        _check(turn, at, known)
        text = _text(turn.content, f"messages[{at}]")
        role = "system" if turn.role == "developer" else turn.role
        last = last if role == "system" else "call" if turn.tool_calls else role
        if turn.tool_calls or role == "tool":
            called.append((-1 if at > problem else before, _wired(turn, text)))
        elif at == problem:
            question = text
        else:
            context.append(Message(role, text))
            before += role != "system"
    if last not in {"user", "tool"} or not question.strip():
        what = "the last message must be a non-empty user message: it is the problem; or results of tools after it"
        raise bad_request(what, "messages")
    return Talk(tuple(context), question, called)


def _check(turn: Turn, at: int, known: set[str]) -> None:
    """Refuse what no model behind this server is handed, and results of calls that nobody made."""
    where = f"messages[{at}]"
    if turn.function_call or turn.audio:
        raise bad_request("`function_call` and audio are not supported", where, "unsupported_value")
    if turn.refusal or turn.name:
        raise unsupported(f"{where}.{'refusal' if turn.refusal else 'name'}")
    if turn.tool_calls and turn.role != "assistant":
        raise bad_request("only an assistant's message calls tools", f"{where}.tool_calls")
    known.update(one.id for one in turn.tool_calls or ())
    if turn.role == "tool" and turn.tool_call_id not in known:
        raise bad_request("no message before it made the call that this is the result of", f"{where}.tool_call_id")
    if turn.role != "tool" and turn.tool_call_id:
        raise unsupported(f"{where}.tool_call_id")


def _wired(turn: Turn, text: str) -> dict[str, Any]:
    """Return a turn that calls tools, or brings a result, as OpenAI's chat completions write it."""
    if turn.role == "tool":
        return {"role": "tool", "tool_call_id": turn.tool_call_id, "content": text}
    calls = [
        {"id": one.id, "type": "function", "function": {"name": one.function.name, "arguments": one.function.arguments}}
        for one in turn.tool_calls or ()
    ]
    return {"role": "assistant", "content": text or None, "tool_calls": calls}


def _text(content: str | list[ContentPart] | None, where: str) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    for part in content:
        if part.type != "text":
            raise bad_request(
                f"content of type `{part.type[:50]}` is not supported: only text is",
                f"{where}.content",
                "unsupported_value",
            )
    return "".join(part.text for part in content)
