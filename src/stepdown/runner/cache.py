"""The cache: replies that the store has, under whatever key an earlier version kept them."""

import msgspec

from stepdown.runner.request import Request
from stepdown.store import Store, call_keys
from stepdown.types import Reply
from stepdown.usual_stops import unstopped


class ReplyCache:
    """Finds the stored replies of requests."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def find(self, request: Request) -> tuple[bytes, Reply] | None:
        """Return a stored reply and its key, None where the request was never answered.

        The command line, a page and a program word one sampling differently: they find one another's calls.
        """
        keys = [request.key]
        if self.store.has_other_words():
            parts = request.model.name, request.source, request.messages
            keys += call_keys(*parts, request.sampling, request.draw)
            if (before := unstopped(request.sampling)) is not None:
                keys += call_keys(*parts, before, request.draw)
        reply = self.store.first_reply(keys)
        if reply is None:
            return None
        return reply[0], msgspec.structs.replace(reply[1], cached=True)
