"""How many calls at once are worth making, found by trying: additive increase, multiplicative decrease."""

from collections.abc import Callable

START = 16
MOST = 512
_HOLD_WINDOWS = 8


class AdaptiveConcurrency:
    """Finds the width beyond which more calls at once bring no more replies per second.

    A window is as many replies as the width. A window that was full raises the width by a half (by an
    eighth once the endpoint has complained); if the rate then rises by less than 30 % of that, the
    width steps back and holds for 8 windows before it tries again.
    """

    def __init__(self, width: int) -> None:
        self._before, self._rate = width, 0.0
        self._done = self._peak = self._hold = 0
        self._since: float | None = None
        self._cut = False

    def note(self, active: int, clock: Callable[[], float]) -> None:
        """Note how many calls are under way."""
        if active > self._peak:
            self._peak = active
        if self._since is None:
            self._since = clock()

    def count(self, width: int, clock: Callable[[], float]) -> int:
        """Return the width after one more reply."""
        self._done += 1
        if self._done < width:
            return width
        now = clock()
        seconds = max(now - (now if self._since is None else self._since), 1e-9)
        rate, full = self._done / seconds, self._peak >= width
        self._done, self._peak, self._since = 0, 0, now
        return self._adjust(width, rate) if full else width

    def _adjust(self, width: int, rate: float) -> int:
        if self._hold:
            self._hold -= 1
            return width
        if width >= START and rate < self._rate * (1 + 0.3 * (width - self._before) / self._before):
            self._hold, self._rate = _HOLD_WINDOWS, 0.0
            return self._before
        self._before, self._rate = width, rate
        return min(MOST, width + max(1, width // (8 if self._cut else 2)))

    def cut(self, width: int) -> int:
        """Return 80 % of the width, at least 1."""
        narrower = max(1, width * 4 // 5)
        self._cut, self._hold, self._rate = True, 0, 0.0
        self._before, self._done, self._peak, self._since = narrower, 0, 0, None
        return narrower
