"""The body of a request for a completion, and what of it is refused because leaving it out would change its meaning."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar

import msgspec

from stepdown.prompts import MOST as MOST_STOPS
from stepdown.settings import DRAWN, RunSampling, options_of
from stepdown.types import AnswerForm, Messages, Sampling
from stepdown.web.openai.conversation import Turn, conversation
from stepdown.web.openai.errors import Refusal, bad_request, unsupported
from stepdown.web.openai.forms import form_of

MOST_SAMPLES = 128
T = TypeVar("T")
Answered = Literal["stored", "drawn"]


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
    tools: list[Any] | None = None
    tool_choice: Any = None
    response_format: Any = None
    parallel_tool_calls: bool | None = None
    stepdown_answer: Answered | None = None


# Fields that change nothing about the text: who asks, what is kept or billed of it, and how fast it comes.
LET_PASS = frozenset({
    "user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention",
    "prediction",
})  # fmt: skip
# Fields that would change the text or its form, each with the values under which they do not. So would any field that
# nobody here knows: only what is in one of these lists is taken.
REFUSED: dict[str, tuple[object, ...]] = {
    "functions": ([],),
    "function_call": ("none", "auto"),
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

    `drawn` holds the fields of a `Sampling` that the request gives; the others are as served. `form` is what the
    solving call is handed beyond its text, `format_field` where the request says how an answer is written, and `asked`
    what an answer repeats of the request.
    """

    model: str
    question: str
    context: Messages = ()
    n: int = 1
    drawn: dict[str, Any] = {}
    stream: bool = False
    include_usage: bool = False
    answer: Answered | None = None
    form: AnswerForm | None = None
    format_field: str = "response_format"
    asked: dict[str, Any] = {}

    def sampling(self, served: Sampling) -> Sampling:
        """Return how solutions are drawn: as the request says, else as served. Plans are never drawn by it."""
        return msgspec.structs.replace(served, **self.drawn, form=self.form)

    def field(self, part: str) -> str:
        """Return the name that a part of the form has in this request."""
        return self.format_field if part in {"response_format", "json_object"} else part

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
    fields, body = read_body(raw, _decode)
    for field, value in fields.items():
        check_field(field, value, Body)
    talk = conversation(body.messages)
    return ParsedRequest(
        model=body.model,
        question=talk.question,
        context=talk.context,
        n=samples(body.n),
        drawn=drawn_in(fields, body.stop, longest="max_completion_tokens"),
        stream=bool(body.stream),
        include_usage=bool(body.stream_options and body.stream_options.include_usage),
        answer=answered(body.stepdown_answer, answer),
        form=form_of(
            tools=body.tools,
            tool_choice=body.tool_choice,
            response_format=body.response_format,
            parallel=body.parallel_tool_calls,
            turns=talk.called,
        ),
    )


def read_body(raw: bytes, decode: Callable[[bytes], T]) -> tuple[dict[str, msgspec.Raw], T]:
    """Return the fields of a body as they are, and what they mean. Raises `Refusal`."""
    try:
        return _fields(raw), decode(raw)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise bad_request("the body is not valid JSON") from None


def answered(field: Answered | None, header: str) -> Answered | None:
    """Return which answer is wanted, by the body's field or by the header. Raises `Refusal` where they differ."""
    known: dict[str, Answered | None] = {"": field, "stored": "stored", "drawn": "drawn"}
    if header not in known or (header and field not in (None, header)):
        what = f"the header says `{header[:40]}`" + (f", `stepdown_answer` says `{field}`" if field else "")
        raise bad_request(f"an answer is `stored` or `drawn`: {what}", "stepdown_answer", "invalid_value")
    return known[header]


def _invalid(message: str) -> Refusal:
    match = _PLACE.search(message)
    index = match[1] if match else ""
    if unknown := _UNKNOWN.search(_PLACE.sub("", message)):
        return unsupported(f"{index}.{unknown[1][:100]}")
    named = _FIELD.search(message)
    return bad_request(_PLACE.sub("", message), index or (named[1] if named else None))


def check_field(field: str, raw: msgspec.Raw, body: type[msgspec.Struct], *more: str) -> None:
    """Refuse a field that is neither heeded nor known to change nothing; null is as good as left out."""
    known = field in LET_PASS or field in DRAWN or field in body.__struct_fields__ or field in more
    if known or bytes(raw) == b"null":
        return
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        value = raw
    if value not in REFUSED.get(field, ()):
        raise unsupported(field[:100])


def samples(n: int | None) -> int:
    """Return how many samples are wanted. Raises `Refusal`."""
    if n is not None and not 1 <= n <= MOST_SAMPLES:
        raise bad_request(f"`n` must be a whole number from 1 to {MOST_SAMPLES}", "n", "invalid_value")
    return n or 1


def drawn_in(fields: Mapping[str, msgspec.Raw], stop: str | list[str] | None = None, *, longest: str) -> dict[str, Any]:
    """Return the fields of a `Sampling` that a body gives; `longest` is another name of `max_tokens`."""
    given = {name: _setting(name, name, raw) for name in DRAWN if (raw := fields.get(name)) is not None}
    if limit := fields.get(longest):
        given["max_tokens"] = _setting(longest, "max_tokens", limit) or given.get("max_tokens")
    given["stop"] = _stops(stop) or None
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
