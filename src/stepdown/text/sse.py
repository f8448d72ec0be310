"""Server-sent events, read and written.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

import re
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")
DONE = b"[DONE]"  # OpenAI's data of a last event
_BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n|\n|\r")
_MARKUP = (b"{", b"[", b"<")
_OVERHEAD = 64  # bytes that Python needs beside those of a short line


def event(data: bytes, name: str = "") -> bytes:
    """Return an event, with a line of data for each line of `data`."""
    head = f"event: {name}\n".encode() if name else b""
    return head + b"".join(b"data: %b\n" % line for line in data.splitlines()) + b"\n"


def comment(text: str) -> bytes:
    """Return a comment of one line, which clients ignore: it only keeps the connection open."""
    return b": %b\n\n" % text.encode()


class EventTooLarge(Exception):
    """An event holds more bytes than may be kept."""


class EventReader(Generic[T]):
    """The events in a stream of bytes that comes in pieces cut anywhere.

    `decode` gets an event's name ("" where it has none) and its data, and raises `msgspec.DecodeError` for what it
    cannot read. An event without a name is decoded with its first line if that is whole JSON, so that servers which
    leave out the blank lines are read at once. Other lines of data wait for the blank line and are joined. A body
    that is no event stream but one JSON object, from a server that does not stream, is one event.
    An event of more than `most` bytes raises `EventTooLarge`.
    """

    def __init__(self, decode: Callable[[str, bytes], T], most: int) -> None:
        self._decode, self._most = decode, most
        self._parts: list[bytes] = []
        self._data: list[bytes] = []
        self._size = self._held = 0
        self._name = ""
        self._begun = self._returned = False
        self.is_plain = False  # whether the body is no event stream

    def add(self, chunk: bytes) -> Iterator[T]:
        """Take in bytes and yield the events they complete."""
        if not self._begun:
            chunk = b"".join([*self._parts, chunk]).removeprefix(_BOM).lstrip(b"\x00 \t\r\n")
            self._parts.clear()
            if not chunk or _BOM.startswith(chunk):
                self._parts = [chunk] if chunk else []
                return
            self._begun, self.is_plain = True, chunk.startswith(_MARKUP)
        if self._returned and chunk.startswith(b"\n"):
            chunk = chunk[1:]
        self._returned = chunk.endswith(b"\r")
        *lines, rest = [chunk] if self.is_plain else _split(chunk)
        if lines:
            lines[0] = b"".join([*self._parts, lines[0]])
            self._parts, self._size = [], 0
        for line in lines:
            yield from self._read_line(line)
        self._keep(rest)

    def _keep(self, rest: bytes) -> None:
        self._parts.append(rest)
        self._size += len(rest)
        if self._size + self._held > self._most:
            raise EventTooLarge

    def end(self) -> Iterator[T]:
        """Yield what stands at the end without a blank line, or without a line end, behind it."""
        rest = b"".join(self._parts)
        self._parts = []
        if self.is_plain:
            yield self._decode("", rest)
            return
        if rest:
            yield from self._read_line(rest)
        yield from self._dispatch()

    def _read_line(self, line: bytes) -> Iterator[T]:
        if not line:
            yield from self._dispatch()
            return
        field, _, value = line.partition(b":")
        value = value.strip()
        if field == b"event":
            self._name = value.decode(errors="replace")
        elif field == b"data":
            if self._data or self._name == "error" or not value.endswith((b"}", b"]")):
                self._hold(value)
                return
            try:
                yield self._decode(self._name, value)
            except msgspec.DecodeError:
                self._hold(value)

    def _hold(self, value: bytes) -> None:
        self._data.append(value)
        self._held += len(value) + _OVERHEAD

    def _dispatch(self) -> Iterator[T]:
        data, name = b"\n".join(self._data).strip(), self._name
        self._data, self._name, self._held = [], "", 0
        if name == "error" or data.startswith(_MARKUP) or data == DONE:
            yield self._decode(name, data)


def _split(chunk: bytes) -> list[bytes]:
    return _LINE_END.split(chunk) if b"\r" in chunk else chunk.split(b"\n")
