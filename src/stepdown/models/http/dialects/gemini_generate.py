"""Gemini's generateContent.

Source: https://ai.google.dev/api/generate-content
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

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
from stepdown.models.http.dialects.gemini_forms import calls_in, format_of, tool_config, tools_of, turns_with_calls
from stepdown.models.http.lenient_json import text_of
from stepdown.models.http.usage import read_usage
from stepdown.types import Message

_ROLES = {"user": "user", "assistant": "model"}


class GeminiPart(msgspec.Struct):
    """A piece of a turn."""

    text: str


class GeminiContent(msgspec.Struct):
    """A turn, or the system instruction, whose role is `user`."""

    parts: list[GeminiPart]
    role: str


class GenerationConfig(msgspec.Struct, omit_defaults=True, rename="camel"):
    """How a text is drawn; a field at its default is not sent."""

    max_output_tokens: int
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop_sequences: tuple[str, ...] = ()
    candidate_count: int = 1
    thinking_config: dict[str, str | bool] | None = None
    response_mime_type: str = ""
    response_json_schema: Any = None


class GenerateRequest(msgspec.Struct, omit_defaults=True, rename="camel"):
    """A request; a field at its default is not sent."""

    contents: Sequence[Any]
    generation_config: GenerationConfig
    system_instruction: GeminiContent | None = None
    tools: list[dict[str, Any]] = []
    tool_config: dict[str, Any] | None = None


class GeminiGenerate:
    """generateContent: the model is in the address; parts marked as `thought` are the reasoning."""

    name = "gemini-generate"
    mark = "generate"
    completes = False
    refusable = frozenset({"n", "temperature", "top_p", "seed", "stop", "system"})
    takes = frozenset({"tools", "response_format", "json_object"})
    key_header = "x-goog-api-key"
    headers: Mapping[str, str] = {}

    def address(self, base: str, model: str, *, stream: bool = False) -> str:
        """Return where requests go; the base may be that of Gemini's endpoint for OpenAI's clients."""
        name = quote(model.removeprefix("models/"), safe="")
        method = "streamGenerateContent" if stream else "generateContent"
        parts = urlsplit(join_address(_own(base), f"/models/{name}:{method}"))
        query = "&".join(filter(None, (parts.query, "alt=sse" * stream)))
        return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))

    def models_address(self, base: str) -> str:
        """Return where the endpoint lists its models."""
        return join_address(_own(base), "/models")

    def encode(self, request: CompletionRequest) -> bytes:
        """Return a request without the fields that the endpoint has refused."""
        sampling = request.sampling
        messages = request.turns
        lines = [one.content for one in messages if one.role == "system"]
        turns: list[Any] = [one for one in messages if one.role != "system"] or [Message("user", "\n\n".join(lines))]
        config = GenerationConfig(sampling.max_tokens)
        config.temperature = request.temperature
        config.top_p = request.top_p
        config.seed = request.seed
        config.stop_sequences = request.stop
        config.candidate_count = request.choices
        if sampling.reasoning_effort:
            config.thinking_config = {"thinkingLevel": sampling.reasoning_effort.upper(), "includeThoughts": True}
        if form := sampling.form:
            turns = turns_with_calls(form, turns, request.model)
            config.response_mime_type, config.response_json_schema = format_of(form)
        body = GenerateRequest([_content(one) for one in turns], config)
        if form:
            body.tools, body.tool_config = tools_of(form), tool_config(form)
        if lines and len(lines) < len(messages):
            body.system_instruction = GeminiContent([GeminiPart("\n\n".join(lines))], "user")
        return msgspec.json.encode(body)

    def decode(self, raw: bytes) -> Answer:
        """Return the answer in a body."""
        return _answer_of(read_object(raw))

    def event_decoder(self) -> EventDecoder:
        """Return what decodes the events of one stream, each of which has the form of a body."""
        return _CandidateEvents().decode

    def decode_models(self, raw: bytes) -> list[str]:
        """Return the sorted names in the answer to `GET /models`."""
        return [name.removeprefix("models/") for name in listed_names(raw, "models", "name")]


GEMINI_GENERATE = GeminiGenerate()


def _own(base: str) -> str:
    parts = urlsplit(base)
    return urlunsplit((parts.scheme, parts.netloc, parts.path.removesuffix("/openai"), parts.query, ""))


def _content(turn: Any) -> Any:
    """Return a turn as a content; one that calls functions, or brings results, is one."""
    return turn if isinstance(turn, dict) else GeminiContent([GeminiPart(turn.content)], _ROLES[turn.role])


class _CandidateEvents:
    """The events of one stream: calls of functions come whole, and each is the next one."""

    def __init__(self) -> None:
        self._called = 0

    def decode(self, name: str, data: bytes) -> Answer:
        if name == "error":
            return decode_error_event(data)
        answer = _answer_of(read_object(data), self._called)
        self._called += sum(len(choice.tool_calls) for choice in answer.choices)
        return answer


def _answer_of(response: dict[str, Any], called: int = 0) -> Answer:
    feedback = response.get("promptFeedback")
    answer = Answer(usage=read_usage(response.get("usageMetadata")), error=response.get("error"))
    answer.model = model_name(response.get("modelVersion"))
    answer.choices = [_choice_of(one, called) for one in objects_in(response.get("candidates"))]
    if not answer.choices and isinstance(feedback, dict) and feedback.get("blockReason"):
        # Nothing was written, and asking again changes nothing.
        answer.choices = [AnswerChoice("", finish="content_filter")]
    return answer


def _choice_of(candidate: dict[str, Any], called: int) -> AnswerChoice:
    content = candidate.get("content")
    parts = objects_in(content.get("parts")) if isinstance(content, dict) else []
    mean = candidate.get("avgLogprobs")
    return AnswerChoice(
        "".join(text_of(part.get("text")) for part in parts if not part.get("thought")),
        "".join(text_of(part.get("text")) for part in parts if part.get("thought")),
        finish=candidate.get("finishReason"),
        index=candidate.get("index"),
        logprob=float(mean) if isinstance(mean, int | float) and not isinstance(mean, bool) else None,
        tool_calls=calls_in(parts, called),
    )
