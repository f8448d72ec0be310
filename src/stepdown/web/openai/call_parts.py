"""Calls of tools as they are streamed to a client: numbered in the order in which their names come."""

from collections.abc import Sequence

import msgspec

from stepdown.types import ToolCallPiece


class CallPart(msgspec.Struct, frozen=True):
    """What one event says of the call of number `at`: id and name at its beginning, then more of its arguments."""

    at: int
    id: str = ""
    name: str = ""
    arguments: str = ""


class StreamedCalls:
    """The calls of one answer so far: `begun` of them have been said. A call without a name waits for it."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._waiting: dict[int, list[ToolCallPiece]] = {}

    @property
    def begun(self) -> int:
        """How many calls have been said, in whole or in part."""
        return len(self._numbers)

    def add(self, pieces: Sequence[ToolCallPiece]) -> list[CallPart]:
        """Return what these pieces say; of pieces of one call that come together one part."""
        parts: list[CallPart] = []
        for piece in pieces:
            part = self._part(piece)
            if part is not None and parts and parts[-1].at == part.at:
                parts[-1] = msgspec.structs.replace(parts[-1], arguments=parts[-1].arguments + part.arguments)
            elif part is not None:
                parts.append(part)
        return parts

    def _part(self, piece: ToolCallPiece) -> CallPart | None:
        if piece.place in self._numbers:
            return CallPart(self._numbers[piece.place], arguments=piece.arguments) if piece.arguments else None
        before = self._waiting.setdefault(piece.place, [])
        before.append(piece)
        if not piece.name:
            return None
        at = self._numbers[piece.place] = self.begun
        known = next((one.id for one in before if one.id), f"call_{piece.place}")
        return CallPart(at, known, piece.name, "".join(one.arguments for one in self._waiting.pop(piece.place)))
