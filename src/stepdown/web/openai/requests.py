"""The body of a request for a completion, and what of it is refused because leaving it out would change its meaning."""

import re
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from stepdown.prompts import MOST as MOST_STOPS
from stepdown.settings import DRAWN, RunSampling, options_of
from stepdown.types import Message, Messages, Sampling
from stepdown.web.openai.errors import Refusal, bad_request

MOST_SAMPLES = 128
MOST_TURNS = 2048  # a trace's page shows them all

Speaker = Literal["system", "developer", "user", "assistant"]
Answered = Literal["stored", "drawn"]


class ContentPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One piece of a content that is a list; marks for a cache and citations change nothing."""

    type: str
    text: str = ""
    cache_control: object = None
    annotations: object = None


class Turn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One message of the conversation.

    A plan that comes back with an earlier answer (`reasoning_content`) is no part of it, as with other servers, nor
    are citations.
    """

    role: Speaker
    content: str | list[ContentPart] | None = None
    tool_calls: object = None
    function_call: object = None
    audio: object = None
    refusal: object = None
    name: object = None
    reasoning_content: object = None
    reasoning: object = None
    annotations: object = None
    cache_control: object = None


class StreamOptions(msgspec.Struct, frozen=True):
    """What a stream is to hold beyond its pieces."""

    include_usage: bool | None = None


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a body that have a meaning here, beside the settings of `DRAWN`.

    `stepdown_answer` is this server's own: `stored` or `drawn`.
    """

    model: str
    messages: list[Turn]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: int | None = None
    max_completion_tokens: int | None = None
    stop: str | list[str] | None = None
    stepdown_answer: Answered | None = None


# Fields that change nothing about the text: who asks, what is kept or billed of it, and how fast it comes.
LET_PASS = frozenset({
    "user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention",
    "prediction", "parallel_tool_calls",
})  # fmt: skip
# Fields that would change the text or its form, each with the values under which they do not. So would any field that
# nobody here knows: only what is in one of these lists is taken.
REFUSED: dict[str, tuple[object, ...]] = {
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "response_format": ({"type": "text"},),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "modalities": (["text"], []),
    "logit_bias": ({},),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "repetition_penalty": (1,),
    "top_k": (0, -1),
    "min_p": (0,),
    "best_of": (1,),
    "echo": (False,),
    "ignore_eos": (False,),
}


class ParsedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request as the server takes it: the last turn is the problem, the rest its context.

    `drawn` holds the fields of a `Sampling` that the request gives; the others are as served.
    """

    model: str
    question: str
    context: Messages = ()
    n: int = 1
    drawn: dict[str, Any] = {}
    stream: bool = False
    include_usage: bool = False
    answer: Answered | None = None

    def sampling(self, served: Sampling) -> Sampling:
        """Return how solutions are drawn: as the request says, else as served. Plans are never drawn by it."""
        return msgspec.structs.replace(served, **self.drawn)

    @property
    def temperature(self) -> float | None:
        """The temperature that the request gives, if it does."""
        return self.drawn.get("temperature")


_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode = msgspec.json.Decoder(Body).decode
_PLACE = re.compile(r" - at `\$\.?([^`]*)`$")
_FIELD = re.compile(r"missing required field `(\w+)`")
_UNKNOWN = re.compile(r"unknown field `(.*)`", re.DOTALL)


def read_request(raw: bytes, answer: str = "") -> ParsedRequest:
    """Return what a body asks for; `answer` is what the header says of the answer that is wanted. Raises `Refusal`."""
    try:
        fields = _fields(raw)
        body = _decode(raw)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise bad_request("the body is not valid JSON") from None
    for field, value in fields.items():
        _check(field, value)
    context, question = _conversation(body.messages)
    return ParsedRequest(
        model=body.model,
        question=question,
        context=context,
        n=_samples(body.n),
        drawn=_drawn(fields, body),
        stream=bool(body.stream),
        include_usage=bool(body.stream_options and body.stream_options.include_usage),
        answer=_answered(body.stepdown_answer, answer),
    )


def _answered(field: Answered | None, header: str) -> Answered | None:
    known: dict[str, Answered | None] = {"": field, "stored": "stored", "drawn": "drawn"}
    if header not in known or (header and field not in (None, header)):
        what = f"the header says `{header[:40]}`" + (f", `stepdown_answer` says `{field}`" if field else "")
        raise bad_request(f"an answer is `stored` or `drawn`: {what}", "stepdown_answer", "invalid_value")
    return known[header]


def _invalid(message: str) -> Refusal:
    match = _PLACE.search(message)
    index = match[1] if match else ""
    if unknown := _UNKNOWN.search(_PLACE.sub("", message)):
        return _unsupported(f"{index}.{unknown[1][:100]}")
    named = _FIELD.search(message)
    return bad_request(_PLACE.sub("", message), index or (named[1] if named else None))


def _check(field: str, raw: msgspec.Raw) -> None:
    """Refuse a field that is neither heeded nor known to change nothing; null is as good as left out."""
    if field in LET_PASS or field in DRAWN or field in Body.__struct_fields__ or bytes(raw) == b"null":
        return
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        value = raw
    if value not in REFUSED.get(field, ()):
        raise _unsupported(field[:100])


def _unsupported(field: str) -> Refusal:
    return bad_request(
        f"`{field}` is not supported: ignoring it could change the meaning of the request; send the request without it",
        field,
        "unsupported_parameter",
    )


def _conversation(turns: list[Turn]) -> tuple[Messages, str]:
    """Return the context and the problem: the last turn of a user's, behind which only system lines may stand."""
    if len(turns) > MOST_TURNS:
        raise bad_request(f"more than {MOST_TURNS} messages", "messages", "array_above_max_length")
    messages = [_message(turn, index) for index, turn in enumerate(turns)]
    last = next((at for at in range(len(messages) - 1, -1, -1) if messages[at].role != "system"), -1)
    if last < 0 or messages[last].role != "user" or not messages[last].content.strip():
        raise bad_request("the last message must be a non-empty user message: it is the problem", "messages")
    question = messages.pop(last)
    return tuple(messages), question.content


def _message(turn: Turn, index: int) -> Message:
    where = f"messages[{index}]"
    if turn.tool_calls or turn.function_call or turn.audio:
        raise bad_request("tool calls and audio are not supported", where, "unsupported_value")
    if turn.refusal or turn.name:
        raise _unsupported(f"{where}.{'refusal' if turn.refusal else 'name'}")
    role = "system" if turn.role == "developer" else turn.role
    return Message(role, _text(turn.content, where))


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


def _samples(n: int | None) -> int:
    if n is not None and not 1 <= n <= MOST_SAMPLES:
        raise bad_request(f"`n` must be a whole number from 1 to {MOST_SAMPLES}", "n", "invalid_value")
    return n or 1


def _drawn(fields: Mapping[str, msgspec.Raw], body: Body) -> dict[str, Any]:
    """Return the fields of a `Sampling` that a body gives."""
    given = {name: _setting(name, name, raw) for name in DRAWN if (raw := fields.get(name)) is not None}
    if longest := fields.get("max_completion_tokens"):
        given["max_tokens"] = _setting("max_completion_tokens", "max_tokens", longest) or given.get("max_tokens")
    given["stop"] = _stops(body.stop) or None
    return {name: value for name, value in given.items() if value is not None}


def _setting(field: str, name: str, raw: msgspec.Raw) -> Any:
    """Return what a field of a body gives for a setting, None where it is null."""
    declared = options_of(RunSampling)[name]
    try:
        value = msgspec.json.decode(raw, type=declared.annotation | None)
    except (msgspec.DecodeError, RecursionError):
        raise bad_request(f"`{field}` must be {declared.expected}", field) from None
    if value is not None and not declared.accepts(value):
        raise bad_request(f"`{field}` must be {declared.expected}", field, "invalid_value")
    return value


def _stops(stop: str | list[str] | None) -> tuple[str, ...]:
    stops = (stop,) if isinstance(stop, str) else tuple(stop or ())
    if len(stops) > MOST_STOPS or not all(stops):
        raise bad_request(f"`stop` must be up to {MOST_STOPS} non-empty strings", "stop", "invalid_value")
    return stops
