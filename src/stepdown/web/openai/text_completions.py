"""Plain completions, which older clients ask for: one prompt, and a text that answers it.

Source: https://platform.openai.com/docs/api-reference/completions
"""

import time
from typing import Any, Literal

import msgspec

from stepdown.runner import Delta
from stepdown.text import DONE, event, json_line
from stepdown.web.openai.completions import Exchange
from stepdown.web.openai.errors import Refusal, bad_request
from stepdown.web.openai.requests import (
    Answered,
    ParsedRequest,
    StreamOptions,
    answered,
    check_field,
    drawn_in,
    read_body,
    samples,
)
from stepdown.web.openai.usage import Counted


class TextBody(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a body that have a meaning here, beside those of sampling."""

    model: str
    prompt: str | list[Any]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: int | None = None
    stop: str | list[str] | None = None
    stepdown_answer: Answered | None = None


class TextChoice(msgspec.Struct, frozen=True):
    """A sample, or a piece of one; the plan stands apart from the text, as it does in chat completions."""

    text: str
    index: int
    finish_reason: str | None = None
    logprobs: None = None
    reasoning_content: str | msgspec.UnsetType = msgspec.UNSET


class TextCompletion(msgspec.Struct, frozen=True):
    """A whole answer, or one event of a stream."""

    id: str
    created: int
    model: str
    choices: list[TextChoice]
    usage: Counted | msgspec.UnsetType | None
    object: Literal["text_completion"] = "text_completion"


_decode = msgspec.json.Decoder(TextBody).decode


def read_text_request(raw: bytes, answer: str = "") -> ParsedRequest:
    """Return what a body asks for: the prompt is the problem. Raises `Refusal`."""
    fields, body = read_body(raw, _decode)
    for field, value in fields.items():
        check_field(field, value, TextBody)
    return ParsedRequest(
        model=body.model,
        question=_prompt(body.prompt),
        n=samples(body.n),
        drawn=drawn_in(fields, body.stop, longest="max_completion_tokens"),
        stream=bool(body.stream),
        include_usage=bool(body.stream_options and body.stream_options.include_usage),
        answer=answered(body.stepdown_answer, answer),
    )


def _prompt(prompt: str | list[Any]) -> str:
    first = prompt if isinstance(prompt, str) else prompt[0] if len(prompt) == 1 else None
    if not isinstance(first, str):
        what = "the prompt must be one text: tokens, and several prompts at once, are not supported"
        raise bad_request(what, "prompt", "unsupported_value")
    if not first.strip():
        raise bad_request("the prompt is empty: it is the problem", "prompt", "invalid_value")
    return first


def _of(
    exchange: Exchange, identity: str, choices: list[TextChoice], usage: Counted | msgspec.UnsetType | None
) -> bytes:
    return json_line(TextCompletion(f"cmpl-{identity}", int(time.time()), exchange.wanted.model, choices, usage))


def whole_text(exchange: Exchange, identity: str) -> bytes:
    """Return a solved exchange as one object."""
    plan = exchange.plan or msgspec.UNSET
    choices = [
        TextChoice(row.trace.solution or "", index, exchange.finish(row), None, plan)
        for index, row in enumerate(exchange.rows)
    ]
    return _of(exchange, identity, choices, exchange.usage())


class TextEvents:
    """The events of one stream."""

    def __init__(self, exchange: Exchange, identity: str) -> None:
        self.exchange, self._identity = exchange, identity
        self._usage: msgspec.UnsetType | None = None if exchange.wanted.include_usage else msgspec.UNSET

    def _event(self, choices: list[TextChoice]) -> bytes:
        return event(_of(self.exchange, self._identity, choices, self._usage))

    def opening(self) -> bytes:
        """Return nothing: there is no role to say."""
        return b""

    def text(self, delta: Delta) -> bytes:
        """Return text of the plan, which all samples share, or of one sample's solution."""
        if delta.role != "teacher":
            return self._event([TextChoice(delta.text, delta.sample)])
        shared = range(self.exchange.wanted.n)
        return self._event([TextChoice("", index, reasoning_content=delta.text) for index in shared])

    def ending(self) -> bytes:
        """Return why each sample ended, the usage where it was asked for, and the end."""
        rows = enumerate(self.exchange.rows)
        ends = [self._event([TextChoice("", index, self.exchange.finish(row))]) for index, row in rows]
        if self.exchange.wanted.include_usage:
            ends.append(event(_of(self.exchange, self._identity, [], self.exchange.usage())))
        return b"".join([*ends, event(DONE)])

    def broken(self, refusal: Refusal) -> bytes:
        """Return the event that ends a stream which had begun when the answer failed."""
        return event(refusal.body())


class TextShape:
    """`POST /completions`."""

    path = "/completions"
    read = staticmethod(read_text_request)
    whole = staticmethod(whole_text)
    events = staticmethod(TextEvents)
