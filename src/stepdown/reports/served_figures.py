"""Latency and money of served calls, by model and by day, from what the store keeps of each call."""

from collections.abc import Iterable
from math import ceil

import msgspec

from stepdown.store import ServedCall
from stepdown.types import Pricing


class ServedFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The calls of one model on one day (`day` is empty for a whole window).

    `p50` and `p95` are seconds over calls that came to their end, None where none did. `tokens_in` and `tokens_out` are
    the known ones, `cost` in US dollars is None where any of it is not known. `left` counts calls that a client left,
    or that broke; what they took is an upper bound.
    """

    model: str
    day: str = ""
    calls: int
    left: int
    p50: float | None
    p95: float | None
    tokens_in: int
    tokens_out: int
    unknown: int
    cost: float | None


def served_figures(calls: Iterable[ServedCall], prices: Pricing, *, by_day: bool) -> list[ServedFigures]:
    """Return the figures of calls by model, and by day where that is wanted, the newest day first."""
    groups: dict[tuple[str, str], list[ServedCall]] = {}
    for call in calls:
        groups.setdefault((call.day if by_day else "", call.model), []).append(call)
    found = [_figures(model, day, some, prices) for (day, model), some in sorted(groups.items())]
    return sorted(found, key=lambda one: one.day, reverse=True)


def _figures(model: str, day: str, calls: list[ServedCall], prices: Pricing) -> ServedFigures:
    seconds = sorted(call.seconds for call in calls if not call.left)
    usages = [call.usage for call in calls if call.usage is not None]
    costs = [prices.cost(model, usage) for usage in usages]
    known = len(usages) == len(calls) and None not in costs
    return ServedFigures(
        model=model,
        day=day,
        calls=len(calls),
        left=sum(call.left for call in calls),
        p50=quantile(seconds, 0.5),
        p95=quantile(seconds, 0.95),
        tokens_in=sum(usage.input for usage in usages),
        tokens_out=sum(usage.output for usage in usages),
        unknown=len(calls) - len(usages),
        cost=sum(cost for cost in costs if cost is not None) if known else None,
    )


def quantile(ordered: list[float], share: float) -> float | None:
    """Return the least value that is not exceeded by this share of ordered values (the nearest rank)."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else None
