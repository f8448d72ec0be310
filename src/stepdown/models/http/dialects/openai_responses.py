"""OpenAI's responses.

Source: https://platform.openai.com/docs/api-reference/responses and .../responses-streaming
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from stepdown.models.http.addresses import join_address
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
from stepdown.models.http.lenient_json import text_of, unicode_of
from stepdown.models.http.tool_calls import read_pieces
from stepdown.models.http.usage import read_usage
from stepdown.types import AnswerForm, ToolCallPiece

_TEXTS = {"response.output_text.delta", "response.refusal.delta"}
_REASONING = {"response.reasoning_summary_text.delta", "response.reasoning_text.delta"}
_ADDED, _PIECE = "response.output_item.added", "response.function_call_arguments.delta"
_CALLS = {_ADDED, _PIECE, "response.function_call_arguments.done"}
_ENDS = {"response.completed", "response.incomplete", "response.failed"}


class ResponsesRequest(msgspec.Struct, omit_defaults=True):
    """A request; a field at its default is not sent. Nothing is stored at the endpoint."""

    model: str
    input: Sequence[Any]
    max_output_tokens: int
    store: bool | None = None
    reasoning: dict[str, str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    stream: bool = False
    text: dict[str, Any] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: Any = None
    parallel_tool_calls: bool | None = None


class OpenAIResponses:
    """Responses: one reply a request, without a seed and stop strings; reasoning items are the reasoning."""

    name = "openai-responses"
    mark = "responses"
    completes = False
    refusable = frozenset({"temperature", "top_p", "system"})
    takes = frozenset({"tools", "response_format", "json_object", "parallel_tool_calls"})
    key_header = "Authorization"
    headers: Mapping[str, str] = {}

    def address(self, base: str, model: str, *, stream: bool = False) -> str:
        """Return where requests go."""
        return join_address(base, "/responses")

    def models_address(self, base: str) -> str:
        """Return where the endpoint lists its models."""
        return join_address(base, "/models")

    def encode(self, request: CompletionRequest) -> bytes:
        """Return a request without the fields that the endpoint has refused."""
        sampling = request.sampling
        body = ResponsesRequest(request.model, request.turns, sampling.max_tokens, store=False)
        body.temperature = request.temperature
        body.top_p = request.top_p
        if sampling.reasoning_effort:
            body.reasoning = {"effort": sampling.reasoning_effort, "summary": "auto"}
        body.stream = request.stream
        if sampling.form is not None:
            _hand(body, sampling.form)
        return msgspec.json.encode(body)

    def decode(self, raw: bytes) -> Answer:
        """Return the answer in a body."""
        return _answer_of(read_object(raw))

    def event_decoder(self) -> EventDecoder:
        """Return what decodes the events of one stream."""
        return _ResponseEvents().decode

    def decode_models(self, raw: bytes) -> list[str]:
        """Return the sorted names in the answer to `GET /models`."""
        return listed_names(raw, "data", "id")


OPENAI_RESPONSES = OpenAIResponses()


def _hand(body: ResponsesRequest, form: AnswerForm) -> None:
    """Put the tools of a form, and what an answer must be, into a request."""
    body.input = [item for one in form.placed(body.input) for item in _items(one)]
    body.parallel_tool_calls = form.parallel_tool_calls
    if form.response_format:
        body.text = {"format": _flat(msgspec.json.decode(form.response_format), "json_schema")}
    if form.tools:
        body.tools = [_flat(one, "function") for one in msgspec.json.decode(form.tools)]
    if form.tool_choice:
        choice = msgspec.json.decode(form.tool_choice)
        body.tool_choice = _flat(choice, "function") if isinstance(choice, dict) else choice


def _flat(value: dict[str, Any], inner: str) -> dict[str, Any]:
    """Return an object without the level that only chat completions have."""
    within = value.get(inner)
    return {"type": value.get("type"), **within} if isinstance(within, dict) else value


def _items(turn: Any) -> list[Any]:
    """Return a turn as items: calls of tools and their results stand alone here."""
    if not isinstance(turn, dict):
        return [turn]
    if turn["role"] == "tool":
        return [{"type": "function_call_output", "call_id": turn["tool_call_id"], "output": turn["content"]}]
    written = [{"role": "assistant", "content": turn["content"]}] if turn.get("content") else []
    return written + [
        {"type": "function_call", "call_id": one["id"], **one["function"]} for one in turn.get("tool_calls", ())
    ]


def _answer_of(response: dict[str, Any]) -> Answer:
    answer = Answer(usage=read_usage(response.get("usage")), error=response.get("error"))
    answer.model = model_name(response.get("model"))
    if response.get("output") is not None:
        items = objects_in(response["output"])
        parts = [part for item in items for part in objects_in(item.get("content")) if item.get("type") == "message"]
        text = "".join(text_of(part.get("text")) or text_of(part.get("refusal")) for part in parts)
        reasoning = "\n".join(filter(None, (_reasoning_in(item) for item in items)))
        choice = AnswerChoice(text, reasoning, finish=_finish_of(response))
        choice.tool_calls = _calls_in(items)
        answer.choices = [choice]
    return answer


def _calls_in(items: list[dict[str, Any]]) -> list[ToolCallPiece]:
    calls = [item for item in items if item.get("type") == "function_call"]
    asked = [
        {"id": one.get("call_id"), "function": {"name": one.get("name"), "arguments": one.get("arguments")}}
        for one in calls
    ]
    return read_pieces(asked)


def _reasoning_in(item: dict[str, Any]) -> str:
    if item.get("type") != "reasoning":
        return ""
    return text_of(item.get("content")) or "\n".join(map(text_of, objects_in(item.get("summary"))))


def _finish_of(response: dict[str, Any]) -> Any:
    """Return why a response ended: `incomplete` says why in its details, `failed` in its error."""
    details = response.get("incomplete_details")
    reason = details.get("reason") if isinstance(details, dict) else None
    return {"failed": "error"}.get(str(response.get("status")), reason or response.get("status"))


class _ResponseEvents:
    """The events of one stream. The end repeats what came; calls of tools are read there where no pieces did."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._written: set[str] = set()

    def decode(self, name: str, data: bytes) -> Answer:
        if name == "error":
            return decode_error_event(data)
        event = read_object(data)
        kind = str(event.get("type") or name)
        if kind in _TEXTS:
            return Answer([AnswerChoice(text_of(event.get("delta")))])
        if kind in _REASONING:
            return Answer([AnswerChoice("", text_of(event.get("delta")))])
        if kind in _CALLS:
            return self._call(kind, event)
        response = event.get("response")
        if kind in _ENDS and isinstance(response, dict):
            return self._end(response)
        if kind == "error" or event.get("error"):
            return Answer(error=event.get("error") or event)
        # A server that does not stream answers a whole response.
        return _answer_of(event) if "output" in event else Answer()

    def _call(self, kind: str, event: dict[str, Any]) -> Answer:
        """Return a piece of a call: its head, a piece of its arguments, or all of them where no piece came."""
        item = event.get("item")
        if kind == _ADDED:
            if not isinstance(item, dict) or item.get("type") != "function_call":
                return Answer()
            known = str(item.get("id") or event.get("output_index"))
            place = self._places.setdefault(known, len(self._places))
            given = {"name": item.get("name"), "arguments": ""}
            [head] = read_pieces([{"index": place, "id": item.get("call_id"), "function": given}])
            return Answer([AnswerChoice("", tool_calls=[head])])
        known = str(event.get("item_id") or event.get("output_index"))
        whole = event.get("arguments") if known not in self._written else None
        text = unicode_of(text_of(event.get("delta") if kind == _PIECE else whole))
        if known not in self._places or not text:
            return Answer()
        self._written.add(known)
        return Answer([AnswerChoice("", tool_calls=[ToolCallPiece(self._places[known], arguments=text)])])

    def _end(self, response: dict[str, Any]) -> Answer:
        answer = _answer_of(response)
        called = [call for choice in answer.choices for call in choice.tool_calls] if not self._places else []
        answer.choices = [AnswerChoice("", finish=_finish_of(response), tool_calls=called)]
        answer.last = True
        return answer
