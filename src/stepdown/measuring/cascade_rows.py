"""What a cascade with some threshold gives over problems that both of its halves have tried."""

from collections.abc import Sequence
from math import floor

import msgspec

from stepdown.stats import wilson
from stepdown.types import Kind, Verdict

_DIGITS = 4  # of a threshold in a file; cut, so that the share it stands for still reaches it


class ProblemOutcome(msgspec.Struct, frozen=True):
    """One problem under both: the votes for the cheap run's answer, verdicts, USD and tokens; None is unknown.

    `cheap_most` and `dear_most` are what they would have cost (USD) had every reply been as long as its limit allows.
    """

    question: str
    kind: Kind
    votes: int
    cheap: Verdict
    dear: Verdict
    cheap_cost: float | None
    dear_cost: float | None
    cheap_tokens: int | None
    dear_tokens: int | None
    cheap_most: float | None = None
    dear_most: float | None = None

    def lost(self, agreeing: int) -> bool:
        """Whether a cascade gets this wrong and its teacher would not, or nobody knows whether it would."""
        return self.votes >= agreeing and self.cheap != "right" and self.dear != "wrong"

    def cost(self, agreeing: int) -> float | None:
        """What a cascade takes for this (USD)."""
        if self.votes >= agreeing or self.cheap_cost is None:
            return self.cheap_cost
        return None if self.dear_cost is None else self.cheap_cost + self.dear_cost


class Threshold(msgspec.Struct, frozen=True, kw_only=True):
    """What a cascade with this threshold gives, over the problems that it has a grade for.

    `threshold` is the share of `votes` that must agree; `accuracy` = right / graded with its 95 % Wilson interval;
    `escalated` the share of problems that go on to the teacher; `cost` (USD) and `tokens` are means per problem,
    None where any is unknown. `cost_high` is the cost if as many problems went on as the upper end of the 95 % interval
    of `escalated` says. `lost` counts the problems that the teacher alone has right (or that have no verdict) and the
    cascade has not, `won` those that it has right and the teacher wrong; both may be None in rows of earlier versions.
    """

    threshold: float
    agreeing: int
    right: int
    graded: int
    total: int
    accuracy: float | None
    low: float
    high: float
    escalated: float
    cost: float | None
    tokens: float | None
    cost_high: float | None = None
    lost: int | None = None
    won: int | None = None


def threshold_row(tried: Sequence[ProblemOutcome], votes: int, agreeing: int) -> Threshold:
    """Return what a cascade gives that asks its teacher where fewer than `agreeing` of `votes` agree."""
    on = [one.votes < agreeing for one in tried]
    verdicts = [one.dear if escalated else one.cheap for one, escalated in zip(tried, on, strict=True)]
    right, graded = verdicts.count("right"), len(verdicts) - verdicts.count("ungraded")
    low, high = wilson(right, graded)
    cost = _mean([(one.cheap_cost, one.dear_cost) for one in tried], on)
    return Threshold(
        threshold=floor(agreeing / votes * 10**_DIGITS) / 10**_DIGITS,
        agreeing=agreeing,
        right=right,
        graded=graded,
        total=len(tried),
        accuracy=right / graded if graded else None,
        low=low,
        high=high,
        escalated=sum(on) / len(tried),
        cost=cost,
        tokens=_mean([(one.cheap_tokens, one.dear_tokens) for one in tried], on),
        cost_high=None if cost is None else _cost_high(tried, on, cost),
        lost=sum(one.lost(agreeing) for one in tried),
        won=sum(one.votes >= agreeing and one.cheap == "right" and one.dear == "wrong" for one in tried),
    )


def _mean(parts: Sequence[tuple[float | None, float | None]], on: Sequence[bool]) -> float | None:
    total = 0.0
    for (first, second), escalated in zip(parts, on, strict=True):
        if first is None or (escalated and second is None):
            return None
        total += first + (second or 0.0 if escalated else 0.0)
    return total / len(parts)


def _cost_high(tried: Sequence[ProblemOutcome], on: Sequence[bool], cost: float) -> float | None:
    """The cost per problem if more go on than did, each at the mean price of those that did, or of all if none did."""
    prices = [one.dear_cost for one, escalated in zip(tried, on, strict=True) if escalated]
    known = [price for price in prices or [one.dear_cost for one in tried] if price is not None]
    if len(known) < len(prices or tried):
        return None
    more = wilson(sum(on), len(on))[1] - sum(on) / len(on)
    return cost + more * sum(known) / len(known)
