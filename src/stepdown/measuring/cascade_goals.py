"""What the threshold of a cascade is chosen for: an accuracy, a price, or a guarantee of loss or of spending."""

from collections.abc import Sequence
from math import inf

import msgspec

from stepdown.errors import UsageError
from stepdown.measuring.cascade_rows import ProblemOutcome, Threshold
from stepdown.stats import binomial_below, fixed_sequence, mean_not_below, observations_needed, upper_bound

_SURE = 0.95


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """What a threshold is chosen for, one of four.

    `accuracy`: a share of 1 to reach, by the lower end of its 95 % interval. `price`: USD per problem to keep to, by
    `cost_high`. Chosen by their means, the threshold of 20 problems misses the accuracy about as often as not.
    `lose`: at most this share of problems may be lost, which the teacher alone has right and the cascade has not;
    `spend`: at most so many USD per problem on average. These two are guaranteed: with the certainty `sure` the chosen
    threshold keeps to them on all problems like these, not only on these.
    """

    accuracy: float | None = None
    price: float | None = None
    lose: float | None = None
    spend: float | None = None
    sure: float = _SURE

    def __str__(self) -> str:
        surely = f"with {100 * self.sure:g} % certainty"
        if self.accuracy is not None:
            return f"the cheapest whose 95 % interval begins at {100 * self.accuracy:g} % right or above"
        if self.lose is not None:
            return f"the cheapest that loses at most {100 * self.lose:g} % of problems to the teacher {surely}"
        if self.spend is not None:
            return f"the most accurate that takes at most ${self.spend:g} per problem {surely}"
        return f"the most accurate that surely stays within ${self.price:g} per problem"

    @property
    def is_guaranteed(self) -> bool:
        """Whether what is asked for is guaranteed, with the certainty `sure`."""
        return self.lose is not None or self.spend is not None

    def check(self) -> None:
        """Refuse a goal that is none. Raises `UsageError`."""
        if sum(one is not None for one in (self.accuracy, self.price, self.lose, self.spend)) != 1:
            raise UsageError(
                "a threshold is chosen for one goal",
                "give --accuracy, such as 0.8, --price in USD, --lose-at-most, such as 1%, or --spend-at-most in USD",
            )
        if self.accuracy is not None and not 0 < self.accuracy <= 1:
            raise UsageError(f"an accuracy of `{self.accuracy:g}`", "give a share above 0, up to 1, such as 0.8")
        if self.price is not None and not self.price >= 0:
            raise UsageError(f"a price of `{self.price:g}` dollars", "give 0 or more")
        if self.lose is not None and not 0 < self.lose < 1:
            raise UsageError(
                f"a loss of at most `{100 * self.lose:g} %`", "give a share between 0 and 100 %, such as 1%"
            )
        if self.spend is not None and not self.spend > 0:
            raise UsageError(f"spending at most `{self.spend:g}` dollars per problem", "give more than 0")
        if not 0.5 <= self.sure < 1:
            raise UsageError(f"a certainty of `{100 * self.sure:g} %`", "give 50 % or more, below 100 %, such as 95%")

    def choose(self, rows: Sequence[Threshold], tried: Sequence[ProblemOutcome] = ()) -> Threshold | None:
        """Return the row that meets the goal best; `tried` are the problems behind the rows.

        Raises `UsageError` for a price that nobody knows.
        """
        known = [row for row in rows if row.accuracy is not None]
        priced = all(row.cost is not None for row in rows)
        if (self.spend is not None and not priced) or (
            self.price is not None and any(row.cost is None for row in known)
        ):
            raise UsageError("what these runs cost is unknown", "give the models' prices with --prices FILE")
        if self.lose is not None:
            return min(self._vouched(rows, tried), key=_spending, default=None)
        if self.spend is not None:
            return max(self._vouched(rows, tried), key=_merit, default=None)
        if self.price is None:
            target = self.accuracy or 0.0
            return min((row for row in known if row.low >= target), key=_spending, default=None)
        within = [row for row in known if row.cost_high is not None and row.cost_high <= self.price]
        return max(within, key=_merit, default=None)

    def _vouched(self, rows: Sequence[Threshold], tried: Sequence[ProblemOutcome]) -> list[Threshold]:
        """The rows that surely keep to the limit, tested one after another from the one that is furthest from it.

        More votes lose less and spend more, so that the order is fixed before anything is seen.
        """
        first = sorted(rows, key=lambda row: row.agreeing, reverse=self.lose is not None)
        return first[: fixed_sequence([self._p(row, tried) for row in first], self.sure)]

    def _p(self, row: Threshold, tried: Sequence[ProblemOutcome]) -> float:
        if self.lose is not None:
            return binomial_below(row.lost or 0, row.total, self.lose)
        costs = [cost for one in tried if (cost := one.cost(row.agreeing)) is not None]
        return mean_not_below(costs, self.spend or 0.0, max(most_of(tried), *costs))

    def refusal(self, rows: Sequence[Threshold]) -> str:
        """Say why no threshold can be guaranteed, and what it would take."""
        if self.lose is None:
            least = min(row.cost or 0.0 for row in rows)
            why = f"the least that any threshold took on these {rows[0].total} problems is ${least:.2g} each"
            return f"{why}; take more problems, a cheaper planner, or a larger --spend-at-most"
        safest = max(rows, key=lambda row: row.agreeing)
        lost, bound = safest.lost or 0, upper_bound(safest.lost or 0, safest.total, self.sure)
        why = f"threshold {safest.threshold:g} lost {lost} of {safest.total} problems, which vouches for "
        why += f"{100 * bound:.2g} % at most"
        need = observations_needed(lost / safest.total, self.lose, self.sure, beyond=safest.total)
        if need is None:
            return f"{why}, and so large a loss needs no more problems but a better planner, or --lose-at-most above it"
        return f"{why}; it takes {need - safest.total} more problems, lost as seldom, or a larger --lose-at-most"


def most_of(tried: Sequence[ProblemOutcome]) -> float:
    """Return the most that a problem like these may cost (USD): no input longer, every reply as long as its limit."""
    return max(((one.cheap_most or 0.0) + (one.dear_most or 0.0) for one in tried), default=0.0)


def _spending(row: Threshold) -> tuple[float, float, float]:
    """What a threshold takes; what nobody knows is never the least."""
    return inf if row.cost is None else row.cost, inf if row.tokens is None else row.tokens, row.escalated


def _merit(row: Threshold) -> tuple[float, ...]:
    return row.accuracy or 0.0, *(-part for part in _spending(row))
