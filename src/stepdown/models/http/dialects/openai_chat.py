"""OpenAI's chat completions, which most servers speak, each in a form of its own.

Source: https://platform.openai.com/docs/api-reference/chat
"""

import json
from collections.abc import Mapping, Sequence
from math import isfinite
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
    objects_in,
    read_object,
)
from stepdown.models.http.lenient_json import text_of, unicode_of
from stepdown.models.http.tool_calls import read_pieces
from stepdown.models.http.usage import read_usage
from stepdown.text import DONE
from stepdown.types import AnswerForm, Effort, Usage

_LONGEST_NAME = 200


class ChatRequest(msgspec.Struct, omit_defaults=True):
    """A request; a field at its default is not sent."""

    model: str
    messages: Sequence[Any] = ()
    prompt: str | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    n: int = 1
    seed: int | None = None
    reasoning_effort: Effort | None = None
    stop: tuple[str, ...] = ()
    logprobs: bool | int = False
    stream: bool = False
    stream_options: dict[str, bool] | None = None
    response_format: msgspec.Raw | None = None
    tools: msgspec.Raw | None = None
    tool_choice: msgspec.Raw | None = None
    parallel_tool_calls: bool | None = None


class ChatMessage(msgspec.Struct):
    """A message of the model, whole or a piece of a stream; servers differ in the form of all of it."""

    content: Any = None
    reasoning_content: Any = None
    reasoning: Any = None
    refusal: Any = None
    tool_calls: Any = None


class TokenLogprob(msgspec.Struct):
    """One token's log-probability in nats."""

    logprob: float | None = None


class Logprobs(msgspec.Struct):
    """Log-probabilities as chat (`content`) and plain completions (`token_logprobs`) give them."""

    content: list[TokenLogprob] | None = None
    token_logprobs: list[float | None] | None = None


class ChatChoice(msgspec.Struct):
    """One of the texts the model answered; Moonshot's streams have the usage in here, OpenRouter's an error."""

    message: ChatMessage | None = None
    delta: ChatMessage | None = None
    text: Any = None
    index: Any = None
    finish_reason: Any = None
    logprobs: Logprobs | None = None
    usage: Any = None
    error: Any = None


class ChatCompletion(msgspec.Struct):
    """A response, or one event of a stream; Groq's streams have the usage in `x_groq`."""

    choices: list[ChatChoice] | None = None
    usage: Any = None
    model: Any = None
    error: Any = None
    x_groq: Any = None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(ChatCompletion).decode


class OpenAIChat:
    """Chat completions; `max_tokens` that is refused is sent as `max_completion_tokens`."""

    name = "openai-api"
    mark = ""
    path = "/chat/completions"
    completes = False
    refusable = frozenset(
        {"n", "temperature", "top_p", "seed", "stop", "max_tokens", "logprobs", "stream_options", "system"}
    )
    takes = frozenset({"tools", "response_format", "json_object", "parallel_tool_calls"})
    key_header = "Authorization"
    headers: Mapping[str, str] = {}

    def address(self, base: str, model: str, *, stream: bool = False) -> str:
        """Return where requests go."""
        return join_address(base, self.path)

    def models_address(self, base: str) -> str:
        """Return where the endpoint lists its models."""
        return join_address(base, "/models")

    def encode(self, request: CompletionRequest) -> bytes:
        """Return a request without the fields that the endpoint has refused."""
        return _encode(self.body(request))

    def body(self, request: CompletionRequest) -> ChatRequest:
        """Return a request before it is JSON."""
        refused, sampling = request.refused, request.sampling
        body = ChatRequest(request.model)
        body.messages = request.turns
        body.n = request.choices
        body.temperature = request.temperature
        body.top_p = request.top_p
        body.seed = request.seed
        body.reasoning_effort = sampling.reasoning_effort
        body.stop = request.stop
        body.logprobs = request.logprobs and "logprobs" not in refused
        if "max_tokens" in refused:
            body.max_completion_tokens = sampling.max_tokens
        else:
            body.max_tokens = sampling.max_tokens
        if request.stream:
            body.stream = True
            body.stream_options = None if "stream_options" in refused else {"include_usage": True}
        if sampling.form is not None:
            _hand(body, sampling.form)
        return body

    def decode(self, raw: bytes) -> Answer:
        """Return the answer in a body.

        What is wrong in a field that is not read, or beside the text, is no reason to ask and pay again.
        """
        return _answer(_read(raw), whole=True)

    def event_decoder(self) -> EventDecoder:
        """Return what decodes events, which are independent of one another."""
        return _decode_event

    def decode_models(self, raw: bytes) -> list[str]:
        """Return the sorted names in the answer to `GET /models`."""
        return listed_names(raw, "data", "id")


OPENAI_CHAT = OpenAIChat()


def _hand(body: ChatRequest, form: AnswerForm) -> None:
    """Put the tools of a form, and what an answer must be, into a request."""
    body.messages = form.placed(body.messages)
    body.response_format, body.tools = _raw(form.response_format), _raw(form.tools)
    body.tool_choice, body.parallel_tool_calls = _raw(form.tool_choice), form.parallel_tool_calls


def _raw(text: str) -> msgspec.Raw | None:
    return msgspec.Raw(text.encode()) if text else None


def _decode_event(name: str, data: bytes) -> Answer:
    if name == "error":
        return decode_error_event(data)
    return Answer(last=True) if data == DONE else _answer(_read(data), whole=False)


def _read(raw: bytes) -> ChatCompletion:
    try:
        return _decode(raw)
    except (ValueError, RecursionError):
        return _fit(read_object(raw))


def _answer(completion: ChatCompletion, *, whole: bool) -> Answer:
    model = unicode_of(completion.model[:_LONGEST_NAME]) if isinstance(completion.model, str) else ""
    choices = [_choice(one, whole=whole) for one in completion.choices or ()]
    return Answer(choices, usage=_usage_of(completion), model=model, error=completion.error)


def _choice(choice_in: ChatChoice, *, whole: bool) -> AnswerChoice:
    choice = AnswerChoice(finish=choice_in.finish_reason, index=choice_in.index, error=choice_in.error)
    message = choice_in.message or choice_in.delta if whole else choice_in.delta or choice_in.message
    if message is None and choice_in.text is not None:
        message = ChatMessage(choice_in.text)
    if message is not None:
        choice.text, choice.reasoning = join_content(message), join_reasoning(message)
        if message.tool_calls:
            choice.tool_calls = read_pieces(message.tool_calls)
    if whole and choice_in.logprobs:
        choice.logprob = _mean(choice_in.logprobs)
    return choice


def _usage_of(completion: ChatCompletion) -> Usage | None:
    """Return what a response used with all its choices, wherever in it that is given."""
    if (usage := read_usage(completion.usage)) is not None:
        return usage
    others = [completion.x_groq.get("usage") if isinstance(completion.x_groq, dict) else None]
    others += [choice.usage for choice in completion.choices or ()]
    return next((usage for one in others if (usage := read_usage(one)) is not None), None)


def _fit(value: dict[str, Any]) -> ChatCompletion:
    """Return an answer of those parts of a value that have the right form."""
    choices = value.get("choices")
    listed = choices if isinstance(choices, list) else [choices]
    return ChatCompletion(
        choices=[_fit_choice(one) for one in objects_in(listed)],
        usage=value.get("usage"),
        model=value.get("model"),
        error=value.get("error"),
        x_groq=value.get("x_groq"),
    )


def _fit_choice(value: dict[str, Any]) -> ChatChoice:
    message, delta = _fit_message(value.get("message")), _fit_message(value.get("delta"))
    rest = {name: value.get(name) for name in ("text", "index", "finish_reason", "usage", "error")}
    return ChatChoice(message=message, delta=delta, logprobs=_fit_logprobs(value.get("logprobs")), **rest)


def _fit_message(value: Any) -> ChatMessage | None:
    if isinstance(value, dict):
        return ChatMessage(**{name: value.get(name) for name in ChatMessage.__struct_fields__})
    return None if value is None else ChatMessage(content=value)


def _fit_logprobs(value: Any) -> Logprobs | None:
    if not isinstance(value, dict):
        return None
    content, plain = value.get("content"), value.get("token_logprobs")
    tokens = [one.get("logprob") for one in content if isinstance(one, dict)] if isinstance(content, list) else []
    numbers = [_number(one) for one in (plain if isinstance(plain, list) else [])]
    return Logprobs([TokenLogprob(_number(one)) for one in tokens], numbers)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def join_content(message: ChatMessage) -> str:
    """Return a message's text, whether it is a text, a list of parts, an object, a number, missing or a refusal."""
    content = message.content
    if isinstance(content, str):
        return content or text_of(message.refusal)
    text = text_of(content)
    if not text and isinstance(content, dict):
        # An answer by a schema that a server has read already.
        text = _as_json(content)
    return text or text_of(message.refusal)


def _as_json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return ""


def join_reasoning(message: ChatMessage) -> str:
    """Return a message's separate reasoning; Mistral's are parts of the content."""
    if (raw := message.reasoning_content) is None and (raw := message.reasoning) is None:
        parts = message.content if isinstance(message.content, list) else ()
        return "".join(text_of(part.get("thinking")) for part in parts if isinstance(part, dict))
    return raw if isinstance(raw, str) else text_of(raw)


def _mean(logprobs: Logprobs) -> float | None:
    raw = [token.logprob for token in logprobs.content or ()] or logprobs.token_logprobs or ()
    known = [value for value in raw if value is not None]
    mean = sum(known) / len(known) if known else None
    return mean if mean is not None and isfinite(mean) else None
