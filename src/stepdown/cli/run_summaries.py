"""What `run` says of each run at the end: the object of `--json`, and a table."""

from collections.abc import Sequence

import msgspec

from stepdown.cli.console.tables import show_table
from stepdown.cli.console.terminal import show
from stepdown.reports import ROLES, ReportRow
from stepdown.runner import Contamination, LiveCounts
from stepdown.store import StoppedComparison
from stepdown.text import CUT, DASH, count, duration, method_of, money, percent, plans_of, short

VERSION = 1


class Paid(msgspec.Struct, frozen=True):
    """What one command spent on a run."""

    tokens: int
    cost: float | None


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """A run as one command left it: the object `run --json` prints.

    right, graded and total count problems (by majority vote where `samples` > 1); `truncated` and `errors` count
    traces. `calls` were sent by this command, `cached` were answered by the store. `tokens` and `cost` are the whole
    run's, earlier commands' part included; `paid` is this command's. `stopped` says why the run did not end.
    `contamination` tells of problems that a student's lessons met, with the figures without them.
    `comparisons` are what `--until decided` came to; `total` then counts the problems that were solved until then.
    """

    run: str
    right: int
    graded: int
    total: int
    truncated: int
    errors: int
    calls: int
    cached: int
    tokens: dict[str, int | None]
    cost: float | None
    seconds: float
    accuracy: float | None
    dataset: str
    method: str
    student: str
    teacher: str
    plans: str
    control: str
    planner: str
    samples: int
    paid: Paid
    stopped: str | None = None
    contamination: Contamination | None = None
    version: int = VERSION
    comparisons: tuple[StoppedComparison, ...] = ()


def result_of(
    row: ReportRow, counts: LiveCounts, paid: Paid, *, errors: int, seconds: float, stopped: str | None = None,
    comparisons: tuple[StoppedComparison, ...] = (),
) -> Result:  # fmt: skip
    """Return what became of a run, from its row of a report and this command's counts."""
    return Result(
        run=row.run,
        right=row.right,
        graded=row.graded,
        total=row.total,
        truncated=row.truncated,
        errors=errors,
        calls=counts.calls,
        cached=counts.cached,
        tokens=row.tokens,
        cost=row.cost,
        seconds=round(seconds, 3),
        accuracy=row.accuracy,
        dataset=row.dataset,
        method=row.method,
        student=row.student,
        teacher=row.teacher,
        plans=row.plans,
        control=row.control,
        planner=row.planner,
        samples=row.samples,
        paid=paid,
        stopped=stopped,
        contamination=row.contamination,
        comparisons=comparisons,
    )


def show_results(results: Sequence[Result]) -> None:
    """Write the tables of a grid: what came out, and what it took."""
    header = ("run", "method", "student", "plans", "right/graded/total", "%", "cut", "failed")
    note = CUT
    if any(one.samples > 1 for one in results):
        note += " Of several samples of a problem the majority decides."
    show_table("Runs", header, [(*_names(one), *_figures(one)) for one in results], words=4, note=note)
    roles = [role for role in ROLES if any(role in one.tokens for one in results)]
    took = ("run", "calls", "cached", *(f"{role} tokens" for role in roles), "cost", "time")
    note = "calls: sent now; cached: answered by the store. Tokens and cost: of the whole run. Time: of this command."
    show("")
    show_table("What they took", took, [_took(one, roles) for one in results], words=1, note=note)
    show_met(results)


def show_met(results: Sequence[Result]) -> None:
    """Say which runs were tested on what their students were trained on, and what they scored without."""
    marked = ((one.run, one.contamination) for one in results if one.contamination)
    show(*(f"{run}: {contamination}" for run, contamination in marked if str(contamination)))


def _names(one: Result) -> list[str]:
    return [one.run, method_of(one), short(one.student), plans_of(one, one.planner)]


def _figures(one: Result) -> list[str]:
    return [f"{one.right}/{one.graded}/{one.total}", percent(one.accuracy), str(one.truncated), str(one.errors)]


def _took(one: Result, roles: Sequence[str]) -> list[str]:
    tokens = (count(one.tokens[role]) if role in one.tokens else DASH for role in roles)
    return [one.run, str(one.calls), str(one.cached), *tokens, money(one.cost), duration(one.seconds)]
