"""What all processes have paid and hold for the runs of one budget."""

from typing import Literal

from stepdown.errors import BudgetReached
from stepdown.runner.budget import Budget, Reservation
from stepdown.store import Claims
from stepdown.types import Usage

# Whether claims just made fit a budget; where they do not, whether the end of another call could make room.
Room = Literal["fits", "waits", "over"]


class Account:
    """Reads from the store what a budget's runs have cost so far, whoever paid, and what is under way for them.

    Every call in flight has its claim in the store from before it is sent until its reply is, so both together are
    never less than what was spent.
    """

    def __init__(self, claims: Claims, budget: Budget) -> None:
        self._claims, self._budget = claims, budget
        self._seen, self._money, self._tokens = 0, 0.0, 0
        self._priced: dict[bytes, float] = {}
        self._read()

    @classmethod
    def of(cls, claims: Claims, budget: Budget | None) -> "Account | None":
        """Return the account of a budget that has a limit and is for runs, else None."""
        limited = budget is not None and (budget.money is not None or budget.tokens is not None)
        return cls(claims, budget) if budget is not None and limited and budget.covers else None

    def fits(self) -> bool:
        """Whether what is paid and all claims in the store are within the budget. Wants an open transaction."""
        self._read()
        return self._fits()

    def room(self, ours: set[bytes]) -> Room:
        """Whether the claims with these keys, which are in the store already, fit. Wants an open transaction."""
        if self.fits():
            return "fits"
        self._claims.bury_all()
        self._read()
        # What a batch has may take a day, and is not waited for.
        claimed = {key for key, *_, batched in self._claims.held(self._budget.covers) if not batched}
        return "waits" if claimed - ours else "over"

    def reached(self, wanted: Reservation | None = None) -> BudgetReached:
        """Return the error that says what all have spent, and what the next call may take where one is wanted."""
        return self._budget.reached(wanted)

    def _read(self) -> None:
        """Count what was paid since the last look."""
        for row, model, usage in self._claims.store.payments(self._budget.covers, after=self._seen):
            self._seen = max(self._seen, row)
            self._money += self._cost(model, usage)
            self._tokens += usage.input + usage.output
        self._budget.everyone = (self._money, self._tokens)

    def _fits(self) -> bool:
        return self._budget.allows(*self._all())

    def left(self) -> tuple[float | None, int | None]:
        """Return the US dollars and tokens that may still be spent, None for what has no limit."""
        self._read()
        (money, tokens), budget = self._all(), self._budget
        return (
            None if budget.money is None else budget.money - money,
            None if budget.tokens is None else budget.tokens - tokens,
        )

    def _all(self) -> tuple[float, int]:
        """Return the US dollars and tokens that are spent or held."""
        money, tokens, priced = self._money, self._tokens, {}
        for key, model, given, written, batched in self._claims.held(self._budget.covers):
            most = Usage(given, written, batched=batched)
            priced[key] = self._priced[key] if key in self._priced else self._cost(model, most)
            money += priced[key]
            tokens += given + written
        self._priced = priced
        return money, tokens

    def _cost(self, model: str, usage: Usage) -> float:
        return self._budget.pricing.cost(model, usage) or 0.0 if self._budget.money is not None else 0.0
