"""The models that servers on this machine offer to a form, as they were a short while ago at most."""

import time

from stepdown.models import offered_here

FRESH = 30.0  # seconds
_MOST = 50


class LocalModels:
    """Asks the servers of this machine which models they have, at most once in a while."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._until = 0.0

    async def names(self) -> list[str]:
        """Return the model strings that can be asked here now."""
        if time.monotonic() >= self._until:
            self._names = (await offered_here())[:_MOST]
            self._until = time.monotonic() + FRESH
        return self._names
