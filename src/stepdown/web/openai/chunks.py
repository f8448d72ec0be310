"""Chat completions: an answer as one object, or as the events of a stream."""

import time
from collections.abc import Sequence
from typing import Literal

import msgspec

from stepdown.runner import Delta
from stepdown.store import StoredTrace
from stepdown.text import DONE, event, json_line
from stepdown.types import ToolCall
from stepdown.web.openai.call_parts import CallPart, StreamedCalls
from stepdown.web.openai.completions import Exchange
from stepdown.web.openai.errors import Refusal
from stepdown.web.openai.requests import read_request
from stepdown.web.openai.usage import Counted


class CalledFunction(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What is to be called, its arguments as JSON text; a stream says the name once."""

    name: str = ""
    arguments: str


class CalledTool(msgspec.Struct, frozen=True, omit_defaults=True):
    """A call of a tool that an answer asks for; a stream numbers them, and says the id once."""

    function: CalledFunction
    id: str = ""
    type: str = ""
    index: int | None = None


class AssistantMessage(msgspec.Struct, frozen=True):
    """The message of an answer: the plan apart from the solution, which is null where tools are called instead."""

    role: Literal["assistant"]
    content: str | None
    reasoning_content: str | None
    refusal: None = None
    tool_calls: list[CalledTool] | msgspec.UnsetType = msgspec.UNSET


class CompletionChoice(msgspec.Struct, frozen=True):
    """One sample of an answer."""

    index: int
    message: AssistantMessage
    finish_reason: str
    logprobs: None = None


class Completion(msgspec.Struct, frozen=True):
    """A whole answer; `usage` is null where an endpoint did not say."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: Counted | None


class DeltaObject(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a chunk adds to a message."""

    role: Literal["assistant"] | None = None
    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[CalledTool] | None = None


class ChunkChoice(msgspec.Struct, frozen=True):
    """What a chunk adds to one sample."""

    index: int
    delta: DeltaObject
    finish_reason: str | None = None


class Head(msgspec.Struct, frozen=True):
    """What every chunk of a stream says first."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str


def whole(exchange: Exchange, identity: str) -> bytes:
    """Return a solved exchange as one object."""
    plan = exchange.plan or None
    choices = [
        CompletionChoice(index, _message(exchange, row, plan), exchange.finish(row))
        for index, row in enumerate(exchange.rows)
    ]
    model, now = exchange.wanted.model, int(time.time())
    return json_line(Completion(f"chatcmpl-{identity}", "chat.completion", now, model, choices, exchange.usage()))


def _message(exchange: Exchange, row: StoredTrace, plan: str | None) -> AssistantMessage:
    called, text = called_tools(exchange.tool_calls(row)), row.trace.solution or ""
    return AssistantMessage("assistant", (text or None) if called else text, plan, None, called or msgspec.UNSET)


def called_tools(calls: Sequence[ToolCall], *, numbered: bool = False) -> list[CalledTool]:
    """Return calls of tools as chat completions have them."""
    return [CalledTool(_function(one), one.id, "function", at if numbered else None) for at, one in enumerate(calls)]


def _function(one: ToolCall | CallPart) -> CalledFunction:
    return CalledFunction(name=one.name, arguments=one.arguments)


class Chunks:
    """The events of one stream, as bytes."""

    def __init__(self, exchange: Exchange, identity: str) -> None:
        self.exchange = exchange
        head = Head(f"chatcmpl-{identity}", "chat.completion.chunk", int(time.time()), exchange.wanted.model)
        self._head = b"data: " + json_line(head)[:-1] + b',"choices":'
        # OpenAI's chunks all name the usage where it was asked for; only the last one knows it.
        self._tail = b',"usage":null}\n\n' if exchange.wanted.include_usage else b"}\n\n"
        self._samples = range(exchange.wanted.n)
        self._calls = {index: StreamedCalls() for index in self._samples}

    def _chunk(self, choices: list[ChunkChoice]) -> bytes:
        return b"%b%b%b" % (self._head, json_line(choices), self._tail)

    def opening(self) -> bytes:
        """Return who speaks, for every sample."""
        return self._chunk([ChunkChoice(index, DeltaObject("assistant", "")) for index in self._samples])

    def text(self, delta: Delta) -> bytes:
        """Return text of the plan, which all samples share, or of one sample's solution, or pieces of its calls."""
        if delta.called:
            return b"".join(self._call(delta.sample, part) for part in self._calls[delta.sample].add(delta.called))
        if delta.role == "teacher":
            shared = DeltaObject(reasoning_content=delta.text)
            return self._chunk([ChunkChoice(index, shared) for index in self._samples])
        return self._chunk([ChunkChoice(delta.sample, DeltaObject(content=delta.text))])

    def _call(self, sample: int, part: CallPart) -> bytes:
        called = CalledTool(_function(part), part.id, "function" if part.id else "", part.at)
        return self._chunk([ChunkChoice(sample, DeltaObject(tool_calls=[called]))])

    def ending(self) -> bytes:
        """Return why each sample ended, the usage where it was asked for, and the end."""
        ends = []
        for index, row in enumerate(self.exchange.rows):
            called = called_tools(self.exchange.tool_calls(row), numbered=True)[self._calls[index].begun :]
            ends += [self._chunk([ChunkChoice(index, DeltaObject(tool_calls=called))])] if called else []
            ends.append(self._chunk([ChunkChoice(index, DeltaObject(), self.exchange.finish(row))]))
        if self.exchange.wanted.include_usage:
            ends.append(b'%b[],"usage":%b}\n\n' % (self._head, json_line(self.exchange.usage())))
        return b"".join([*ends, event(DONE)])

    def broken(self, refusal: Refusal) -> bytes:
        """Return the event that ends a stream which had begun when the answer failed."""
        return event(refusal.body())


class ChatShape:
    """`POST /chat/completions`."""

    path = "/chat/completions"
    read = staticmethod(read_request)
    whole = staticmethod(whole)
    events = staticmethod(Chunks)
