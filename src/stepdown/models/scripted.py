"""A model that says what a script tells it to: the public test double."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

import msgspec

from stepdown.errors import UsageError
from stepdown.types import Messages, Reply, Sampling, Usage

ScriptLine = str | Reply | Exception
Script = Sequence[ScriptLine] | Mapping[str, ScriptLine] | Callable[[Messages, Sampling, int], ScriptLine]


class ScriptedCall(msgspec.Struct, frozen=True):
    """What a scripted model was asked; `sample` counts draws of the same messages."""

    messages: Messages
    sampling: Sampling
    sample: int


class ScriptedModel:
    """Answers from a script, at once, the same every time; `calls` keeps what it was asked.

    `replies` is a list (one after the other), a dict (the first key found in the last message) or a
    function of (messages, sampling, sample), where sample counts earlier draws of the same messages.
    A line of the script is a text, a `Reply` or an exception to raise. Usage counts words.
    Raises `UsageError` where the script has no line, so that a test cannot pass by accident.
    """

    local = True
    source = "scripted"

    def __init__(self, replies: Script, name: str = "scripted", *, width: int = 16) -> None:
        self.name, self.width = name, width
        self.calls: list[ScriptedCall] = []
        self._script = replies
        self._draws: Counter[Messages] = Counter()

    def __repr__(self) -> str:
        return f"ScriptedModel(name={self.name!r})"

    async def reply(self, messages: Messages, sampling: Sampling, n: int = 1) -> list[Reply]:
        """Return the next n lines of the script as replies."""
        return [self._answer(messages, sampling) for _ in range(n)]

    async def stream(self, messages: Messages, sampling: Sampling) -> AsyncGenerator[str | Reply, None]:
        """Yield the words of the next line as pieces, each in a turn of the event loop, then the reply."""
        reply = self._answer(messages, sampling)
        for word in re.findall(r"\S+\s*|\s+", reply.text):
            yield word
            await asyncio.sleep(0)
        yield reply

    async def close(self) -> None:
        """Do nothing; a script holds nothing open."""

    def _answer(self, messages: Messages, sampling: Sampling) -> Reply:
        sample = self._draws[messages]
        self._draws[messages] += 1
        self.calls.append(ScriptedCall(messages, sampling, sample))
        line = self._find_line(messages, sampling, sample)
        if isinstance(line, Exception):
            raise line
        return line if isinstance(line, Reply) else self._reply(messages, line)

    def _find_line(self, messages: Messages, sampling: Sampling, sample: int) -> ScriptLine:
        if callable(self._script):
            return self._script(messages, sampling, sample)
        if isinstance(self._script, Mapping):
            return self._find_key(self._script, messages[-1].content)
        if len(self.calls) > len(self._script):
            raise UsageError(
                f"the script of `{self.name}` has only {len(self._script)} replies", "add a line for each call"
            )
        return self._script[len(self.calls) - 1]

    def _find_key(self, script: Mapping[str, ScriptLine], content: str) -> ScriptLine:
        for key, line in script.items():
            if key in content:
                return line
        raise UsageError(f"the script of `{self.name}` has no key that is in `{content[:200]}`", "add one")

    def _reply(self, messages: Messages, text: str) -> Reply:
        words = sum(len(message.content.split()) for message in messages)
        return Reply(text=text, model=self.name, usage=Usage(input=words, output=len(text.split())))
