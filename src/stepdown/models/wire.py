"""The words of the OpenAI-compatible wire format, and their translation into ours."""

import json
from typing import Any

import msgspec

from stepdown.models.endpoints import Endpoint
from stepdown.types import Finish, Messages, Reply, Sampling, Usage


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
    stop: tuple[str, ...] = ()
    logprobs: bool | int = False
    stream: bool = False
    stream_options: dict[str, bool] | None = None


class Part(msgspec.Struct):
    """One piece of a content that is a list."""

    text: str | None = None


class Spoken(msgspec.Struct):
    """A message of the model, whole or a piece of a stream."""

    content: str | list[Part] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None


class Token(msgspec.Struct):
    """One token's log-probability in nats."""

    logprob: float = 0.0


class Logprobs(msgspec.Struct):
    """Log-probabilities as chat (`content`) and plain completions (`token_logprobs`) give them."""

    content: list[Token] | None = None
    token_logprobs: list[float | None] | None = None


class Choice(msgspec.Struct):
    """One of the texts the model answered."""

    message: Spoken | None = None
    delta: Spoken | None = None
    text: str | None = None
    index: int = 0
    finish_reason: str | None = None
    logprobs: Logprobs | None = None


class Details(msgspec.Struct):
    """What part of the tokens was cached or hidden."""

    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class Counts(msgspec.Struct):
    """Tokens of a request with all its choices."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: Details | None = None
    completion_tokens_details: Details | None = None


class Trouble(msgspec.Struct):
    """What an endpoint says when it refuses; servers differ in all of it."""

    message: str = ""
    code: str | int | None = None
    type: str | None = None
    param: str | None = None


class Answer(msgspec.Struct):
    """A response, or one event of a stream."""

    choices: list[Choice] = []
    usage: Counts | None = None
    model: str | None = None
    error: Trouble | str | None = None


class Listed(msgspec.Struct):
    """A model an endpoint offers."""

    id: str


class Listing(msgspec.Struct):
    """The answer to `GET /models`."""

    data: list[Listed] = []


_encode = msgspec.json.Encoder().encode
_decode_answer = msgspec.json.Decoder(Answer).decode
_decode_listing = msgspec.json.Decoder(Listing).decode
_FINISH: dict[str | None, Finish] = {
    "length": "length",
    "max_tokens": "length",
    "content_filter": "filter",
    "SAFETY": "filter",
}


def encode_body(body: Body) -> bytes:
    """Return the request as JSON."""
    return _encode(body)


def decode_answer(raw: bytes) -> Answer:
    """Return the response; raises `msgspec.DecodeError`.

    Broken Unicode (half of a surrogate pair, a character cut in two) is no reason to ask and pay again: it becomes `?`.
    """
    try:
        return _decode_answer(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _decode_answer(_mended(raw))


def _mended(raw: bytes) -> bytes:
    try:
        value = json.loads(raw.decode(errors="replace"))
    except (ValueError, RecursionError) as error:
        raise msgspec.DecodeError(str(error)) from None
    return json.dumps(value, ensure_ascii=False).encode(errors="replace")


def decode_models(raw: bytes) -> list[str]:
    """Return the sorted names in the answer to `GET /models`; raises `msgspec.DecodeError`."""
    return sorted(listed.id for listed in _decode_listing(raw).data)


def make_body(
    endpoint: Endpoint, messages: Messages, sampling: Sampling, *, n: int = 1, refused: frozenset[str] = frozenset()
) -> Body:
    """Return a request without the fields the endpoint has refused."""
    body = Body(endpoint.model, temperature=sampling.temperature, n=n, seed=sampling.seed, stop=sampling.stop)
    if endpoint.plain:
        body.prompt = join_messages(messages)
    else:
        body.messages = messages
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
    for field in refused & {"temperature", "top_p", "seed"}:
        setattr(body, field, None)


def ask_stream(body: Body, refused: frozenset[str]) -> None:
    """Ask for a stream that ends with the usage, where the endpoint knows that option."""
    body.stream = True
    body.stream_options = None if "stream_options" in refused else {"include_usage": True}


def join_messages(messages: Messages) -> str:
    """Return the prompt for a plain completions endpoint: the contents, a blank line between."""
    return "\n\n".join(message.content for message in messages)


def read_replies(answer: Answer, name: str, seconds: float) -> list[Reply]:
    """Return a reply for each choice; `name` stands in where the endpoint does not say its model."""
    texts = [read_texts(choice) for choice in answer.choices]
    usages = split_usage(answer.usage, [len(text) + len(thought) for text, thought in texts])
    model = answer.model or name
    return [
        Reply(
            text=text,
            model=model,
            usage=usage,
            finish=_FINISH.get(choice.finish_reason, "stop"),
            seconds=seconds,
            logprob=_mean(choice.logprobs) if choice.logprobs else None,
            reasoning=thought,
        )
        for choice, (text, thought), usage in zip(answer.choices, texts, usages, strict=True)
    ]


def read_texts(choice: Choice) -> tuple[str, str]:
    """Return a choice's text and its reasoning; `<think>...</think>` in front of the text is reasoning."""
    spoken = choice.message or choice.delta
    if spoken is None:
        text, thought = choice.text or "", ""
    else:
        text = join_content(spoken)
        thought = spoken.reasoning_content or spoken.reasoning or ""
    return split_thought(text, thought) if text.lstrip().startswith("<think>") else (text, thought)


def join_content(spoken: Spoken) -> str:
    """Return a message's text, whether it is a text, a list of parts, missing or a refusal."""
    content = spoken.content
    if isinstance(content, list):
        content = "".join(part.text or "" for part in content)
    return content or spoken.refusal or ""


def split_thought(text: str, thought: str) -> tuple[str, str]:
    """Return the text after a leading `<think>` block, and the block; an unclosed block is all thought."""
    inside, _, rest = text.lstrip().removeprefix("<think>").partition("</think>")
    return rest.lstrip(), "\n".join(part for part in (thought, inside.strip()) if part)


def split_usage(counts: Counts | None, lengths: list[int]) -> list[Usage | None]:
    """Return each choice's usage so that they add up to what the endpoint counted.

    The input was read once and is the first choice's. Output is known only as a sum and is split by
    the length of the texts in characters.
    """
    if counts is None or (counts.prompt_tokens is None and counts.completion_tokens is None):
        return [None] * len(lengths)
    hidden, known = counts.completion_tokens_details, counts.prompt_tokens_details
    reasoning = (hidden and hidden.reasoning_tokens) or 0
    cached = (known and known.cached_tokens) or 0
    first = Usage(counts.prompt_tokens or 0, counts.completion_tokens or 0, cached, reasoning)
    if len(lengths) == 1:
        return [first]
    outputs, thoughts = split_whole(first.output, lengths), split_whole(reasoning, lengths)
    usages = [Usage(output=output, reasoning=thought) for output, thought in zip(outputs, thoughts, strict=True)]
    return [Usage(first.input, outputs[0], cached, thoughts[0]), *usages[1:]]


def split_whole(whole: int, weights: list[int]) -> list[int]:
    """Return whole numbers in proportion to the weights that add up to `whole`."""
    weights = [weight + 1 for weight in weights]
    total, taken, before, shares = sum(weights), 0, 0, []
    for weight in weights:
        taken += weight
        shares.append(whole * taken // total - before)
        before += shares[-1]
    return shares


def _mean(logprobs: Logprobs) -> float | None:
    known = [token.logprob for token in logprobs.content or ()]
    known = known or [value for value in logprobs.token_logprobs or () if value is not None]
    return sum(known) / len(known) if known else None


def read_trouble(raw: bytes) -> Trouble:
    """Return what an error body says: OpenAI's object, a bare `error`, `message` or `detail`, or plain text."""
    try:
        value: Any = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Trouble(message=raw[:2000].decode(errors="replace"))
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, dict):
        value = value.get("error") or value.get("message") or value.get("detail") or value
    if isinstance(value, str):
        return Trouble(message=value)
    try:
        return msgspec.convert(value, Trouble)
    except msgspec.ValidationError:
        return Trouble(message=str(value))
