"""Ctrl-C and SIGTERM during a run: the first lets it finish what it began, the second stops at once."""

import asyncio
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
def interruptible(stop: Stop, *, held: bool | None = None) -> Iterator[None]:
    """Turn the first signal into a stop and any further one into `KeyboardInterrupt`, inside the `with`.

    Raised in the middle of asyncio's own work it would leave tasks that wait for ever: so the second signal cancels
    every task, and only a third is raised where it finds the program. The end of stdin is such a signal where it is
    `held`: by default where `LEASH` says so, else silently, as by the command that this is a part of.
    """
    signals = 0

    def heed(number: int, frame: FrameType | None) -> None:
        nonlocal signals
        signals += 1
        if stop.why is not None:
            if signals > 2 or not _cancel_tasks():
                raise KeyboardInterrupt
            return
        stop(Interrupted())
        if held:
            return  # who holds it has said so
        # Not through the stream: the signal may have come in the middle of a write to it.
        with suppress(OSError):
            os.write(_STDERR, b"interrupted: finishing what was begun; once more stops at once\n")

    before = {number: signal.signal(number, heed) for number in SIGNALS}
    if held or (held is None and os.environ.get(LEASH)):
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    try:
        yield
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _cancel_tasks() -> bool:
    """Cancel all tasks of this thread's event loop as soon as it is free to; False where none runs."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return False
    loop.call_soon_threadsafe(lambda: [task.cancel() for task in asyncio.all_tasks(loop)])
    return True


def end_with_stdin() -> None:
    """Interrupt this process when its stdin ends, where `LEASH` says that whoever started it holds that."""
    if os.environ.get(LEASH):
        threading.Thread(target=_end_with_stdin, daemon=True).start()


def _end_with_stdin() -> None:
    """Wait until stdin ends, then interrupt the run, and once more if it takes long."""
    with suppress(OSError):
        while os.read(_STDIN, 4096):
            continue
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(_GRACE)
    os.kill(os.getpid(), signal.SIGINT)
