"""The rows of a report: each run's figures, and its paired comparison with its baseline."""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import inf

import msgspec

from stepdown.reports.counts import ReportCounts, RoleSpending
from stepdown.runner import Contamination
from stepdown.stats import (
    VarianceSplit,
    clustered_interval,
    gain_at_any_time,
    gain_interval,
    holm,
    mcnemar_exact,
    minimum_detectable_difference,
    paired_interval,
    relative_gain,
    share_interval,
    variance_split,
    wilson,
)
from stepdown.store import ROLES as ROLES
from stepdown.store import Run, StoppedComparison, stored_comparisons
from stepdown.types import Role, Verdict

PLANNED_BY: tuple[Role, Role] = ("teacher", "student")
_CENTS = 10  # decimals of a dollar that mean something; more are noise of adding floats


class Edits(msgspec.Struct, frozen=True):
    """How many graded problems have a plan a person edited, and how many of either kind are right."""

    edited: int = 0
    edited_right: int = 0
    untouched: int = 0
    untouched_right: int = 0


class OfSamples(msgspec.Struct, frozen=True):
    """What k of the samples that were drawn give, on average over all choices of k: a share of 1 with its interval.

    Over the `problems` that have k samples or more.
    """

    k: int
    share: float
    low: float
    high: float
    problems: int


class ReportRow(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a report; what cannot be known is None.

    Accuracies, intervals, differences and `mdd` are shares of 1; `accuracy` is right / graded, by vote where
    `samples` > 1, with its Wilson interval. `single` is then the mean accuracy of one sample, `pass_at` that at least
    one of k is right, `maj_at` that the vote of k is, with intervals clustered by problem. `difference`,
    `relative_gain`, `better`, `worse` and the p-values are over the `paired` problems that this run and its `baseline`
    (a run's id) both have graded, each counted once by its vote. `mdd` is the least difference that the exact McNemar
    test finds at .05 with 80 % power if as many pairs are discordant; None where it finds none so often.
    `relative_gain_high` is None where it has no end, since the baseline may have nothing right. `differs` has the
    settings in which the table's rows differ. `tokens` and `costs` (USD) are by role, `cost` and
    `cost_per_right` in USD, `seconds` summed over replies (an imported file does not say), `truncated` of
    `attempts` traces. `planned` problems have a plan, `planner` wrote the plans, or most of
    them, `plans` and `control` say how they came here.
    `contamination` tells of problems that a student's lessons met, None where nothing that ran can have met any.
    `name` is what people call the run, "" where nobody does.
    `stopped` is the comparison that ended the run early: then its accuracy's interval, and against that baseline the
    difference's and gain's, p and Holm's p hold however it was stopped, and `mdd` is None.
    Of runs with `plan_samples` plans a problem `variance` splits right and wrong into problems, plans and solutions,
    and `solutions_a_plan` is how many solutions of each plan tell most for the tokens that both roles used.
    """

    run: str
    method: str
    student: str
    teacher: str
    plans: str
    right: int
    graded: int
    total: int
    accuracy: float | None
    low: float
    high: float
    relative_gain: float | None = None
    difference: float | None = None
    difference_low: float | None = None
    difference_high: float | None = None
    p: float | None = None
    p_holm: float | None = None
    tokens: dict[str, int | None]
    cost: float | None
    dataset: str
    control: str
    planner: str = ""
    baseline: str = ""
    paired: int = 0
    better: int = 0
    worse: int = 0
    mdd: float | None = None
    samples: int = 1
    single: float | None = None
    single_low: float | None = None
    single_high: float | None = None
    relative_gain_low: float | None = None
    relative_gain_high: float | None = None
    pass_at: tuple[OfSamples, ...] = ()
    maj_at: tuple[OfSamples, ...] = ()
    differs: dict[str, str] = {}
    attempts: int
    planned: int = 0
    truncated: int
    ungraded: int
    seconds: float | None
    costs: dict[str, float | None]
    cost_per_right: float | None
    edits: Edits
    contamination: Contamination | None = None
    name: str = ""
    stopped: StoppedComparison | None = None
    plan_samples: int = 1
    variance: VarianceSplit | None = None
    solutions_a_plan: float | None = None


def report_row(run: Run, tally: ReportCounts, *, baseline: str = "", name: str = "", grader: str = "") -> ReportRow:
    """Return a run's row without Holm's adjustment, compared with its baseline's id if there is one.

    `grader` is whose verdicts the tally counts, the run's current one if empty.
    """
    settings, verdicts = run.settings, tally.verdicts
    graded, total = verdicts["right"] + verdicts["wrong"], max(settings.count, verdicts.total())
    low, high = wilson(verdicts["right"], graded)
    spending = {role: tally.spending[role] for role in ROLES if role in tally.spending}
    cost = _total(spending)
    row = ReportRow(
        run=run.id,
        method=settings.method,
        student=settings.student,
        teacher=settings.teacher,
        plans=settings.plans,
        right=verdicts["right"],
        graded=graded,
        total=total,
        accuracy=verdicts["right"] / graded if graded else None,
        low=low,
        high=high,
        tokens={role: one.tokens for role, one in spending.items()},
        cost=cost,
        dataset=settings.dataset,
        control=settings.control,
        planner=_planner(tally, settings.control),
        samples=settings.samples,
        attempts=tally.attempts,
        planned=tally.authors.total(),
        truncated=tally.truncated,
        ungraded=total - graded,
        seconds=tally.seconds or None,
        costs={role: one.cost if one.cost is None else round(one.cost, _CENTS) for role, one in spending.items()},
        cost_per_right=cost / verdicts["right"] if cost is not None and verdicts["right"] else None,
        edits=_edits(tally),
        name=name,
        contamination=tally.lessons.found(verdicts, total) if tally.lessons else None,
    )
    row = _with_samples(row, tally) if settings.samples > 1 else row
    row = _with_plans(row, tally, settings.plan_samples) if settings.plan_samples > 1 else row
    row = compared(row, tally.pairs, baseline) if baseline else row
    if graded >= settings.count:
        return row
    return ended_early(row, stored_comparisons(run), grader or run.grader, both=tally.pairs.get(("right", "right"), 0))


def ended_early(row: ReportRow, comparisons: Mapping[str, StoppedComparison], grader: str, *, both: int) -> ReportRow:
    """Return a row with figures that hold whenever one stops, if a comparison ended the run before its last problem.

    `both` counts the pairs that it and its baseline have right, those after the decision too: for the gain of what
    earlier versions stored, which do not say how many there were.
    """
    valid = [one for one in comparisons.values() if one.grader == grader]
    if not valid:
        return row
    low, high = share_interval(row.right, row.graded)
    row = msgspec.structs.replace(row, low=low, high=high, stopped=valid[0])
    own = comparisons.get(row.baseline)
    if own is None or own not in valid or own.run != row.run:
        return row
    better, worse, paired = row.better, row.worse, row.paired
    if own.both is not None:
        both, better, worse, paired = own.both, own.better, own.worse, own.pairs
    least, most = gain_at_any_time(both + better, both + worse, paired)
    gain = relative_gain((both + better) / paired, (both + worse) / paired) if paired else None
    return msgspec.structs.replace(
        row, stopped=own, paired=own.pairs, better=own.better, worse=own.worse, difference=own.difference,
        relative_gain=gain, relative_gain_low=least, relative_gain_high=None if most == inf else most,
        difference_low=own.low, difference_high=own.high, p=own.p, mdd=None,
    )  # fmt: skip


def compared(row: ReportRow, pairs: Mapping[tuple[Verdict, Verdict], int], baseline: str) -> ReportRow:
    """Return the row with its comparison over pairs of (baseline's verdict, this verdict)."""
    better, worse = pairs.get(("wrong", "right"), 0), pairs.get(("right", "wrong"), 0)
    same = pairs.get(("right", "right"), 0)
    paired = better + worse + same + pairs.get(("wrong", "wrong"), 0)
    row = msgspec.structs.replace(row, baseline=baseline, paired=paired, better=better, worse=worse)
    if not paired:
        return row
    low, high = paired_interval(better, worse, paired)
    least, most = gain_interval(same, better, worse, paired)
    gain = relative_gain((same + better) / paired, (same + worse) / paired)
    return msgspec.structs.replace(
        row,
        difference=(better - worse) / paired,
        difference_low=low,
        difference_high=high,
        relative_gain=gain,
        relative_gain_low=least,
        relative_gain_high=None if most == inf else most,
        p=mcnemar_exact(better, worse),
        mdd=minimum_detectable_difference(paired, (better + worse) / paired),
    )


def adjusted(rows: Sequence[ReportRow]) -> tuple[ReportRow, ...]:
    """Return the rows with Holm's adjustment over all of the table's tests."""
    tested = [row.p for row in rows if row.p is not None]
    adjustments = iter(holm(tested))
    return tuple(row if row.p is None else msgspec.structs.replace(row, p_holm=next(adjustments)) for row in rows)


def _with_samples(row: ReportRow, tally: ReportCounts) -> ReportRow:
    if not tally.shares:
        return row
    one = _drawn(1, tally.shares, row.samples)
    return msgspec.structs.replace(
        row,
        single=one.share,
        single_low=one.low,
        single_high=one.high,
        pass_at=tuple(_drawn(k, tally.passes[k], row.samples) for k in sorted(tally.passes)),
        maj_at=tuple(_drawn(k, tally.votes[k], row.samples) for k in sorted(tally.votes)),
    )


def _with_plans(row: ReportRow, tally: ReportCounts, plans: int) -> ReportRow:
    split = variance_split(tally.outcomes)
    plan, solution = (tally.spending[role].tokens if role in tally.spending else None for role in PLANNED_BY)
    each = None
    if split is not None and plan is not None and solution is not None:
        # Both are of all solutions, of which a plan has so many.
        each = split.solutions_a_plan(plan * row.samples / plans, solution)
    return msgspec.structs.replace(row, plan_samples=plans, variance=split, solutions_a_plan=each)


def _drawn(k: int, values: Counter[float], samples: int) -> OfSamples:
    problems = values.total()
    share = sum(value * count for value, count in values.items()) / problems
    return OfSamples(k, share, *clustered_interval(values, samples), problems)


def _planner(tally: ReportCounts, control: str) -> str:
    author = max(tally.authors, key=tally.authors.__getitem__, default="")
    return author.removesuffix(f"+{control.partition('@')[0]}")


def _edits(tally: ReportCounts) -> Edits:
    edits = tally.edits
    edited, untouched = (edits[kind, "right"] + edits[kind, "wrong"] for kind in (True, False))
    return Edits(edited, edits[True, "right"], untouched, edits[False, "right"])


def _total(spending: Mapping[Role, RoleSpending]) -> float | None:
    costs = [one.cost for one in spending.values()]
    known = [cost for cost in costs if cost is not None]
    return round(sum(known), _CENTS) if len(known) == len(costs) else None
