"""Server-sent events of a streamed reply, and the whole reply gathered from them."""

from collections.abc import AsyncIterator

from stepdown.models.wire import Answer, Choice, Counts, Spoken, Trouble, decode_answer, join_content


async def read_events(chunks: AsyncIterator[bytes]) -> AsyncIterator[list[Answer | None]]:
    """Yield the events of the `data:` lines that came together, None for `[DONE]`; raises `msgspec.DecodeError`."""
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield [_read_event(line[5:].strip()) for line in lines if line.startswith(b"data:")]


def _read_event(data: bytes) -> Answer | None:
    return None if data == b"[DONE]" else decode_answer(data)


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

    `hidden` is the size in bytes of what is not shown: thoughts, and a `<think>` block as long as it lasts.
    """

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._visible = Visible()
        self._thoughts: list[str] = []
        self._finish: str | None = None
        self._usage: Counts | None = None
        self._model: str | None = None
        self.error: Trouble | str | None = None
        self.finished = False
        self.hidden = 0

    def add(self, event: Answer | None) -> str:
        """Take in one event and return the text it brings, "" for none and for a thought."""
        if event is None:
            self.finished = True
            return ""
        self._usage, self._model = event.usage or self._usage, event.model or self._model
        self.error = event.error or self.error
        return self._add_choice(event.choices[0]) if event.choices else ""

    def _add_choice(self, choice: Choice) -> str:
        if choice.finish_reason:
            self._finish, self.finished = choice.finish_reason, True
        spoken = choice.delta or choice.message or Spoken(content=choice.text)
        thought, piece = spoken.reasoning_content or spoken.reasoning or "", join_content(spoken)
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
