"""Which requests are answered by fresh draws where the store has replies already."""

from typing import Literal

import msgspec

from stepdown.runner.calls import Asker
from stepdown.runner.deltas import Deltas
from stepdown.runner.request import KeyedCall, Request
from stepdown.types import Sampling

Fresh = Literal["nothing", "draws", "answers"]


def is_random(sampling: Sampling) -> bool:
    """Whether the same request may be answered otherwise each time: a temperature above 0, and no seed."""
    return sampling.temperature > 0 and sampling.seed is None


class FreshDraws:
    """Calls that ask for fresh `draws` (a temperature above 0, no seed), `answers` (those, and all of a student's) or
    nothing; `drawn` is set once a reply did not come from the store.
    """

    def __init__(self, calls: Asker, fresh: Fresh = "draws") -> None:
        self.calls, self.fresh, self.drawn, self.spans = calls, fresh, False, calls.spans

    async def ask(self, request: Request, deltas: Deltas | None = None) -> KeyedCall:
        """Return a call and its key, as `Calls.ask` does."""
        wanted = self.fresh != "nothing" and is_random(request.sampling)
        if wanted or (self.fresh == "answers" and request.role != "teacher"):
            request = msgspec.structs.replace(request, fresh=True)
        key, call = await self.calls.ask(request, deltas)
        self.drawn = self.drawn or not (call.reply.cached or request.recorded)
        return key, call
