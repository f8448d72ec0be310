"""Live pages: one listener's stream of server-sent events, fed only when something has changed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from stepdown.text import comment, event
from stepdown.types import fingerprint
from stepdown.web.state import State

MOST = 20
_SECONDS = 1.0
_SILENCE = 15.0

Render = Callable[[State], Awaitable[str]]


class Live:
    """A fragment that is rendered once per change, however many listen."""

    def __init__(self, state: State, render: Render) -> None:
        self.state, self.render, self.listeners = state, render, 0
        self._version: tuple[int, ...] = ()
        self._text: asyncio.Task[str] | None = None

    @property
    def is_full(self) -> bool:
        """Whether nobody more may listen."""
        return self.listeners >= MOST

    async def events(self, name: str) -> AsyncIterator[bytes]:
        """Stream the fragment as events, now and after each change, at most one a second; ends with the server."""
        self.listeners += 1
        try:
            sent, silent = "", 0.0
            while not self.state.leaving.is_set():
                text = await self._current()
                if text != sent:
                    yield event(text.encode(), name)
                    sent, silent = text, 0.0
                elif silent >= _SILENCE:
                    yield comment("still here")
                    silent = 0.0
                silent += await self._pause()
        finally:
            self.listeners -= 1

    async def rows(self, seen: str) -> tuple[str, str] | None:
        """Return the fragment with a mark for it; None where `seen` is that mark already."""
        text = await self._current()
        mark = fingerprint(text)
        return None if seen == mark else (mark, text)

    async def _pause(self) -> float:
        try:
            async with asyncio.timeout(_SECONDS):
                await self.state.leaving.wait()
        except TimeoutError:
            return _SECONDS
        return 0.0

    async def _current(self) -> str:
        version = (*self.state.store.version(), self.state.jobs.version)
        if self._text is None or version != self._version:
            self._version = version
            self._text = asyncio.ensure_future(self.render(self.state))
        # Shielded: one listener that leaves must not take the text from the others.
        return await asyncio.shield(self._text)
