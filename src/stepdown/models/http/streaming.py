"""The events of a streamed reply, and the whole reply gathered from them."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec

from stepdown.models.http.bodies import MOST_BYTES, too_big
from stepdown.models.http.finish_reasons import is_given
from stepdown.models.http.lenient_json import read_json, read_text
from stepdown.models.http.limits import Fault
from stepdown.models.http.wire import Answer, Choice, Spoken, decode_answer, join_content, join_thoughts, usage_of
from stepdown.text.sse import DONE, EventReader, EventTooLarge
from stepdown.types import Usage


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
    """The events in a stream of bytes that comes in pieces cut anywhere, None for `[DONE]` and at a plain body's end.

    Raises `limits.Fault` for an event without end.
    """

    def __init__(self) -> None:
        self._reader = EventReader(_decoded, MOST_BYTES)

    def add(self, chunk: bytes) -> Iterator[Answer | None]:
        """Take in bytes and yield the events they complete."""
        try:
            yield from self._reader.add(chunk)
        except EventTooLarge:
            raise too_big("an event") from None

    def end(self) -> Iterator[Answer | None]:
        """Yield what stands at the end without a blank line, or without a line end, behind it."""
        yield from self._reader.end()
        if self._reader.is_plain:
            yield None


def _decoded(name: str, data: bytes) -> Answer | None:
    if name == "error":
        return Answer(error=_read_error(data))
    return None if data == DONE else decode_answer(data)


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
        if is_given(choice.finish_reason):
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
