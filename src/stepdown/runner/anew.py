"""Calls as one asker wants them: answered by the store, or drawn anew, and a word on which it was."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Literal

from stepdown.runner.calls import Calls
from stepdown.types import Call, Messages, Model, Role, Sampling

Anew = Literal["nothing", "draws", "answers"]


def is_draw(sampling: Sampling) -> bool:
    """Whether the same request may be answered otherwise each time: a temperature above 0, and no seed."""
    return sampling.temperature > 0 and sampling.seed is None


class View:
    """Calls that take `draws` (a temperature above 0, no seed) anew, `answers` (those, and all of a student's) or
    nothing.

    `drawn` is set, and `tell` told, once a model has to be asked: until then the store has answered everything.
    """

    def __init__(self, calls: Calls, anew: Anew = "draws", tell: Callable[[], None] = lambda: None) -> None:
        self.calls, self.anew, self.drawn, self.tell = calls, anew, False, tell

    async def ask(
        self, role: Role, model: Model, messages: Messages, sampling: Sampling, sample: int, run: str
    ) -> tuple[bytes, Call]:
        """Return a call and its key, as `Calls.ask` does."""
        anew = self._look(role, model, messages, sampling, sample)
        return await self.calls.ask(role, model, messages, sampling, sample, run, anew=anew)

    async def stream(
        self, role: Role, model: Model, messages: Messages, sampling: Sampling, sample: int, run: str
    ) -> AsyncGenerator[str | tuple[bytes, Call], None]:
        """Yield the pieces of a reply, then its key and the call, as `Calls.stream` does."""
        anew = self._look(role, model, messages, sampling, sample)
        async with aclosing(self.calls.stream(role, model, messages, sampling, sample, run, anew=anew)) as told:
            async for one in told:
                yield one

    def _look(self, role: Role, model: Model, messages: Messages, sampling: Sampling, sample: int) -> bool:
        recorded = model.capabilities.recorded
        wanted = is_draw(sampling) if self.anew != "nothing" else False
        anew = not recorded and (wanted or (self.anew == "answers" and role != "teacher"))
        if not recorded and (anew or not self.calls.knows(model, messages, sampling, sample)):
            self.drawn = True
            self.tell()
        return anew
