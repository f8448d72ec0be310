"""Anthropic's messages.

Source: https://docs.anthropic.com/en/api/messages and https://docs.anthropic.com/en/api/messages-streaming
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from stepdown.models.http.addresses import join_address
from stepdown.models.http.dialects.anthropic_forms import (
    calls_in,
    choice_of,
    format_of,
    may_think,
    piece_of,
    tools_of,
    turns_with_calls,
)
from stepdown.models.http.dialects.dialect import (
    Answer,
    AnswerChoice,
    CompletionRequest,
    EventDecoder,
    decode_error_event,
    listed_names,
    model_name,
    objects_in,
    read_object,
)
from stepdown.models.http.lenient_json import text_of
from stepdown.models.http.usage import read_usage
from stepdown.types import AnswerForm, Message

_VERSION = "2023-06-01"
_EFFORTS = {"minimal": "low"}


class MessagesRequest(msgspec.Struct, omit_defaults=True):
    """A request; a field at its default is not sent."""

    model: str
    max_tokens: int
    messages: Sequence[Any]
    system: str = ""
    temperature: float | None = None
    top_p: float | None = None
    stop_sequences: tuple[str, ...] = ()
    thinking: dict[str, str] | None = None
    output_config: dict[str, Any] | None = None
    tools: list[dict[str, Any]] = []
    tool_choice: dict[str, Any] | None = None
    stream: bool = False


class AnthropicMessages:
    """Messages: `max_tokens` is required, system lines stand apart, and there is one reply a request without a seed.

    Blocks of the kind `thinking` are the reasoning; an answer is an object only by a schema. Usage counts what was
    read from the cache, and written into it.
    """

    name = "anthropic-messages"
    mark = "messages"
    completes = False
    refusable = frozenset({"temperature", "top_p", "stop"})
    takes = frozenset({"tools", "response_format", "parallel_tool_calls"})
    key_header = "x-api-key"
    headers: Mapping[str, str] = {"anthropic-version": _VERSION}

    def address(self, base: str, model: str, *, stream: bool = False) -> str:
        """Return where requests go; a base without a version, as Anthropic's own client takes it, gets `/v1`."""
        return join_address(base, f"{_version_of(base)}/messages")

    def models_address(self, base: str) -> str:
        """Return where the endpoint lists its models."""
        return join_address(base, f"{_version_of(base)}/models")

    def encode(self, request: CompletionRequest) -> bytes:
        """Return a request without the fields that the endpoint has refused."""
        sampling = request.sampling
        system = "\n\n".join(one.content for one in request.messages if one.role == "system")
        turns = tuple(one for one in request.messages if one.role != "system")
        body = MessagesRequest(request.model, sampling.max_tokens, turns or (Message("user", system),))
        body.system = system if turns else ""
        body.temperature = request.temperature
        body.top_p = request.top_p
        # White space alone is refused; texts end before a stop string in any case.
        body.stop_sequences = tuple(one for one in request.stop if one.strip())
        if (effort := sampling.reasoning_effort) and may_think(sampling.form):
            # While it thinks, a model takes no temperature.
            body.temperature = body.top_p = None
            body.thinking, body.output_config = {"type": "adaptive"}, {"effort": _EFFORTS.get(effort, effort)}
        body.stream = request.stream
        if sampling.form is not None:
            _hand(body, sampling.form)
        return msgspec.json.encode(body)

    def decode(self, raw: bytes) -> Answer:
        """Return the answer in a body."""
        return _answer_of(read_object(raw))

    def event_decoder(self) -> EventDecoder:
        """Return what decodes the events of one stream, whose usage comes in two parts."""
        return _MessageEvents().decode

    def decode_models(self, raw: bytes) -> list[str]:
        """Return the sorted names in the answer to `GET /v1/models`."""
        return listed_names(raw, "data", "id")


ANTHROPIC_MESSAGES = AnthropicMessages()


def _hand(body: MessagesRequest, form: AnswerForm) -> None:
    """Put the tools of a form, and what an answer must be, into a request."""
    body.messages = turns_with_calls(form, body.messages)
    body.tools, body.tool_choice = tools_of(form), choice_of(form)
    body.output_config = ((body.output_config or {}) | format_of(form)) or None


def _version_of(base: str) -> str:
    return "" if urlsplit(base).path.rstrip("/").endswith("/v1") else "/v1"


def _answer_of(message: dict[str, Any]) -> Answer:
    """Return the answer in a message; an error has `error` in place of `content`."""
    answer = Answer(
        usage=read_usage(message.get("usage")), model=model_name(message.get("model")), error=message.get("error")
    )
    content = message.get("content")
    if content is not None:
        blocks = objects_in(content)
        text = content if isinstance(content, str) else "".join(_text_in(block) for block in blocks)
        thinking = "".join(_thinking_in(block) for block in blocks)
        finish = message.get("stop_reason")
        answer.choices = [AnswerChoice(text, thinking, finish=finish, tool_calls=calls_in(blocks))]
    return answer


def _text_in(block: dict[str, Any]) -> str:
    return text_of(block.get("text")) if block.get("type") in {"text", "text_delta", None} else ""


def _thinking_in(block: dict[str, Any]) -> str:
    return text_of(block.get("thinking")) if block.get("type") in {"thinking", "thinking_delta"} else ""


class _MessageEvents:
    """The events of one stream: input is counted at its start, output (of all so far) at its end."""

    def __init__(self) -> None:
        self._usage: dict[str, Any] = {}

    def decode(self, name: str, data: bytes) -> Answer:
        if name == "error":
            return decode_error_event(data)
        event = read_object(data)
        kind = event.get("type") or name
        if kind == "message_start":
            return self._start(_object(event.get("message")))
        if kind in {"content_block_start", "content_block_delta"}:
            block = _object(event.get("content_block") or event.get("delta"))
            called = piece_of(block, place if isinstance(place := event.get("index"), int) else 0)
            return Answer([AnswerChoice(_text_in(block), _thinking_in(block), tool_calls=called)])
        if kind == "message_delta":
            finish = _object(event.get("delta")).get("stop_reason")
            return Answer([AnswerChoice("", finish=finish)], usage=read_usage(self._counted(event)))
        if kind == "message_stop":
            return Answer(last=True)
        # A server that does not stream answers a whole message, or an error.
        return _answer_of(event)

    def _start(self, message: dict[str, Any]) -> Answer:
        usage = read_usage(self._counted(message))
        return Answer([AnswerChoice("")], usage=usage, model=model_name(message.get("model")))

    def _counted(self, event: dict[str, Any]) -> dict[str, Any]:
        usage = _object(event.get("usage"))
        self._usage |= {name: count for name, count in usage.items() if count is not None}
        return self._usage


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
