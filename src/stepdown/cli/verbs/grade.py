"""`stepdown grade`: stored solutions graded again."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Annotated

import msgspec
from cyclopts import Parameter

from stepdown.cli.console.tables import show_table
from stepdown.cli.console.terminal import say, show, show_json
from stepdown.cli.from_settings import verb
from stepdown.cli.grid import Players
from stepdown.cli.judge_costs import Judging, refuse_unused
from stepdown.cli.mark_lines import show_marks
from stepdown.cli.options import CHOICE, Limit, OutputOptions, RunName
from stepdown.cli.run_summaries import Paid
from stepdown.cli.stored_runs import one_run
from stepdown.cli.unused_options import given, refuse
from stepdown.cli.work_options import Jobs, WorkOptions
from stepdown.graders import PREFIX, judge_of, read_rubric, rubric_judge, rubric_name
from stepdown.loops import run_loop
from stepdown.measuring import CorrectedMean, JudgeBudget, run_marks
from stepdown.reports import disagreements
from stepdown.runner import grade_by_workers, grade_run
from stepdown.settings import BudgetSettings, EndpointSettings, ShardSettings
from stepdown.shards import Shard
from stepdown.store import Run
from stepdown.text import clipped, percent
from stepdown.types import Grade, Role, Trace, Verdict

VIEWS = ("strict", "default", "lenient")
_SHOWN = 20


@Parameter(name="*", group=CHOICE)
@dataclass(frozen=True, kw_only=True)
class GradeOptions:
    """How solutions are graded.

    Parameters
    ----------
    grader
        Grade by this one and make it the run's current grader: `default`, `strict`, `lenient`, `numeric`, `choice`,
        `text`, `expression`, `judge:MODEL`, or `rubric:FILE`, by whose criteria a model judges. Without it, strict,
        default and lenient are set side by side.
    judge
        The model that judges by a rubric; otherwise the one that its file names.
    limit
        List at most this many disagreements (20; in JSON, all).
    jobs
        Grade in this many processes; a judge's calls run at once without.
    """

    grader: Annotated[str | None, Parameter(name="--grader")] = None
    judge: str | None = None
    limit: Limit = None
    jobs: Jobs = 1


DEFAULTS, SHARD, MONEY = GradeOptions(), ShardSettings(), BudgetSettings()
ENDPOINT, OUTPUT = EndpointSettings(), OutputOptions()


class Count(msgspec.Struct, frozen=True):
    """One grader's verdicts over the traces of a run."""

    grader: str
    right: int
    graded: int
    total: int


class Disagreement(msgspec.Struct, frozen=True):
    """A trace on which graders differ: their verdicts and what each found, by grader."""

    problem: str
    sample: int
    gold: str
    verdicts: dict[str, Verdict]
    found: dict[str, str | None]


class Graded(msgspec.Struct, frozen=True, kw_only=True):
    """What `grade --json` says; `grader` is the run's current one, `tokens`, `cost` and `paid` are its judge's."""

    run: str
    grader: str
    graders: tuple[Count, ...]
    disagreements: tuple[Disagreement, ...] = ()
    tokens: dict[Role, int]
    cost: float | None
    paid: Paid
    criteria: tuple[CorrectedMean, ...] = ()


@verb
def grade(
    run: RunName,
    /,
    *,
    options: GradeOptions = DEFAULTS,
    shard: ShardSettings = SHARD,
    spend: BudgetSettings = MONEY,
    endpoint: EndpointSettings = ENDPOINT,
    output: OutputOptions = OUTPUT,
) -> int:
    """Grade the stored solutions of a run again."""
    part = shard.chosen
    if not (options.grader or "").startswith(PREFIX):
        refuse(given(options, "judge"), "only a rubric takes a judge", "give --grader rubric:FILE or judge:MODEL")
    asked = judge_in(options)
    if not asked:
        refuse_unused(spend, endpoint, "--grader judge:MODEL", used="--on")
    else:
        refuse(given(options, "jobs"), "a judge's calls run at once", "leave it out, or give --concurrency")
    if options.grader is not None:
        refuse(given(options, "limit"), "one grader has no disagreements", "leave one of them out")
    with output.reopen() as store:
        found, players = one_run(store, run), Players(store, endpoint)
        graders = VIEWS if options.grader is None else (options.grader,)
        judging = Judging(asked, spend, found)
        with judging.budgeted() as budget:
            if options.jobs > 1 or (endpoint.on and not judging.judge):
                _grade_by_workers(found, graders, WorkOptions(jobs=options.jobs, on=endpoint.on), shard=part)
            else:
                run_loop(_grade(found, graders, players, budget, shard=part, judge=options.judge or ""))
        names = [found.stored_grader(name) for name in graders] if options.grader is None else [found.grader]
        counts = tuple(count(found, name, part) for name in names)
        differing = differences(found, names, part) if len(names) > 1 else iter(())
        traces = len(found)
        if output.json:
            show_json(graded(found, counts, tuple(islice(differing, options.limit)), judging))
        else:
            show_counts(found, counts, differing, options.limit or _SHOWN)
            if rubric_name(found.grader):
                show("")
                show_marks(run_marks(found))
    return int(any(one.graded < min(one.total, traces) for one in counts))


def judge_in(options: GradeOptions) -> str:
    """Return the model string of the judge that is asked; nothing where none is. Raises `UsageError`."""
    grader = options.grader or ""
    if grader.startswith(PREFIX):
        return options.judge or rubric_judge(read_rubric(grader.removeprefix(PREFIX)), grader)
    return judge_of(grader)


def graded(run: Run, counts: tuple[Count, ...], differing: tuple[Disagreement, ...], judging: Judging) -> Graded:
    """Return what `--json` says."""
    spent = judging.spent
    return Graded(
        run=run.id,
        grader=run.grader,
        graders=counts,
        disagreements=differing,
        tokens=spent.tokens,
        cost=spent.cost,
        paid=spent.paid,
        criteria=run_marks(run).means if rubric_name(run.grader) else (),
    )


async def _grade(
    run: Run, graders: tuple[str, ...], players: Players, budget: JudgeBudget, *, shard: Shard | None, judge: str
) -> None:
    """Grade by each; by `VIEWS` the run's current grader stays, or becomes the default one where it had none."""
    before = run.grader
    try:
        for name in graders:
            grader = players.grader(name, judging=budget, judge=judge)
            players.check_place()
            await grade_run(run, grader, shard=shard)
    finally:
        await players.close()
    _keep_current(run, graders, before)


def _grade_by_workers(run: Run, graders: tuple[str, ...], work: WorkOptions, *, shard: Shard | None) -> None:
    """Do what `_grade` does by workers, for graders that ask no model."""
    before = run.grader
    with work.open() as pool:
        for name in graders:
            grade_by_workers(run, name, pool, shard=shard)
    _keep_current(run, graders, before)


def _keep_current(run: Run, graders: tuple[str, ...], before: str) -> None:
    if graders == VIEWS:
        run.grader = before or run.stored_grader("default")


def count(run: Run, grader: str, shard: Shard | None = None) -> Count:
    """Return a grader's verdicts over a run; `total` counts the traces its settings ask for, or those of a shard."""
    graded = run.graded(grader)
    verdicts = Counter(grade.verdict for trace, grade in graded if shard is None or shard.holds(trace.problem))
    asked = run.settings.count * run.settings.samples if shard is None else 0
    total = max(verdicts.total(), asked)
    return Count(grader, verdicts["right"], verdicts["right"] + verdicts["wrong"], total)


def differences(run: Run, graders: list[str], shard: Shard | None = None) -> Iterator[Disagreement]:
    """Stream the traces, of a shard or all, on which stored grades differ."""
    return (
        _difference(trace, grades)
        for trace, grades in disagreements(run, graders)
        if shard is None or shard.holds(trace.problem)
    )


def _difference(trace: Trace, grades: tuple[Grade, ...]) -> Disagreement:
    return Disagreement(
        problem=trace.problem.id,
        sample=trace.sample,
        gold=trace.problem.answer,
        verdicts={grade.grader: grade.verdict for grade in grades},
        found={grade.grader: grade.found for grade in grades},
    )


def show_counts(run: Run, counts: tuple[Count, ...], differing: Iterator[Disagreement], limit: int) -> None:
    """Write graders side by side, then where they differ."""
    shares = [percent(one.right / one.graded if one.graded else None) for one in counts]
    figures = [f"{one.right}/{one.graded}/{one.total}" for one in counts]
    rows = zip((one.grader for one in counts), figures, shares, strict=True)
    note = f"Counts are of traces. The run's current grader is {run.grader}."
    show_table(f"Run {run.id}", ("grader", "right/graded/total", "%"), rows, words=1, note=note)
    shown = list(islice(differing, limit))
    if not shown:
        return
    header = ("problem", "gold", *(one.grader for one in counts))
    show("")
    show_table("Where they differ", header, map(_cells, shown), words=len(header))
    more = sum(1 for _ in differing)
    if more:
        say(f"and {more} more; --limit shows them, `stepdown traces {run.id} --problem ID` shows one whole")


def _cells(one: Disagreement) -> list[str]:
    cells = [f"{verdict}: {one.found[grader] or 'nothing'}" for grader, verdict in one.verdicts.items()]
    label = f"{one.problem} #{one.sample}" if one.sample else one.problem
    return [label, clipped(one.gold, 20), *(clipped(text, 24) for text in cells)]
