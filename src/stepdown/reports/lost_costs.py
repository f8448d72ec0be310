"""What calls may cost that were sent and of which nothing came back, beside what a report counts."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

import msgspec

from stepdown.store import Run, lost_calls
from stepdown.text import Table, count, counted, money
from stepdown.types import Pricing


class LostCosts(msgspec.Struct, frozen=True):
    """Lost calls of one run to one model, and what all of them may have used at most; `cost` in USD, None unknown."""

    run: str
    model: str
    calls: int
    input: int
    output: int
    cost: float | None


def lost_costs(runs: Iterable[Run], prices: Pricing) -> Iterator[LostCosts]:
    """Yield what the lost calls of some runs may cost, by run and model."""
    for run in runs:
        for model, same in groupby(lost_calls(run), key=lambda one: one.model):
            most = [one.most for one in same]
            costs = [prices.cost(model, one) for one in most]
            known = [cost for cost in costs if cost is not None]
            yield LostCosts(
                run=run.id,
                model=model,
                calls=len(most),
                input=sum(one.input for one in most),
                output=sum(one.output for one in most),
                cost=sum(known) if len(known) == len(costs) else None,
            )


def lost_words(found: Sequence[LostCosts]) -> str:
    """Return a sentence about lost calls, nothing where there are none."""
    if not found:
        return ""
    costs = [one.cost for one in found if one.cost is not None]
    tokens = f"{count(sum(one.input + one.output for one in found))} tokens"
    total = sum(costs) if len(costs) == len(found) else 0.0
    most = money(total) if total else tokens
    calls = counted(sum(one.calls for one in found), "call")
    return f"up to {most} more may have been billed for {calls} without a reply"


def lost_table(found: Sequence[LostCosts], row_number: Mapping[str, int]) -> list[Table]:
    """Return the table of lost calls, none where there are none; `row_number` numbers the runs of the report."""
    rows = tuple(
        (str(row_number[one.run]), one.model, f"{one.calls:,}", f"{one.input + one.output:,}", money(one.cost))
        for one in found
    )
    note = "Their connection broke after they were sent, or their batch did not bring them, and they were asked again: "
    note += f"{lost_words(found)}."
    header = ("#", "model", "calls", "tokens at most", "USD at most")
    return [Table("Calls without a reply", header, rows, 2, note)] if rows else []
