"""What the judge of a command may cost, and what it has cost."""

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from stepdown.cli.console.terminal import say
from stepdown.cli.run_summaries import Paid
from stepdown.cli.unused_options import given, refuse
from stepdown.measuring import JudgeBudget, judge_budget, limit_judge
from stepdown.models import Prices
from stepdown.settings import BudgetSettings, EndpointSettings
from stepdown.store import Run
from stepdown.text import count, money
from stepdown.types import Role, Usage


class JudgeCost(msgspec.Struct, frozen=True):
    """What judging took: `tokens` by role and `cost`, earlier commands' part included; `paid` is this command's."""

    tokens: dict[Role, int] = {}
    cost: float | None = 0.0
    paid: Paid = Paid(0, 0.0)


def refuse_unused(money: BudgetSettings, endpoint: EndpointSettings, way: str, *, used: str = "") -> None:
    """Refuse what was given for a judge where no model judges; `way` is how to have one. Raises `UsageError`.

    `used` is an option that does something without a judge too.
    """
    unused = [flag for flag in (*given(money), *given(endpoint)) if flag != used]
    refuse(unused, "no judge model is used", f"give {way}, or leave it out")


class Judging:
    """The judging of some runs by one command; `judge` is empty where no model is asked."""

    def __init__(self, judge: str, options: BudgetSettings, *runs: Run) -> None:
        self.judge, self.prices, self.budget = judge, Prices(options.prices), judge_budget(*runs)
        if judge:
            self.budget = limit_judge(
                self.budget,
                runs[0].store,
                judge=judge,
                pricing=self.prices,
                money=options.budget,
                tokens=options.max_tokens_total,
            )
        self._before = self._sums()

    def _sums(self) -> tuple[int, float]:
        budget = self.budget.budget
        return (budget.spent_tokens, budget.spent_money) if budget else (0, 0.0)

    @property
    def spent(self) -> JudgeCost:
        """What it has taken so far; money is unknown where a price is."""
        if self.budget.budget is None:
            return JudgeCost()
        (tokens, cost), known = self._sums(), self.prices.cost(self.judge, Usage(1, 1)) is not None
        paid = Paid(tokens - self._before[0], round(cost - self._before[1], 10) if known else None)
        return JudgeCost({"judge": tokens}, round(cost, 10) if known and self.budget.budget.priced else None, paid)

    @contextmanager
    def budgeted(self) -> Iterator[JudgeBudget]:
        """Give the judge's budget, and report at the end what was spent, whatever the end is."""
        try:
            yield self.budget
        finally:
            if self.judge:
                spent = self.spent
                say(f"judge: {count(spent.tokens['judge'])} tokens · {money(spent.cost)}; of these by this command: "
                    f"{count(spent.paid.tokens)} tokens · {money(spent.paid.cost)}")  # fmt: skip
