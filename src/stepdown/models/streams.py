"""Server-sent events of a streamed reply, and the whole reply gathered from them."""

from collections.abc import AsyncIterator

from stepdown.models.wire import Answer, Choice, Counts, Spoken, decode_answer, join_content


async def read_events(chunks: AsyncIterator[bytes]) -> AsyncIterator[Answer | None]:
    """Yield each `data:` line's event, None for `[DONE]`; raises `msgspec.DecodeError`."""
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                data = line[5:].strip()
                yield None if data == b"[DONE]" else decode_answer(data)


class Gathering:
    """The pieces of one streamed reply so far."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._finish: str | None = None
        self._usage: Counts | None = None
        self._model: str | None = None
        self.finished = False

    def add(self, event: Answer | None) -> str:
        """Take in one event and return the text it brings, "" for none."""
        if event is None:
            self.finished = True
            return ""
        self._usage, self._model = event.usage or self._usage, event.model or self._model
        return self._add_choice(event.choices[0]) if event.choices else ""

    def _add_choice(self, choice: Choice) -> str:
        if choice.finish_reason:
            self._finish, self.finished = choice.finish_reason, True
        spoken = choice.delta or choice.message or Spoken(content=choice.text)
        self._thoughts.append(spoken.reasoning_content or spoken.reasoning or "")
        piece = join_content(spoken)
        self._texts.append(piece)
        return piece

    def whole(self) -> Answer:
        """Return the answer as one that was not streamed would be."""
        spoken = Spoken(content="".join(self._texts), reasoning_content="".join(self._thoughts))
        choice = Choice(message=spoken, finish_reason=self._finish)
        return Answer(choices=[choice], usage=self._usage, model=self._model)
