"""Ctrl-C and SIGTERM during a run: the first lets it finish what it began, the second stops at once."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from stepdown.errors import Interrupted
from stepdown.runner import Stop

SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Set by who starts a run and holds its stdin: the end of stdin, however it came, is the end of the run.
LEASH = "STEPDOWN_LEASH"
_GRACE = 3.0
_STDIN, _STDERR = 0, 2


@contextmanager
def interruptible(stop: Stop) -> Iterator[None]:
    """Turn the first signal into a stop and any further one into `KeyboardInterrupt`, inside the `with`."""

    def heed(number: int, frame: FrameType | None) -> None:
        if stop.why is not None:
            raise KeyboardInterrupt
        stop(Interrupted())
        # Not through the stream: the signal may have come in the middle of a write to it.
        with suppress(OSError):
            os.write(_STDERR, b"interrupted: finishing what was begun; once more stops at once\n")

    before = {number: signal.signal(number, heed) for number in SIGNALS}
    if os.environ.get(LEASH):
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_with_stdin() -> None:
    """Wait until stdin ends, then interrupt the run, and once more if it takes long."""
    with suppress(OSError):
        while os.read(_STDIN, 4096):
            continue
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(_GRACE)
    os.kill(os.getpid(), signal.SIGINT)
