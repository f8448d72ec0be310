"""A request: one draw that a model is asked for, and the key its reply is stored under."""

import secrets
from functools import cached_property

import msgspec

from stepdown.identity import normal
from stepdown.store import call_key
from stepdown.types import Call, Messages, Model, Reply, Role, Sampling
from stepdown.usercode import source_of

# A fresh draw is numbered beyond those of any run: a random number times this, plus the draw it was asked as.
FRESH = 1 << 20
_MOST_FRESH = 1 << 42

KeyedCall = tuple[bytes, Call]


class Request(msgspec.Struct, frozen=True, eq=False, dict=True):
    """What a model is asked for: messages, sampling, and `draw`, the number of the reply among those to one prompt.

    A greedy request has one draw, 0. `role` and `run` say for whom: the role it is counted as and the run that pays.
    `fresh` asks for a draw that nobody else has been given: neither a stored one nor one in flight; of recorded
    replies there are no others, so a request for one is never fresh. `stream` asks for its text as it is written.
    """

    role: Role
    model: Model
    messages: Messages
    sampling: Sampling
    draw: int = 0
    run: str = ""
    fresh: bool = False
    stream: bool = False

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "sampling", _normal(self.sampling))
        if self.fresh and self.recorded:
            msgspec.structs.force_setattr(self, "fresh", False)
        if self.sampling.temperature <= 0:
            msgspec.structs.force_setattr(self, "draw", self.draw - self.sample)

    @property
    def source(self) -> str:
        """Where the model answers from."""
        return source_of(self.model)

    @property
    def recorded(self) -> bool:
        """Whether the model's replies are all there is of them."""
        return self.model.capabilities.recorded

    @cached_property
    def key(self) -> bytes:
        """The 16 bytes that model, source, messages, sampling and draw are stored under."""
        return call_key(self.model.name, self.source, self.messages, self.sampling, self.draw)

    @property
    def batch(self) -> tuple[int, Messages, Sampling]:
        """What requests have in common that may be sent as one, each a draw of the same prompt."""
        return id(self.model), self.messages, self.sampling

    @property
    def sample(self) -> int:
        """The draw as it was asked for, whatever number a fresh one was given."""
        return self.draw % FRESH

    def redrawn(self) -> "Request":
        """Return the same request with a draw number that no run asks for."""
        draw = self.sample + FRESH * (1 + secrets.randbelow(_MOST_FRESH))
        return msgspec.structs.replace(self, draw=draw)

    def call(self, reply: Reply) -> Call:
        """Return the call that this reply makes of the request."""
        return Call(self.role, self.model.name, self.messages, self.sampling, reply, self.sample)


_NORMAL: dict[int, tuple[Sampling, Sampling]] = {}
_MOST_NORMAL = 64


def _normal(sampling: Sampling) -> Sampling:
    """Return `normal` of a sampling, which all requests of a run share."""
    kept = _NORMAL.get(id(sampling))
    if kept is None or kept[0] is not sampling:
        if len(_NORMAL) >= _MOST_NORMAL:
            _NORMAL.clear()
        kept = _NORMAL[id(sampling)] = sampling, normal(sampling)
    return kept[1]
