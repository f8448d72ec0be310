"""A trace as one flat object: what `stepdown traces --json` prints, and a row of a frame or a table of a run."""

from collections.abc import Iterable, Iterator
from typing import Any, get_args

import msgspec

from stepdown.types import Grade, Pricing, Role, Trace, Verdict

ROLES: tuple[Role, ...] = get_args(Role)


class TraceLine(msgspec.Struct, frozen=True, kw_only=True):
    """What `traces --json` says of a trace.

    `tokens` are input and output together, by role, of the calls this trace itself made; None where an endpoint
    did not say. `cost` is in US dollars, None where a price is unknown.
    """

    run: str
    problem: str
    sample: int
    question: str
    gold: str
    found: str | None
    verdict: Verdict
    grader: str
    error: str | None
    truncated: bool
    plan: str | None
    solution: str | None
    tokens: dict[Role, int | None]
    cost: float | None


def trace_line(run: str, trace: Trace, grade: Grade, prices: Pricing | None) -> TraceLine:
    """Return a trace of a run, with its grade, as the object that `traces --json` prints; no prices, no cost."""
    return TraceLine(
        run=run,
        problem=trace.problem.id,
        sample=trace.sample,
        question=trace.problem.question,
        gold=trace.problem.answer,
        found=grade.found,
        verdict=grade.verdict,
        grader=grade.grader,
        error=trace.error,
        truncated=trace.truncated,
        plan=trace.plan.text if trace.plan else None,
        solution=trace.solution,
        tokens=tokens_of(trace),
        cost=cost_of(trace, prices) if prices is not None else None,
    )


def tokens_of(trace: Trace) -> dict[Role, int | None]:
    """Return input and output tokens by role, calls an earlier trace counted left out; None where unknown."""
    counts: dict[Role, int | None] = {}
    for call in trace.calls:
        before, usage = counts.setdefault(call.role, 0), call.reply.usage
        if not call.reply.cached:
            unknown = before is None or usage is None
            counts[call.role] = None if unknown else (before or 0) + (usage.input + usage.output if usage else 0)
    return counts


def cost_of(trace: Trace, prices: Pricing) -> float | None:
    """Return the US dollars of the calls this trace itself made; None where any price or usage is unknown."""
    costs = [prices.cost(call.model, call.reply.usage) for call in trace.calls if not call.reply.cached]
    known = [cost for cost in costs if cost is not None]
    return round(sum(known), 10) if len(known) == len(costs) else None


def flat_rows(
    run: str, graded: Iterable[tuple[Trace, Grade]], prices: Pricing | None = None
) -> Iterator[dict[str, Any]]:
    """Stream graded traces of a run as flat rows: the fields of a `TraceLine`, tokens in a column for each role."""
    for trace, grade in graded:
        row = msgspec.structs.asdict(trace_line(run, trace, grade, prices))
        tokens = row.pop("tokens")
        cost = row.pop("cost")
        yield row | {f"{role}_tokens": tokens.get(role) for role in ROLES} | {"cost": cost}
