"""Text in pieces while it is written: tokens to whole characters, stop strings held back, threads to event loops."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence

from stepdown.models.stop_strings import complete_up_to
from stepdown.types import Reply

# More tokens than one character can be spread over: what lies this far back is settled.
SETTLING = 32


class Detokenizer:
    """The text of tokens that come one by one: each piece is whole characters, and no piece begins a stop string.

    `decode` turns tokens into text; bytes that are no whole character yet it leaves out or ends with U+FFFD.
    """

    def __init__(self, decode: Callable[[list[int]], str], stops: Sequence[str] = ()) -> None:
        self._decode, self._stops = decode, [stop for stop in stops if stop]
        self._settled, self._sent = "", 0
        self._pending: list[int] = []

    def add(self, tokens: Sequence[int]) -> str:
        """Take in tokens and return the text that can be said now, "" for none."""
        self._pending += tokens
        pending = self._decode(self._pending)
        text = self._settled + pending
        if len(self._pending) >= 2 * SETTLING:
            self._settle(pending)
        end = complete_up_to(text.rstrip("\ufffd"), self._stops)
        piece = text[self._sent : end]
        self._sent = max(self._sent, end)
        return piece

    def _settle(self, pending: str) -> None:
        """Decode early tokens no more, where their text and that of the later ones make the text of all."""
        early, late = self._pending[:SETTLING], self._pending[SETTLING:]
        text = self._decode(early)
        if text + self._decode(late) == pending:
            self._settled += text
            self._pending = late


async def stream_from_thread(
    pieces: "asyncio.Queue[str]", outcome: "asyncio.Future[list[Reply]]"
) -> AsyncGenerator[str | Reply, None]:
    """Yield pieces until the outcome is there, then the rest of its text and the `Reply`; raises what it raises.

    A consumer that leaves cancels the outcome.
    """

    def end(outcome: "asyncio.Future[list[Reply]]") -> None:
        # An error counts as read here: the consumer may have left.
        if not outcome.cancelled():
            outcome.exception()
        pieces.put_nowait("")

    outcome.add_done_callback(end)
    length = 0
    try:
        while piece := await pieces.get():
            length += len(piece)
            yield piece
        reply = outcome.result()[0]
        if rest := reply.text[length:]:
            yield rest
        yield reply
    finally:
        outcome.cancel()
