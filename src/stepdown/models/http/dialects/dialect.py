"""What a dialect is: how one kind of endpoint is asked, and how its answers are read into the same values."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from stepdown.models.http.lenient_json import read_json, read_text
from stepdown.models.system_messages import fold_system, has_system
from stepdown.types import Messages, Sampling, ToolCallPiece, Usage


class CompletionRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request: n replies of a model to the same messages.

    `refused` are the fields that the endpoint has refused before, which are left out or written otherwise: what is left
    to be sent of the others is in the properties.
    """

    model: str
    messages: Messages
    sampling: Sampling
    n: int = 1
    stream: bool = False
    logprobs: bool = False
    refused: frozenset[str] = frozenset()

    @property
    def temperature(self) -> float | None:
        """The temperature, None where it is not to be sent."""
        return None if "temperature" in self.refused else self.sampling.temperature

    @property
    def top_p(self) -> float | None:
        """The share of the likeliest tokens, None where it is all, or not to be sent."""
        return None if "top_p" in self.refused or self.sampling.top_p == 1.0 else self.sampling.top_p

    @property
    def seed(self) -> int | None:
        """The seed, None where it is not to be sent."""
        return None if "seed" in self.refused else self.sampling.seed

    @property
    def stop(self) -> tuple[str, ...]:
        """The stop strings, none where they are not to be sent."""
        return () if "stop" in self.refused else self.sampling.stop

    @property
    def choices(self) -> int:
        """How many replies are asked for at once."""
        return 1 if "n" in self.refused else self.n

    @property
    def turns(self) -> Messages:
        """The messages, a system line in front of the first turn where the endpoint takes none."""
        return fold_system(self.messages) if "system" in self.refused else self.messages


class AnswerChoice(msgspec.Struct):
    """One of the texts of an answer, or a piece of it; `text` is None where there is nothing to read.

    `finish` is what the endpoint gives as the reason, `index` tells choices of one stream apart, `logprob` is the mean
    of the tokens' log-probabilities in nats. `tool_calls` are calls of tools, or pieces of them.
    """

    text: str | None = None
    reasoning: str = ""
    finish: Any = None
    index: Any = None
    logprob: float | None = None
    error: Any = None
    tool_calls: Sequence[ToolCallPiece] = ()


class Answer(msgspec.Struct):
    """A response, or one event of a stream, after which nothing is read where it is the `last`.

    `usage` is that of all choices, `error` a decoded error of any form.
    """

    choices: list[AnswerChoice] = []
    usage: Usage | None = None
    model: str = ""
    error: Any = None
    last: bool = False


EventDecoder = Callable[[str, bytes], Answer]


class Dialect(Protocol):
    """One kind of endpoint. The name begins its model strings: `<name>/<provider>/<model>`.

    `mark` says in a source that a model string does not name the dialect; `completes` that it continues plain text.
    `refusable` are the fields (`n`, `temperature`, `top_p`, `seed`, `stop`, `max_tokens`, `logprobs`, `stream_options`,
    `system`) that are sent and whose refusal `encode` knows how to adapt to. A key goes into `key_header`, after
    `Bearer` where that is `Authorization`; `headers` are sent with every request. `takes` says which parts of an
    `AnswerForm` (those of its `needs`) `encode` has a place for.
    """

    name: str
    mark: str
    completes: bool
    refusable: frozenset[str]
    takes: frozenset[str]
    key_header: str
    headers: Mapping[str, str]

    def address(self, base: str, model: str, *, stream: bool = False) -> str:
        """Return where requests go, from the endpoint's base URL."""
        ...

    def models_address(self, base: str) -> str:
        """Return where the endpoint lists its models."""
        ...

    def encode(self, request: CompletionRequest) -> bytes:
        """Return the body of a request."""
        ...

    def decode(self, raw: bytes) -> Answer:
        """Return what a whole body holds, as much of it as can be read; raises `msgspec.DecodeError`."""
        ...

    def event_decoder(self) -> EventDecoder:
        """Return what decodes the events of one stream, by name and data; it raises `msgspec.DecodeError`."""
        ...

    def decode_models(self, raw: bytes) -> list[str]:
        """Return the sorted names in a list of models; raises `msgspec.DecodeError`."""
        ...


def sent_fields(dialect: Dialect, request: CompletionRequest) -> frozenset[str]:
    """Return the fields of a request that its endpoint may refuse and that `encode` can do without."""
    sampling = request.sampling
    sent = {
        "n": request.n > 1,
        "temperature": True,
        "top_p": sampling.top_p != 1.0,
        "seed": sampling.seed is not None,
        "stop": bool(sampling.stop),
        "max_tokens": True,
        "logprobs": request.logprobs,
        "stream_options": request.stream,
        "system": has_system(request.messages),
    }
    return frozenset(field for field in dialect.refusable - request.refused if sent[field])


def decode_error_event(data: bytes) -> Answer:
    """Return what an event of the kind `error` says, whatever its form."""
    try:
        return Answer(error=read_json(data))
    except msgspec.DecodeError:
        return Answer(error=read_text(data) or "an event of the kind `error`")


def read_object(raw: bytes) -> dict[str, Any]:
    """Return the JSON object in a body, or the first one in its list; raises `msgspec.DecodeError`."""
    value = read_json(raw)
    if isinstance(value, list):
        value = next((one for one in value if isinstance(one, dict)), None)
    if not isinstance(value, dict):
        raise msgspec.DecodeError("no JSON object in it")
    return value


def listed_names(raw: bytes, key: str, field: str) -> list[str]:
    """Return the sorted names in a list of models, which may be the body itself; raises `msgspec.DecodeError`."""
    value = read_json(raw)
    listed = value.get(key) if isinstance(value, dict) else value
    if not isinstance(listed, list):
        raise msgspec.DecodeError("no list of models in it")
    return sorted(name for one in listed if isinstance(one, dict) and isinstance(name := one.get(field), str))


def model_name(value: object) -> str:
    """Return the name of the model that answered, where there is one."""
    return value[:200] if isinstance(value, str) else ""


def objects_in(value: object) -> list[dict[str, Any]]:
    """Return the objects in a list; none of what is no list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
