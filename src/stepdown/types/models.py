"""Who answers: what a model is, what it can do, and the shape of one."""

from collections.abc import AsyncGenerator
from typing import Protocol

import msgspec

from stepdown.types.drawing import Sampling, ToolCallPiece
from stepdown.types.values import Messages, Reply, Usage


class Pricing(Protocol):
    """What calls cost: `stepdown.Prices`, or a table of one's own."""

    def cost(self, model: str, usage: Usage | None, /) -> float | None:
        """Return the price of this usage of a model in US dollars, None where it is unknown."""
        ...


class HiddenProgress(msgspec.Struct, frozen=True):
    """Progress of a stream other than text: it has started (`size` 0), or `size` bytes of hidden reasoning came."""

    size: int = 0


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a model is, the same from its first call to its last.

    `source` is where it answers from (a base URL, a hash of weights) and part of a call's identity; where it is None
    the model's code is, or the `version` that its class declares. `local`: it costs nothing. `recorded`: its n replies
    are always the first n draws. `streams`: its `stream` brings text before the reply is whole. `completes`: it only
    continues text, and takes no turns. `connects`: `close` drops connections which the next call opens again, so that
    another event loop may ask. `prompts` names the prompt set it was trained on, "" for none. `takes` are the parts of
    an `AnswerForm` (those of its `needs`) that its kind of endpoint has a place for.
    """

    source: str | None = None
    local: bool = False
    recorded: bool = False
    streams: bool = False
    completes: bool = False
    connects: bool = False
    prompts: str = ""
    takes: frozenset[str] = frozenset()


class Backoff(msgspec.Struct, frozen=True):
    """A call failed in a way that a retry may mend, and will be retried in `seconds`.

    `name` is the model's, `reason` what went wrong, `status` the HTTP status (0 for none), `times` how often the call
    has failed.
    """

    name: str
    reason: str
    status: int = 0
    seconds: int = 0
    times: int = 1

    @property
    def text(self) -> str:
        """What happened, and when which retry follows."""
        # A terminal's line is short, and has the provider already.
        name = self.name.rpartition("/")[2]
        what = f"`{name}` answered {self.status}" if self.status else f"`{name}`: {self.reason}"
        return f"{what}; retry {self.times} {f'in {self.seconds} s' if self.seconds else 'now'}"


class Model(Protocol):
    """Anything that answers messages; derive your own from `CustomModel`, which has all but `name` and `reply`."""

    @property
    def name(self) -> str:
        """The model string, such as `openai/gpt-4o`."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What it is; the same at every look."""
        ...

    @property
    def width(self) -> int:
        """How many replies it can use at once now."""
        ...

    @property
    def backoff(self) -> Backoff | None:
        """What keeps calls waiting now; None where nothing does."""
        ...

    async def prepare(self) -> None:
        """Do now what the first reply would wait for, such as loading weights."""
        ...

    async def reply(self, messages: Messages, sampling: Sampling, n: int = 1) -> list[Reply]:
        """Return 1 to n replies to the same messages; whoever wants more asks again.

        Raises `CallFailed` where this call failed and `EndpointRefused` where every call would.
        """
        ...

    def stream(
        self, messages: Messages, sampling: Sampling
    ) -> AsyncGenerator[str | HiddenProgress | ToolCallPiece | Reply, None]:
        """Yield the text of one reply in pieces, and calls of tools likewise, then the whole `Reply`.

        A model that costs money yields `HiddenProgress` for what it has produced besides text. Raises as `reply` does.
        """
        ...

    async def close(self) -> None:
        """Free what it holds. A later call may open it again."""
        ...
