"""The events of a streamed reply, and the whole reply gathered from them."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec

from stepdown.models.http.bodies import MOST_BYTES, too_big
from stepdown.models.http.dialects.dialect import Answer, AnswerChoice, EventDecoder
from stepdown.models.http.finish_reasons import is_given
from stepdown.models.http.limits import RetryableError
from stepdown.models.thinking import VisibleText
from stepdown.text import EventReader, EventTooLarge
from stepdown.types import ToolCallPiece, Usage


async def read_events(chunks: AsyncIterator[bytes], decode: EventDecoder) -> AsyncIterator[list[Answer]]:
    """Yield the events that came together; after the last one nothing is read.

    Raises `msgspec.DecodeError` for an event that cannot be read, and `limits.RetryableError` for one without end.
    """
    events = Events(decode)
    async for chunk in chunks:
        found, failure = _gather(events.add(chunk))
        yield found
        if failure is not None:
            raise failure
        if found and found[-1].last:
            return
    found, failure = _gather(events.end())
    yield found
    if failure is not None:
        raise failure


def _gather(events: Iterator[Answer]) -> tuple[list[Answer], Exception | None]:
    """Return the events up to the last, or up to one that cannot be read and why."""
    found = list[Answer]()
    try:
        for event in events:
            found.append(event)
            if event.last:
                break
    except (msgspec.DecodeError, RetryableError) as error:
        return found, error
    return found, None


class Events:
    """The events in a stream of bytes that comes in pieces cut anywhere; a plain body is one event and the last.

    Raises `limits.RetryableError` for an event without end.
    """

    def __init__(self, decode: EventDecoder) -> None:
        self._reader = EventReader(decode, MOST_BYTES)

    def add(self, chunk: bytes) -> Iterator[Answer]:
        """Take in bytes and yield the events they complete."""
        try:
            yield from self._reader.add(chunk)
        except EventTooLarge:
            raise too_big("an event") from None

    def end(self) -> Iterator[Answer]:
        """Yield what stands at the end without a blank line, or without a line end, behind it."""
        yield from self._reader.end()
        if self._reader.is_plain:
            yield Answer(last=True)


def _size(text: str) -> int:
    return len(text.encode(errors="surrogatepass"))


class StreamedReply:
    """The pieces of one streamed reply so far; `error` is what the endpoint said instead of going on.

    `hidden` is the size in bytes of what is not shown: reasoning, and a `<think>` block as long as it lasts;
    `size` counts the characters of all.
    """

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._visible = VisibleText()
        self._reasoning: list[str] = []
        self.tool_calls: list[ToolCallPiece] = []
        self._finish: Any = None
        self._usage: Usage | None = None
        self._index: Any = None
        self._model = ""
        self.error: Any = None
        self.begun = self.finished = False
        self.size = self.hidden = 0

    def add(self, event: Answer) -> str:
        """Take in one event and return the text it brings, "" for none and for reasoning."""
        self.finished = self.finished or event.last
        self._model, self.error = event.model or self._model, event.error or self.error
        self._usage = event.usage or self._usage
        choice = next((one for one in event.choices if self._is_ours(one)), None)
        return self._add_choice(choice) if choice else ""

    def _is_ours(self, choice: AnswerChoice) -> bool:
        """Whether a choice is the one asked for: some servers mix others in between."""
        if self._index is None:
            self._index = choice.index
        return choice.index in (None, self._index)

    def _add_choice(self, choice: AnswerChoice) -> str:
        if is_given(choice.finish):
            self._finish, self.finished = choice.finish, True
        self.begun, self.error = True, choice.error or self.error
        piece = choice.text or ""
        called = sum(one.size for one in choice.tool_calls)
        self.size += len(choice.reasoning) + len(piece) + called
        if self.size > MOST_BYTES:
            raise too_big("a reply")
        self._reasoning.append(choice.reasoning)
        self._texts.append(piece)
        self.tool_calls += choice.tool_calls
        text = self._visible.add(piece)
        self.hidden += _size(choice.reasoning) + max(0, _size(piece) - _size(text)) + called
        return text

    def whole(self) -> Answer:
        """Return the answer as one that was not streamed would be."""
        choice = AnswerChoice("".join(self._texts), "".join(self._reasoning), finish=self._finish)
        choice.tool_calls = self.tool_calls
        return Answer([choice], usage=self._usage, model=self._model)
