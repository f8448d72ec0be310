"""A model that says what a script tells it to: the public test double."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from functools import cached_property

import msgspec

from stepdown.custom import CustomModel
from stepdown.errors import UsageError
from stepdown.types import Capabilities, Messages, Reply, Sampling, Usage
from stepdown.usercode import code_of

ScriptLine = str | Reply | Exception
Script = Sequence[ScriptLine] | Mapping[str, ScriptLine] | Callable[[Messages, Sampling, int], ScriptLine]


class ScriptedCall(msgspec.Struct, frozen=True):
    """What a scripted model was asked; `sample` counts draws of the same messages."""

    messages: Messages
    sampling: Sampling
    sample: int


class ScriptedModel(CustomModel):
    """Answers from a script, at once, the same every time; `calls` keeps what it was asked.

    `replies` is a list (one after the other), a dict (the first key found in the last message) or a
    function of (messages, sampling, sample), where sample counts earlier draws of the same messages.
    A line of the script is a text, a `Reply` or an exception to raise. Usage counts words.
    `source` stands for the script: models of one name and different scripts are different models to a store, unless
    both declare the same `version`.
    Raises `UsageError` where the script has no line, so that a test cannot pass by accident.
    """

    def __init__(self, replies: Script, name: str = "scripted", *, width: int = 16, version: str = "") -> None:
        self.name, self.width, self.version = name, width, version
        self.calls: list[ScriptedCall] = []
        self.script = replies
        self._draws: Counter[Messages] = Counter()

    def __repr__(self) -> str:
        return f"ScriptedModel(name={self.name!r})"

    @cached_property
    def capabilities(self) -> Capabilities:  # type: ignore[override]
        """What it is; its source stands for the script as it is at the first look."""
        version = (self.version,) if self.version else (code_of(self.script), code_of(type(self)))
        return Capabilities(source="/".join(filter(None, ("scripted", *version))), local=True, streams=True)

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

    def _answer(self, messages: Messages, sampling: Sampling) -> Reply:
        sample = self._draws[messages]
        self._draws[messages] += 1
        self.calls.append(ScriptedCall(messages, sampling, sample))
        line = self._find_line(messages, sampling, sample)
        if isinstance(line, Exception):
            raise line
        return line if isinstance(line, Reply) else self._reply(messages, line)

    def _find_line(self, messages: Messages, sampling: Sampling, sample: int) -> ScriptLine:
        if callable(self.script):
            return self.script(messages, sampling, sample)
        if isinstance(self.script, Mapping):
            return self._find_key(self.script, messages[-1].content)
        if len(self.calls) > len(self.script):
            raise UsageError(
                f"the script of `{self.name}` has only {len(self.script)} replies", "add a line for each call"
            )
        return self.script[len(self.calls) - 1]

    def _find_key(self, script: Mapping[str, ScriptLine], content: str) -> ScriptLine:
        for key, line in script.items():
            if key in content:
                return line
        raise UsageError(f"the script of `{self.name}` has no key that is in `{content[:200]}`", "add one")

    def _reply(self, messages: Messages, text: str) -> Reply:
        words = sum(len(message.content.split()) for message in messages)
        return Reply(text=text, model=self.name, usage=Usage(input=words, output=len(text.split())))
