"""Judges: models whose calls go through the store, within a budget that counts what judging the same runs has cost."""

import msgspec

from stepdown.runner.budget import Budget, Pricing
from stepdown.runner.calls import Calls, Remembered
from stepdown.store import Run, Store
from stepdown.types import Model


class Purse(msgspec.Struct, frozen=True):
    """What judging some runs is paid from: the name its calls have in the store, where a run's calls have its id."""

    name: str = ""
    budget: Budget | None = None


def purse_of(*runs: Run) -> Purse:
    """Return the purse of judging these runs, in whatever order, without a limit."""
    return Purse("judge/" + "/".join(sorted(run.id for run in runs)))


def limited(
    purse: Purse, store: Store, *, judge: str, pricing: Pricing, money: float | None = None, tokens: int | None = None
) -> Purse:
    """Return a purse with a budget, from which is taken what earlier commands have paid from it.

    Raises `UsageError` where the budget is in money and the price of this judge, or of an earlier one, is unknown.
    """
    budget = Budget(pricing, money=money, tokens=tokens)
    budget.check(judge)
    budget.covers = (purse.name,)
    for model, usage in store.paid([purse.name]):
        budget.check(model)
        budget.add(model, usage)
    return Purse(purse.name, budget)


def remembered(model: Model, store: Store, *, purse: Purse | None = None) -> Model:
    """Return the model with its replies kept in the store, so that a judge is paid once, and from a purse if given."""
    purse = purse or Purse()
    return Remembered(model, Calls(store, budget=purse.budget), purse.name)
