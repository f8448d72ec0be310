"""Ctrl-C and SIGTERM during a run: the first lets it finish what it began, the second stops at once."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from stepdown.errors import Interrupted
from stepdown.runner import Stop

SIGNALS = (signal.SIGINT, signal.SIGTERM)
_STDERR = 2


@contextmanager
def interruptible(stop: Stop) -> Iterator[None]:
    """Turn the first signal into a stop and any further one into `KeyboardInterrupt`, inside the `with`."""

    def heed(number: int, frame: FrameType | None) -> None:
        if stop.why is not None:
            raise KeyboardInterrupt
        stop(Interrupted())
        # Not through the stream: the signal may have come in the middle of a write to it.
        os.write(_STDERR, b"interrupted: finishing what was begun; once more stops at once\n")

    before = {number: signal.signal(number, heed) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
