"""Server-sent events of a streamed reply, and the whole reply gathered from them.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec

from stepdown.models.bodies import MOST_BYTES, too_big
from stepdown.models.finishes import is_said
from stepdown.models.limits import Fault
from stepdown.models.loose import read_json, read_text
from stepdown.models.wire import Answer, Choice, Spoken, decode_answer, join_content, join_thoughts, usage_of
from stepdown.types import Usage

_BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n|\n|\r")
_MARKUP = (b"{", b"[", b"<")
_OVERHEAD = 64  # bytes that Python needs beside those of a short line


async def read_events(chunks: AsyncIterator[bytes]) -> AsyncIterator[list[Answer | None]]:
    """Yield the events that came together, None for `[DONE]`, after which nothing is read.

    Raises `msgspec.DecodeError` for an event that cannot be read, and `limits.Fault` for one without end.
    """
    events = Events()
    async for chunk in chunks:
        found, failure = _gather(events.add(chunk))
        yield found
        if failure is not None:
            raise failure
        if None in found:
            return
    found, failure = _gather(events.end())
    yield found
    if failure is not None:
        raise failure


def _gather(events: Iterator[Answer | None]) -> tuple[list[Answer | None], Exception | None]:
    """Return the events up to `[DONE]`, or up to one that cannot be read and why."""
    found = list[Answer | None]()
    try:
        for event in events:
            found.append(event)
            if event is None:
                break
    except (msgspec.DecodeError, Fault) as error:
        return found, error
    return found, None


class Events:
    """The events in a stream of bytes that comes in pieces cut anywhere.

    An event is read with its first line if that is whole JSON, so that servers which leave out the blank lines are
    heard at once. Other lines of data wait for the blank line and are joined. A body that is no event stream but
    one JSON object, from a server that does not stream, is one event.
    """

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._data: list[bytes] = []
        self._size = self._held = 0
        self._name = b""
        self._begun = self._plain = self._returned = False

    def add(self, chunk: bytes) -> Iterator[Answer | None]:
        """Take in bytes and yield the events they complete."""
        if not self._begun:
            chunk = b"".join([*self._parts, chunk]).removeprefix(_BOM).lstrip(b"\x00 \t\r\n")
            self._parts.clear()
            if not chunk or _BOM.startswith(chunk):
                self._parts = [chunk] if chunk else []
                return
            self._begun, self._plain = True, chunk.startswith(_MARKUP)
        if self._returned and chunk.startswith(b"\n"):
            chunk = chunk[1:]
        self._returned = chunk.endswith(b"\r")
        *lines, rest = [chunk] if self._plain else _split(chunk)
        if lines:
            lines[0] = b"".join([*self._parts, lines[0]])
            self._parts, self._size = [], 0
        for line in lines:
            yield from self._read_line(line)
        self._keep(rest)

    def _keep(self, rest: bytes) -> None:
        self._parts.append(rest)
        self._size += len(rest)
        if self._size + self._held > MOST_BYTES:
            raise too_big("an event")

    def end(self) -> Iterator[Answer | None]:
        """Yield what stands at the end without a blank line, or without a line end, behind it."""
        rest = b"".join(self._parts)
        self._parts = []
        if self._plain:
            yield decode_answer(rest)
            yield None
            return
        if rest:
            yield from self._read_line(rest)
        yield from self._dispatch()

    def _read_line(self, line: bytes) -> Iterator[Answer | None]:
        if not line:
            yield from self._dispatch()
            return
        field, _, value = line.partition(b":")
        value = value.strip()
        if field == b"event":
            self._name = value
        elif field == b"data":
            if self._data or self._name == b"error" or not _may_be_whole(value):
                self._hold(value)
                return
            try:
                yield _read_event(value)
            except msgspec.DecodeError:
                self._hold(value)

    def _hold(self, value: bytes) -> None:
        self._data.append(value)
        self._held += len(value) + _OVERHEAD

    def _dispatch(self) -> Iterator[Answer | None]:
        data, name = b"\n".join(self._data).strip(), self._name
        self._data, self._name, self._held = [], b"", 0
        if name == b"error":
            yield Answer(error=_read_error(data))
        elif data.startswith(_MARKUP) or data == b"[DONE]":
            yield _read_event(data)


def _split(chunk: bytes) -> list[bytes]:
    return _LINE_END.split(chunk) if b"\r" in chunk else chunk.split(b"\n")


def _may_be_whole(value: bytes) -> bool:
    return value.endswith((b"}", b"]"))


def _read_event(data: bytes) -> Answer | None:
    return None if data == b"[DONE]" else decode_answer(data)


def _read_error(data: bytes) -> Any:
    try:
        return read_json(data)
    except msgspec.DecodeError:
        return read_text(data) or "an event of the kind `error`"


THINK, THOUGHT = "<think>", "</think>"


class Visible:
    """The part of a streamed text to be shown: all but a `<think>` block in front, as `wire.read_texts` has it."""

    def __init__(self) -> None:
        self._held = ""
        self._closed = self._shown = False

    def add(self, piece: str) -> str:
        """Take in a piece and return what of the text can be shown by now."""
        if self._shown:
            return piece
        if not self._closed:
            self._held += piece
            begun = self._held.lstrip()
            if len(begun) < len(THINK) and THINK.startswith(begun):
                return ""
            if not begun.startswith(THINK):
                self._shown = True
                return self._held
            at = self._held.find(THOUGHT, max(0, len(self._held) - len(piece) - len(THOUGHT)))
            if at < 0:
                return ""
            self._closed, piece = True, self._held[at + len(THOUGHT) :]
        rest = piece.lstrip()
        self._shown = bool(rest)
        return rest


def _size(text: str) -> int:
    return len(text.encode(errors="surrogatepass"))


class Gathering:
    """The pieces of one streamed reply so far; `error` is what the endpoint said instead of going on.

    `hidden` is the size in bytes of what is not shown: thoughts, and a `<think>` block as long as it lasts;
    `size` counts the characters of all.
    """

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._visible = Visible()
        self._thoughts: list[str] = []
        self._finish: Any = None
        self._usage: Usage | None = None
        self._index: Any = None
        self._model: Any = None
        self.error: Any = None
        self.begun = self.finished = False
        self.size = self.hidden = 0

    def add(self, event: Answer | None) -> str:
        """Take in one event and return the text it brings, "" for none and for a thought."""
        if event is None:
            self.finished = True
            return ""
        self._model, self.error = event.model or self._model, event.error or self.error
        if event.usage or event.x_groq or any(one.usage for one in event.choices or ()):
            self._usage = usage_of(event) or self._usage
        choice = next((one for one in event.choices or () if self._is_ours(one)), None)
        return self._add_choice(choice) if choice else ""

    def _is_ours(self, choice: Choice) -> bool:
        """Whether a choice is the one asked for: some servers mix others in between."""
        if self._index is None:
            self._index = choice.index
        return choice.index in (None, self._index)

    def _add_choice(self, choice: Choice) -> str:
        if is_said(choice.finish_reason):
            self._finish, self.finished = choice.finish_reason, True
        self.begun, self.error = True, choice.error or self.error
        spoken = choice.delta or choice.message or Spoken(content=choice.text)
        thought, piece = join_thoughts(spoken), join_content(spoken)
        self.size += len(thought) + len(piece)
        if self.size > MOST_BYTES:
            raise too_big("a reply")
        self._thoughts.append(thought)
        self._texts.append(piece)
        shown = self._visible.add(piece)
        self.hidden += _size(thought) + max(0, _size(piece) - _size(shown))
        return shown

    def whole(self) -> Answer:
        """Return the answer as one that was not streamed would be."""
        spoken = Spoken(content="".join(self._texts), reasoning_content="".join(self._thoughts))
        choice = Choice(message=spoken, finish_reason=self._finish)
        return Answer(choices=[choice], usage=self._usage, model=self._model)
