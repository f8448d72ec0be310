"""How far a pass over many rows is, in plain lines on stderr."""

from collections.abc import Callable
from time import monotonic

from stepdown.cli.console.terminal import say

_EVERY_SECONDS = 2.0


def telling(words: str, unit: str = "rows") -> Callable[[int, int], None]:
    """Return a progress that says on stderr how far a pass over rows is, every two seconds."""
    last_line = [monotonic()]

    def tell(done: int, total: int) -> None:
        if monotonic() - last_line[0] >= _EVERY_SECONDS:
            last_line[0] = monotonic()
            say(f"{words}: {done:,} of {total:,} {unit}")

    return tell
