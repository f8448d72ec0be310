"""What tasks would take, as tables and as JSON: `--estimate` of `run` and `sample`."""

import asyncio
from collections.abc import Sequence

from stepdown.cli.console.progress import titled
from stepdown.cli.console.tables import show_table
from stepdown.cli.console.terminal import say, show_json
from stepdown.events import Costing, CostingConstant
from stepdown.models import BatchPrices, Prices
from stepdown.runner import BatchClient, Constant, Estimate, Estimated, Task, estimate, time_together
from stepdown.settings import BudgetSettings
from stepdown.store import Store
from stepdown.text import between, count, duration, money, size


def show_estimates(
    tasks: list[Task],
    store: Store,
    spend: BudgetSettings,
    *,
    as_json: bool,
    runs: Sequence[str] = (),
    client: BatchClient | None = None,
    unset: Sequence[str] = (),
) -> int:
    """Say what tasks would take, under their own runs' ids or these; nothing is sent or written.

    With a `client` of batch APIs, what has a batch API is asked at the price of batches. `unset` are the variables of
    keys that the command will want and that are not set.
    """
    prices, ids = Prices(spend.prices), runs or [store.id_of(task.settings()) for task in tasks]
    expected = BatchPrices(prices, client.serves_name) if client is not None else prices
    found = [asyncio.run(estimate(task, store, expected)) for task in tasks]
    shares = _within(spend, found, store, prices, ids)
    rows = zip(ids, tasks, found, shares, strict=True)
    at_once = time_together(found) if len(found) > 1 else found[0].seconds
    costings = [costing_of(run, task, one, at_once, within=share, unset=unset) for run, task, one, share in rows]
    if as_json:
        for costing in costings:
            show_json(costing)
        return 0
    _show_calls(tasks, costings)
    _show_time(costings)
    _show_constants(costings)
    say_unset(unset)
    return 0


def say_unset(variables: Sequence[str]) -> None:
    """Say which keys the command will want that are not set, where there are any."""
    if variables:
        say(f"not set here, and needed to run it: {', '.join(f'`{one}`' for one in variables)}")


def _within(
    spend: BudgetSettings, found: Sequence[Estimate], store: Store, prices: Prices, runs: Sequence[str]
) -> list[float | None]:
    """Return the share of each run that the budget allows, one after another; what was spent before counts."""
    money_left, tokens_left = spend.budget, spend.max_tokens_total
    for model, usage in store.paid(tuple(dict.fromkeys(runs))) if money_left or tokens_left else ():
        money_left = None if money_left is None else money_left - (prices.cost(model, usage) or 0.0)
        tokens_left = None if tokens_left is None else tokens_left - usage.input - usage.output
    shares: list[float | None] = []
    for one in found:
        allowed = [
            1.0 if wanted <= 0 else min(1.0, max(0.0, left) / wanted)
            for left, wanted in ((money_left, one.cost), (tokens_left, one.all_tokens.value))
            if left is not None and wanted is not None
        ]
        shares.append(min(allowed, default=None))
        money_left = None if money_left is None else money_left - (one.cost or 0.0)
        tokens_left = None if tokens_left is None else tokens_left - round(one.all_tokens.value)
    return shares


def costing_of(
    run: str,
    task: Task,
    found: Estimate,
    at_once: Estimated,
    *,
    within: float | None = None,
    unset: Sequence[str] = (),
) -> Costing:
    """Return an estimate as JSON has it; all runs of the command take `at_once` (seconds) and lack the keys `unset`."""
    dollars, corpus = found.dollars, found.corpus
    return Costing(
        run=run,
        method=task.method.name,
        student=task.student.name,
        teacher=task.planner.name if task.planner else "",
        calls=found.calls,
        cached=found.cached,
        tokens={role: usage.input + usage.output for role, usage in found.tokens.items()},
        cost=found.cost,
        most=found.most,
        calls_low=round(found.asked.low),
        calls_high=round(found.asked.high),
        requests=found.requests,
        tokens_low=round(found.all_tokens.low),
        tokens_high=round(found.all_tokens.high),
        cost_low=dollars.low if dollars else None,
        cost_high=dollars.high if dollars else None,
        seconds=round(found.seconds.value, 3),
        seconds_low=round(found.seconds.low, 3),
        seconds_high=round(found.seconds.high, 3),
        grid_seconds=round(at_once.value, 3),
        grid_seconds_low=round(at_once.low, 3),
        grid_seconds_high=round(at_once.high, 3),
        store_bytes=round(found.store.value),
        store_bytes_low=round(found.store.low),
        store_bytes_high=round(found.store.high),
        corpus_bytes=round(corpus.value) if corpus else None,
        corpus_bytes_low=round(corpus.low) if corpus else None,
        corpus_bytes_high=round(corpus.high) if corpus else None,
        width=found.width,
        servers=found.servers,
        within_budget=within,
        constants=[_constant(one) for one in found.constants],
        left_out=list(found.left_out),
        unset=list(unset),
    )


def _constant(one: Constant) -> CostingConstant:
    return CostingConstant(one.name, one.value, one.low, one.high, one.unit, one.measured, one.note)


def _show_calls(tasks: Sequence[Task], costings: Sequence[Costing]) -> None:
    rows: list[tuple[str, ...]] = [
        (str(index), titled(task), f"{one.calls - one.cached:,}", f"{one.cached:,}", count(sum(one.tokens.values())),
         money(one.cost), _money_between(one), money(one.most), _share(one.within_budget))
        for index, (task, one) in enumerate(zip(tasks, costings, strict=True), 1)
    ]  # fmt: skip
    names: tuple[str, ...] = ("#", "run", "calls", "cached", "tokens", "cost", "between", "most", "in budget")
    if all(one.within_budget is None for one in costings):
        names, rows = names[:-1], [row[:-1] for row in rows]
    note = "cost: with replies of typical length; most: with replies as long as allowed. Runs may share calls."
    show_table("Estimate", names, rows, words=2, note=note)


def _show_time(costings: Sequence[Costing]) -> None:
    rows = [
        (str(index), f"{one.requests:,}", str(one.width), duration(one.seconds),
         between(duration(one.seconds_low), duration(one.seconds_high)).strip(), size(one.store_bytes),
         between(size(one.store_bytes_low), size(one.store_bytes_high)).strip(),
         "–" if one.corpus_bytes is None else size(one.corpus_bytes))
        for index, one in enumerate(costings, 1)
    ]  # fmt: skip
    if len(costings) > 1:
        first, store = costings[0], sum(one.store_bytes for one in costings)
        low, high = duration(first.grid_seconds_low), duration(first.grid_seconds_high)
        rows.append(("all", f"{sum(one.requests for one in costings):,}", "", duration(first.grid_seconds),
                     between(low, high).strip(), size(store), "", "–"))  # fmt: skip
    left_out = "; ".join(dict.fromkeys(line for one in costings for line in one.left_out))
    note = f"time: simulated, each run alone and all at once; store, corpus: what is added. Not in it: {left_out}."
    names = ("#", "requests", "at once", "time", "between", "store", "between", "corpus")
    show_table("Time and space", names, rows, words=1, note=note)


def _show_constants(costings: Sequence[Costing]) -> None:
    every = {(one.name, one.value, one.measured): one for costing in costings for one in costing.constants}
    rows = [
        (one.name, one.note, _figure(one.value), f"{_figure(one.low)} to {_figure(one.high)}", one.unit,
         f"{one.measured} requests" if one.measured else "assumed")
        for one in every.values()
    ]  # fmt: skip
    note = "assumed: nothing in the store says it; a small run first (`-n 50`) measures tokens and latency."
    show_table("What it rests on", ("constant", "", "value", "bounds", "", "from"), rows, words=2, note=note)


def _money_between(one: Costing) -> str:
    return "–" if one.cost_low is None or one.cost_high is None else f"{money(one.cost_low)} to {money(one.cost_high)}"


def _share(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f} %"


def _figure(number: float) -> str:
    return f"{number:.3g}" if abs(number) < 1000 else f"{number:,.0f}"
