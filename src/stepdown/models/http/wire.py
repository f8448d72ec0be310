"""The words of the OpenAI-compatible wire format, and their translation into ours."""

import json
from math import isfinite
from typing import Any

import msgspec

from stepdown.models.http.endpoints import Endpoint
from stepdown.models.http.finish_reasons import is_given, read_finish
from stepdown.models.http.lenient_json import read_json, unicode_of
from stepdown.models.http.usage import read_usage, split_usage
from stepdown.models.stop_strings import cut_at_stop
from stepdown.models.system_messages import fold_system
from stepdown.types import Effort, Finish, Messages, Reply, Sampling, Usage

_LONGEST_NAME = 200
_DEEPEST_PART = 8


class Body(msgspec.Struct, omit_defaults=True):
    """A request; a field at its default is not sent."""

    model: str
    messages: Messages = ()
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


class Spoken(msgspec.Struct):
    """A message of the model, whole or a piece of a stream; servers differ in the form of all of it."""

    content: Any = None
    reasoning_content: Any = None
    reasoning: Any = None
    refusal: Any = None


class Token(msgspec.Struct):
    """One token's log-probability in nats."""

    logprob: float | None = None


class Logprobs(msgspec.Struct):
    """Log-probabilities as chat (`content`) and plain completions (`token_logprobs`) give them."""

    content: list[Token] | None = None
    token_logprobs: list[float | None] | None = None


class Choice(msgspec.Struct):
    """One of the texts the model answered; Moonshot's streams have the usage in here, OpenRouter's an error."""

    message: Spoken | None = None
    delta: Spoken | None = None
    text: Any = None
    index: Any = None
    finish_reason: Any = None
    logprobs: Logprobs | None = None
    usage: Any = None
    error: Any = None


class Answer(msgspec.Struct):
    """A response, or one event of a stream; Groq's streams have the usage in `x_groq`."""

    choices: list[Choice] | None = None
    usage: Any = None
    model: Any = None
    error: Any = None
    x_groq: Any = None


_encode = msgspec.json.Encoder().encode
_decode_answer = msgspec.json.Decoder(Answer).decode


def encode_body(body: Body) -> bytes:
    """Return the request as JSON."""
    return _encode(body)


def decode_answer(raw: bytes) -> Answer:
    """Return the response; raises `msgspec.DecodeError`.

    What is wrong in a field that is not read, or beside the text, is no reason to ask and pay again.
    """
    try:
        return _decode_answer(raw)
    except (ValueError, RecursionError):
        return _fit(read_json(raw))


def _fit(value: Any) -> Answer:
    """Return an answer of those parts of a value that have the right form."""
    if isinstance(value, list):
        value = next((one for one in value if isinstance(one, dict)), None)
    if not isinstance(value, dict):
        raise msgspec.DecodeError("no JSON object in it")
    choices = value.get("choices")
    listed = choices if isinstance(choices, list) else [choices]
    return Answer(
        choices=[_fit_choice(one) for one in listed if isinstance(one, dict)],
        usage=value.get("usage"),
        model=value.get("model"),
        error=value.get("error"),
        x_groq=value.get("x_groq"),
    )


def _fit_choice(value: dict[str, Any]) -> Choice:
    message, delta = _fit_spoken(value.get("message")), _fit_spoken(value.get("delta"))
    rest = {name: value.get(name) for name in ("text", "index", "finish_reason", "usage", "error")}
    return Choice(message=message, delta=delta, logprobs=_fit_logprobs(value.get("logprobs")), **rest)


def _fit_spoken(value: Any) -> Spoken | None:
    if isinstance(value, dict):
        return Spoken(**{name: value.get(name) for name in Spoken.__struct_fields__})
    return None if value is None else Spoken(content=value)


def _fit_logprobs(value: Any) -> Logprobs | None:
    if not isinstance(value, dict):
        return None
    content, plain = value.get("content"), value.get("token_logprobs")
    tokens = [one.get("logprob") for one in content if isinstance(one, dict)] if isinstance(content, list) else []
    numbers = [_number(one) for one in (plain if isinstance(plain, list) else [])]
    return Logprobs([Token(_number(one)) for one in tokens], numbers)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def decode_models(raw: bytes) -> list[str]:
    """Return the sorted names in the answer to `GET /models`; raises `msgspec.DecodeError`."""
    value = read_json(raw)
    listed = value.get("data") if isinstance(value, dict) else value
    if not isinstance(listed, list):
        raise msgspec.DecodeError("no list of models in it")
    return sorted(name for one in listed if isinstance(one, dict) and isinstance(name := one.get("id"), str))


def make_body(
    endpoint: Endpoint, messages: Messages, sampling: Sampling, *, n: int = 1, refused: frozenset[str] = frozenset()
) -> Body:
    """Return a request without the fields the endpoint has refused."""
    body = Body(endpoint.model, temperature=sampling.temperature, n=n, seed=sampling.seed, stop=sampling.stop)
    if endpoint.plain:
        body.prompt = join_messages(messages)
    else:
        body.messages = fold_system(messages) if "system" in refused else messages
        body.reasoning_effort = sampling.reasoning_effort
    if sampling.top_p != 1.0:
        body.top_p = sampling.top_p
    body.max_tokens = sampling.max_tokens
    if refused:
        _leave_out(body, refused)
    return body


def _leave_out(body: Body, refused: frozenset[str]) -> None:
    if "max_tokens" in refused:
        body.max_tokens, body.max_completion_tokens = None, body.max_tokens
    if "n" in refused:
        body.n = 1
    if "stop" in refused:
        body.stop = ()
    for field in refused & {"temperature", "top_p", "seed"}:
        setattr(body, field, None)


def ask_stream(body: Body, refused: frozenset[str]) -> None:
    """Ask for a stream that ends with the usage, where the endpoint knows that option."""
    body.stream = True
    body.stream_options = None if "stream_options" in refused else {"include_usage": True}


def join_messages(messages: Messages) -> str:
    """Return the prompt for a plain completions endpoint: the contents, a blank line between."""
    return "\n\n".join(message.content for message in messages)


def read_replies(answer: Answer, name: str, seconds: float, sampling: Sampling, n: int = 1) -> list[Reply]:
    """Return a reply for each of the first n choices; they share what all choices used.

    `name` stands in where the endpoint does not say its model. Texts end before a stop string, whether or not the
    endpoint was told of it.
    """
    choices = (answer.choices or [])[:n]
    texts = [read_texts(choice) for choice in choices]
    whole = usage_of(answer)
    usages = split_usage(whole, [len(text) + len(thought) for text, thought in texts])
    model = _name_of(answer.model) or name
    return [
        Reply(
            text=(cut := cut_at_stop(text, sampling.stop)),
            model=model,
            usage=usage,
            finish="stop" if len(cut) < len(text) else _finish_of(choice, usage if n == 1 else None, sampling),
            seconds=seconds,
            logprob=_mean(choice.logprobs) if choice.logprobs else None,
            reasoning=thought,
        )
        for choice, (text, thought), usage in zip(choices, texts, usages, strict=True)
    ]


def _name_of(model: Any) -> str:
    return unicode_of(model[:_LONGEST_NAME]) if isinstance(model, str) else ""


def _finish_of(choice: Choice, usage: Usage | None, sampling: Sampling) -> Finish:
    """Return how a choice ended; one that says nothing and took all it may write has reached its limit."""
    ending = read_finish(choice.finish_reason)
    if not is_given(choice.finish_reason) and usage is not None and usage.output >= sampling.max_tokens:
        return "length"
    return "unknown" if ending == "broken" else ending


def usage_of(answer: Answer) -> Usage | None:
    """Return what a response used with all its choices, wherever in it that is said."""
    if (usage := read_usage(answer.usage)) is not None:
        return usage
    said = [answer.x_groq.get("usage") if isinstance(answer.x_groq, dict) else None]
    said += [choice.usage for choice in answer.choices or ()]
    return next((usage for one in said if (usage := read_usage(one)) is not None), None)


def is_readable(choice: Choice) -> bool:
    """Whether a choice has a text, which may be empty, or thoughts."""
    return choice.message is not None or choice.delta is not None or choice.text is not None


def read_texts(choice: Choice) -> tuple[str, str]:
    """Return a choice's text and its reasoning; `<think>...</think>` in front of the text is reasoning."""
    spoken = choice.message or choice.delta or Spoken(choice.text)
    text, thought = unicode_of(join_content(spoken)), unicode_of(join_thoughts(spoken))
    return split_thought(text, thought) if text.lstrip().startswith("<think>") else (text, thought)


def join_content(spoken: Spoken) -> str:
    """Return a message's text, whether it is a text, a list of parts, an object, a number, missing or a refusal."""
    content = spoken.content
    if isinstance(content, str):
        return content or text_of(spoken.refusal)
    text = text_of(content)
    if not text and isinstance(content, dict):
        # An answer by a schema that a server has read already.
        text = _as_json(content)
    return text or text_of(spoken.refusal)


def _as_json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return ""


def join_thoughts(spoken: Spoken) -> str:
    """Return a message's separate thoughts; Mistral's are parts of the content."""
    if (said := spoken.reasoning_content) is None and (said := spoken.reasoning) is None:
        parts = spoken.content if isinstance(spoken.content, list) else ()
        return "".join(text_of(part.get("thinking")) for part in parts if isinstance(part, dict))
    return said if isinstance(said, str) else text_of(said)


def text_of(value: Any, depth: int = 0) -> str:
    """Return the text in a value: itself, of parts one after another, of an object its `text` or `content`."""
    if isinstance(value, str):
        return value
    if value is None or depth > _DEEPEST_PART:
        return ""
    if isinstance(value, list):
        return "".join(text_of(part, depth + 1) for part in value)
    if isinstance(value, dict):
        named = (value.get(name) for name in ("text", "content", "value", "summary"))
        return next((text for one in named if (text := text_of(one, depth + 1))), "")
    return json.dumps(value)


def split_thought(text: str, thought: str) -> tuple[str, str]:
    """Return the text after a leading `<think>` block, and the block; an unclosed block is all thought."""
    inside, _, rest = text.lstrip().removeprefix("<think>").partition("</think>")
    return rest.lstrip(), "\n".join(part for part in (thought, inside.strip()) if part)


def _mean(logprobs: Logprobs) -> float | None:
    said = [token.logprob for token in logprobs.content or ()] or logprobs.token_logprobs or ()
    known = [value for value in said if value is not None]
    mean = sum(known) / len(known) if known else None
    return mean if mean is not None and isfinite(mean) else None
