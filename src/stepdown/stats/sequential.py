"""A paired comparison that may be looked at after every pair and stopped at any: evidence, p and interval stay valid.

A bet on the sign of the next pair wins nothing on average where there is no difference, so that its stake grows twenty
fold by chance at most once in twenty comparisons, whenever one stops: Ville (1939); Grünwald, de Heide & Koolen (2024),
JRSS B 86: 1091-1128 (safe testing); Waudby-Smith & Ramdas (2024), JRSS B 86: 1-27 (means of bounded values by betting).
"""

import math
from collections.abc import Callable

from stepdown.stats.shares import Interval

_HALVINGS = 40
_MOST_BET = 0.9  # of the stake that could be lost at once
# Before anything is seen, a quarter of the pairs is taken to be discordant, as if eight had been looked at.
_EXPECTED, _WEIGHT = 0.25, 8.0


class PairedSequence:
    """Pairs of right and wrong, one after another, in an order that does not depend on how they come out.

    `margin` is the least difference of interest (a share of 1). What is bet on the next pair depends on earlier ones
    alone: the margin over the share of discordant pairs so far, which is the best bet if the difference is the margin.
    """

    def __init__(self, margin: float) -> None:
        self.margin, self.pairs, self.better, self.worse = margin, 0, 0, 0
        self._steps: list[tuple[int, float]] = []
        self._up = self._down = self._not_up = self._not_down = 0.0  # logarithms of what the bets have made
        self._most = 0.0

    def add(self, step: int) -> None:
        """Add a pair: 1 where only the new result is right, -1 where only the old one is, else 0."""
        seen = self.better + self.worse
        bet = self.margin * (_WEIGHT + self.pairs) / (_EXPECTED * _WEIGHT + seen)
        self._steps.append((step, bet))
        self.pairs, self.better, self.worse = self.pairs + 1, self.better + (step > 0), self.worse + (step < 0)
        self._up, self._down = self._up + _gain(step, bet, 0.0), self._down + _gain(-step, bet, 0.0)
        self._not_up += _gain(-step, bet, -self.margin)
        self._not_down += _gain(step, bet, -self.margin)
        self._most = max(self._most, self._up, self._down)

    @property
    def difference(self) -> float:
        """The share of pairs that the new result won, less the share it lost; 0 without any."""
        return (self.better - self.worse) / self.pairs if self.pairs else 0.0

    @property
    def p(self) -> float:
        """The chance of so much evidence, at any time so far, if there is no difference. Each side has half a stake."""
        return min(1.0, 2 * math.exp(-self._most))

    @property
    def evidence(self) -> float:
        """How many times its stake the better of both bets has made at best: 1 / p."""
        return max(1.0, math.exp(min(self._most, 700.0)) / 2)

    def is_small(self, power: float = 0.8) -> bool:
        """Whether the difference is less than the margin to either side.

        If it is not, this is said of it, at any time, with a chance of at most 1 - `power`. Both bets
        must stand so high at once: a lucky moment of each comes too soon.
        """
        return min(self._not_up, self._not_down) >= -math.log(1 - power)

    def interval(self, sure: float = 0.95) -> Interval:
        """Return an interval that holds the difference at all times together with this certainty.

        It leaves 0 out if and only if p is at most 1 - `sure`.
        """
        enough = math.log(2 / (1 - sure))
        low = _edge(lambda mean: self._best(mean, 1) >= enough, -1.0, 1.0)
        high = _edge(lambda mean: self._best(mean, -1) >= enough, 1.0, -1.0)
        return low, high

    def _best(self, mean: float, side: int) -> float:
        """The most that bets on a difference above (or below) `mean` have made at any time, as a logarithm."""
        made = most = 0.0
        for step, bet in self._steps:
            made += _gain(side * step, bet, side * mean)
            most = max(most, made)
        return most


def share_interval(right: int, total: int, sure: float = 0.95) -> Interval:
    """Return an interval of a share that holds at all times together, however one stops: Robbins (1970).

    Ann. Math. Stat. 41: 1397-1409, with the mixture of Jeffreys' prior.
    """
    if not total:
        return 0.0, 1.0
    mixture = _log_beta(right + 0.5, total - right + 0.5) - _log_beta(0.5, 0.5)
    enough = -math.log(1 - sure)

    def refuted(share: float) -> bool:
        likelihood = _times_log(right, share) + _times_log(total - right, 1 - share)
        return mixture - likelihood >= enough

    found = right / total
    return _edge(refuted, 0.0, found), _edge(refuted, 1.0, found)


def gain_at_any_time(new: int, old: int, pairs: int, sure: float = 0.95) -> Interval:
    """Return an interval of the relative gain, of `new` against `old` right of so many pairs, that holds at all times.

    From the intervals of both shares, each with half of the error: wider than one of the pairs themselves, so that it
    may hold 0 where the difference's does not. Infinite at the top where the old share may be 0.
    """
    (least, most), (low, high) = (share_interval(right, pairs, (1 + sure) / 2) for right in (new, old))
    return least / high - 1, most / low - 1 if low else math.inf


def _gain(step: int, bet: float, mean: float) -> float:
    """What a bet on a step above `mean` makes, as a logarithm; never all is lost."""
    return math.log1p(min(bet, _MOST_BET / (1 + abs(mean))) * (step - mean))


def _edge(refuted: Callable[[float], bool], end: float, found: float) -> float:
    """Return where refuting stops on the way from an end of the range to what was found; the end if it never began."""
    if not refuted(end):
        return end
    for _ in range(_HALVINGS):
        middle = (end + found) / 2
        end, found = (middle, found) if refuted(middle) else (end, middle)
    return end


def _times_log(count: int, share: float) -> float:
    return 0.0 if not count else count * math.log(share) if share > 0 else -math.inf


def _log_beta(first: float, second: float) -> float:
    return math.lgamma(first) + math.lgamma(second) - math.lgamma(first + second)
