"""What a shape is: one form in which clients ask the endpoint, and in which they are answered."""

from typing import Protocol

from stepdown.runner import Delta
from stepdown.web.openai.completions import Exchange
from stepdown.web.openai.errors import Refusal
from stepdown.web.openai.requests import ParsedRequest


class StreamEvents(Protocol):
    """The events of one stream, as bytes."""

    def opening(self) -> bytes:
        """Return what comes before any text."""
        ...

    def text(self, delta: Delta) -> bytes:
        """Return text of the plan, which all samples share, or of one sample's solution."""
        ...

    def ending(self) -> bytes:
        """Return what comes once the exchange is solved."""
        ...

    def broken(self, refusal: Refusal) -> bytes:
        """Return what ends a stream that had begun when the answer failed."""
        ...


class ClientShape(Protocol):
    """One form of asking and answering; `path` is its address below `/v1`."""

    @property
    def path(self) -> str:
        """The address below `/v1`."""
        ...

    def read(self, raw: bytes, answer: str, /) -> ParsedRequest:
        """Return what a body asks for; `answer` is what the header says of it. Raises `Refusal`."""
        ...

    def whole(self, exchange: Exchange, identity: str, /) -> bytes:
        """Return a solved exchange as one object."""
        ...

    def events(self, exchange: Exchange, identity: str, /) -> StreamEvents:
        """Return what writes the events of a stream."""
        ...
