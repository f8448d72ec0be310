"""Judge models: replies are kept in the store, within a budget that counts what judging the same runs has cost."""

import msgspec

from stepdown.runner import Budget, CachedModel, Calls, Pricing
from stepdown.store import Run, Store
from stepdown.types import Model


class JudgeBudget(msgspec.Struct, frozen=True):
    """Budget of judge calls, and the key under which the store counts them (calls of a run are kept under its id)."""

    key: str = ""
    budget: Budget | None = None


def judge_budget(*runs: Run) -> JudgeBudget:
    """Return the unlimited budget of judging these runs; the order of the runs does not matter."""
    return JudgeBudget("judge/" + "/".join(sorted(run.id for run in runs)))


def limit_judge(
    judging: JudgeBudget,
    store: Store,
    *,
    judge: str,
    pricing: Pricing,
    money: float | None = None,
    tokens: int | None = None,
) -> JudgeBudget:
    """Return a limited budget, from which the cost of earlier commands under the same key is already deducted.

    Raises `UsageError` where the budget is in money and the price of this judge, or of an earlier one, is unknown.
    """
    budget = Budget(pricing, money=money, tokens=tokens)
    budget.check(judge)
    budget.covers = (judging.key,)
    for model, usage in store.paid([judging.key]):
        budget.check(model)
        budget.add(model, usage)
    return JudgeBudget(judging.key, budget)


def cached_model(model: Model, store: Store, *, judging: JudgeBudget | None = None) -> Model:
    """Return a model whose replies are kept in the store and charged to a budget, so that each is paid for once."""
    judging = judging or JudgeBudget()
    return CachedModel(model, Calls(store, budget=judging.budget), judging.key)
