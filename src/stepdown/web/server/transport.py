"""Writes of one turn of the event loop gathered into one: head and body of an answer leave in one packet."""

import asyncio
from typing import Any


class CoalescingTransport(asyncio.Transport):
    """A transport that hands on what was written in a turn of the loop at its end, in one call of the system.

    Everything else is the transport's behind it.
    """

    def __init__(self, behind: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._behind, self._loop = behind, loop
        self._waiting: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep data for the end of this turn."""
        if not data:
            return
        if not self._waiting:
            self._loop.call_soon(self._hand_on)
        self._waiting.append(bytes(data))

    def _hand_on(self) -> None:
        data = b"".join(self._waiting)
        self._waiting.clear()
        if data and not self._behind.is_closing():
            self._behind.write(data)

    def close(self) -> None:
        """Hand on what waits, then close."""
        self._hand_on()
        self._behind.close()

    def abort(self) -> None:
        """Drop what waits and close at once."""
        self._waiting.clear()
        self._behind.abort()

    def get_write_buffer_size(self) -> int:
        """Return the bytes that are not with the system yet."""
        return sum(map(len, self._waiting)) + self._behind.get_write_buffer_size()

    def is_closing(self) -> bool:
        """Whether the connection is closed or about to be."""
        return self._behind.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what the transport behind knows of its connection."""
        return self._behind.get_extra_info(name, default)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set when writing pauses."""
        self._behind.set_write_buffer_limits(high, low)

    def pause_reading(self) -> None:
        """Let what the client sends wait."""
        self._behind.pause_reading()

    def resume_reading(self) -> None:
        """Take in what the client sends."""
        self._behind.resume_reading()

    def is_reading(self) -> bool:
        """Whether what the client sends is taken in."""
        return self._behind.is_reading()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Let another protocol go on with the connection."""
        self._behind.set_protocol(protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return who is told what arrives."""
        return self._behind.get_protocol()
