"""What a report says of problems that have several plans: where right and wrong vary."""

from collections.abc import Sequence

from stepdown.reports.report_rows import ReportRow
from stepdown.stats import VariancePart
from stepdown.text import DASH, Table, between, percent

_NOTE = (
    "Of one solution's being right or wrong: how much of its variance lies between problems, between plans of one"
    " problem and between solutions by one plan (nested analysis of variance; 95 % by the jackknife over problems)."
    " solutions a plan: how many of each plan tell most of a method for the tokens that plans and solutions took; -:"
    " plans do not differ, so one is enough, or tokens are unknown."
)


def variance_table(rows: Sequence[ReportRow]) -> Table:
    """Split the variance of each run with several plans a problem; its rows begin with the run."""
    header = ("problems", "plans each", "by problems, %", "by plans, %", "by solutions, %", "solutions a plan")
    return Table("Where right and wrong vary", header, tuple(map(_cells, (r for r in rows if r.variance))), 0, _NOTE)


def _cells(row: ReportRow) -> tuple[str, ...]:
    split = row.variance
    assert split is not None, "only rows with a split are shown"
    whole = split.problems.value + split.plans.value + split.solutions.value
    parts = (_share(one, whole) for one in (split.problems, split.plans, split.solutions))
    each = DASH if row.solutions_a_plan is None else f"{row.solutions_a_plan:.1f}"
    return row.run, str(split.over), f"{split.plans_tried / split.over:.3g}", *parts, each


def _share(part: VariancePart, whole: float) -> str:
    if not whole:
        return DASH
    return percent(part.share) + between(percent(part.low / whole), percent(min(1.0, part.high / whole)))
