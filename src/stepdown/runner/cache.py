"""The cache: replies that the store has, under whatever key an earlier version kept them."""

import asyncio

import msgspec

from stepdown.runner.request import Request
from stepdown.store import Store, call_keys
from stepdown.types import Reply
from stepdown.usual_stops import unstopped

Found = tuple[bytes, Reply]


class ReplyCache:
    """Finds the stored replies of requests: of all that are looked for in one turn of the event loop at once."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._wanted: list[tuple[list[bytes], asyncio.Future[Found | None]]] = []
        self._loop: asyncio.AbstractEventLoop | None = None  # where a look is due

    async def find(self, request: Request) -> Found | None:
        """Return a stored reply and its key, None where the request was never answered.

        The command line, a page and a program word one sampling differently: they find one another's calls.
        """
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            # Nobody waits any more in a loop that has ended.
            self._loop, self._wanted = loop, []
            loop.call_soon(self._look)
        found: asyncio.Future[Found | None] = loop.create_future()
        self._wanted.append(([request.key, *self._other_keys(request)], found))
        return await found

    def _other_keys(self, request: Request) -> list[bytes]:
        """Return the keys of a request in other words, where the store may have any."""
        # Asked once a turn, with the first of those that are looked for in it.
        if not self._wanted:
            self._other_words = self.store.has_other_words()
        if not self._other_words:
            return []
        parts, before = (request.model.name, request.source, request.messages), unstopped(request.sampling)
        keys = call_keys(*parts, request.sampling, request.draw)
        return keys + (call_keys(*parts, before, request.draw) if before is not None else [])

    def _look(self) -> None:
        wanted, self._wanted, self._loop = self._wanted, [], None
        try:
            replies = self.store.replies([key for keys, _ in wanted for key in keys])
        except Exception as error:  # whatever it is belongs to those who asked
            for _, found in wanted:
                if not found.done():
                    found.set_exception(error)
            return
        for keys, found in wanted:
            if not found.done():
                key = next((one for one in keys if one in replies), None)
                found.set_result(None if key is None else (key, msgspec.structs.replace(replies[key], cached=True)))
