"""Where the next dollar goes: more draws or more problems, for a difference that is known as well as one asks."""

from collections.abc import Sequence
from itertools import islice
from math import ceil, lcm

import msgspec

from stepdown.reports.report_rows import ReportRow
from stepdown.reports.sampled_blocks import problems_of
from stepdown.stats import PairedNoise, paired_noise
from stepdown.store import Run
from stepdown.text import DASH, Table, duration, money, percent
from stepdown.types import Settings

_LOOKED_AT = 100  # traces that tell whether a method draws
_PLENTY = 10_000  # draws of a problem that nobody would pay
_FEW = 5  # draws of a problem that say something of what draws do


class NextDollar(msgspec.Struct, frozen=True, kw_only=True):
    """What it takes until half the 95 % interval of a difference, of the mean over draws, is `precision` (shares of 1).

    `half` is that half now; `by_draws` the share of its variance that comes of the draws, None where one draw cannot
    tell. `problems` more with as many draws each, or `draws` more each on the same problems (None: no number does, or
    nobody knows), each with USD and seconds by what both runs took so far; None is unknown. `stopped`: the comparison
    ended the run, and all this is as if its number of problems had been set beforehand.
    """

    run: str
    baseline: str
    precision: float
    pairs: int
    half: float
    by_draws: float | None
    problems: int
    problems_cost: float | None
    problems_seconds: float | None
    draws: int | None = None
    draws_cost: float | None = None
    draws_seconds: float | None = None
    advice: str = ""
    stopped: bool = False


def next_dollars(
    runs: Sequence[Run], rows: Sequence[ReportRow], precision: float, *, grader: str = ""
) -> tuple[NextDollar, ...]:
    """Return what each comparison of a report takes to be as precise as asked (a share of 1).

    `grader` names the stored grades that the report counts, the runs' current ones if empty.
    """
    by_id = {run.id: (run, row) for run, row in zip(runs, rows, strict=True)}
    pairs = [(by_id[row.run], by_id[row.baseline]) for row in rows if row.baseline in by_id]
    found = (_next(*new, *old, precision, grader) for new, old in pairs)
    return tuple(one for one in found if one is not None)


def next_dollar_table(found: Sequence[NextDollar], row_number: dict[str, int]) -> list[Table]:
    """Return the table, none where nothing was asked."""
    if not found:
        return []
    cells = tuple(
        (str(row_number[one.run]), str(row_number[one.baseline]), percent(one.half),
         DASH if one.by_draws is None else percent(one.by_draws),
         f"{one.problems} ({_price(one.problems_cost, one.problems_seconds)})",
         DASH if one.draws is None else f"{one.draws} ({_price(one.draws_cost, one.draws_seconds)})", one.advice)
        for one in found
    )  # fmt: skip
    header = ("#", "vs", "± now", "% of it by draws", "more problems", "or more draws each", "so")
    note = (
        f"For ± {100 * found[0].precision:g} points: half the 95 % interval of the difference, of the mean over draws."
        " Its variance is split into that between problems and that between draws of one (arXiv 2512.21326). Money"
        " and time of both runs together, by what they took; time as if one call came after another."
    )
    if any(one.stopped for one in found):
        note += " Of a run that was stopped once it was decided: as if its problems had been counted beforehand."
    return [Table("Where the next dollar goes", header, cells, 0, note)]


def _next(run: Run, row: ReportRow, base: Run, base_row: ReportRow, precision: float, grader: str) -> NextDollar | None:
    new, old = _rights(run, grader), _rights(base, grader)
    shared = [key for key in new if key in old]
    greedy = _is_greedy(run, new), _is_greedy(base, old)
    flat = ([[one for row in side[key] for one in row] for key in shared] for side in (new, old))
    plans = [
        [side[key] for key in shared] if one.settings.plan_samples > 1 else None
        for side, one in ((new, run), (old, base))
    ]
    noise = paired_noise(*flat, greedy=greedy, by_plan=(plans[0], plans[1]))
    if noise is None:
        return None
    drawn = [one.settings for one, same in zip((run, base), greedy, strict=True) if not same]
    # Solutions take turns among the plans, and each plan has as many.
    step = lcm(*(settings.plan_samples for settings in drawn))
    problems, draws = noise.more_problems(precision), noise.more_draws(precision, _PLENTY, step=step)
    each = [_per_problem(one) for one in (row, base_row)]
    draw = [_per_draw(one) for one, same in zip((row, base_row), greedy, strict=True) if not same]
    cost, seconds = _times(problems, each)
    draws_cost, draws_seconds = _times((draws or 0) * noise.pairs, draw)
    share = None if noise.prediction is None else min(1.0, noise.prediction / noise.total) if noise.total else 0.0
    made = NextDollar(
        run=row.run, baseline=base_row.run, precision=precision, pairs=noise.pairs, half=noise.half_width(),
        by_draws=share, problems=problems, problems_cost=cost, problems_seconds=seconds, draws=draws,
        draws_cost=None if draws is None else draws_cost, draws_seconds=None if draws is None else draws_seconds,
        stopped=row.stopped is not None,
    )  # fmt: skip
    return msgspec.structs.replace(made, advice=_advice(made, noise, drawn))


def _advice(one: NextDollar, noise: PairedNoise, drawn: Sequence[Settings]) -> str:
    if not one.problems:
        return "it is as precise already"
    if not drawn:
        return f"{one.problems} more problems: greedy draws again bring the same"
    if noise.prediction is None:
        return _without_split(one.problems, drawn)
    if one.draws is None:
        return f"{one.problems} more problems: no number of draws is enough"
    known = one.problems_cost and one.draws_cost
    draws, problems = (one.draws_cost, one.problems_cost) if known else (one.draws_seconds, one.problems_seconds)
    cheaper = (draws or 0) < (problems or 0)
    return f"{one.draws} more draws each" if cheaper else f"{one.problems} more problems"


def _without_split(problems: int, drawn: Sequence[Settings]) -> str:
    """Say what to do where the draws that there are cannot say what draws do."""
    if not all(one.sampling.temperature for one in drawn):
        return f"{problems} more problems: at temperature 0 `run` solves each once"
    plans = [one.plan_samples for one in drawn]
    step = lcm(*plans)
    wanted = step * ceil(max(_FEW, 2 * max(plans)) / step)
    if all(one.samples >= wanted for one in drawn):
        return "too few draws are graded to say what draws do: the same commands ask again for those that failed"
    what = "one draw" if any(one.samples == 1 for one in drawn) else "so few draws" if step == 1 else "one draw a plan"
    return f"{what} cannot say what the draws do: run again with --samples {wanted}"


def _rights(run: Run, grader: str) -> dict[int, list[list[int]]]:
    """The graded draws of each problem by its question, those by each plan in a row."""
    found: dict[int, list[list[int]]] = {}
    for problem in problems_of(run, run.stored_grader(grader)):
        rows: dict[int, list[int]] = {}
        for trace, grade in problem.attempts:
            if grade.verdict != "ungraded":
                rows.setdefault(trace.sample % run.settings.plan_samples, []).append(int(grade.verdict == "right"))
        if rows:
            found.setdefault(problem.question, list(rows.values()))
    return found


def _is_greedy(run: Run, rights: dict[int, list[list[int]]]) -> bool:
    """Whether another solution by the same plan would be the same.

    Some methods draw also where a run is greedy, and an import may not say how its solutions were drawn.
    """
    if run.settings.sampling.temperature or any(len(set(row)) > 1 for rows in rights.values() for row in rows):
        return False
    calls = (call for trace in islice(run.traces(), _LOOKED_AT) for call in trace.calls if call.role == "student")
    return not any(call.sampling.temperature for call in calls)


def _per_problem(row: ReportRow) -> tuple[float | None, float | None]:
    tried = max(1, row.attempts // max(1, row.samples))
    return (None if row.cost is None else row.cost / tried), (None if row.seconds is None else row.seconds / tried)


def _per_draw(row: ReportRow) -> tuple[float | None, float | None]:
    """What another draw takes: its solution alone, as the plan is there; the time is a share of all."""
    cost, tried = row.costs.get("student", row.cost), max(1, row.attempts)
    return (None if cost is None else cost / tried), (None if row.seconds is None else row.seconds / tried)


def _times(count: int, each: Sequence[tuple[float | None, float | None]]) -> tuple[float | None, float | None]:
    costs, seconds = [one[0] for one in each], [one[1] for one in each]
    return _sum(costs, count), _sum(seconds, count)


def _sum(values: Sequence[float | None], count: int) -> float | None:
    known = [value for value in values if value is not None]
    return count * sum(known) if len(known) == len(values) else None


def _price(cost: float | None, seconds: float | None) -> str:
    return ", ".join([money(cost), *([duration(seconds)] if seconds is not None else [])])
