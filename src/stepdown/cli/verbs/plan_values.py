"""`stepdown plan-values`: what plans are worth to a student, and corpora of those that helped."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from stepdown.cli.console.tables import show_table
from stepdown.cli.console.terminal import say, show, show_json
from stepdown.cli.options import CHOICE, Flag, Limit, OutputOptions
from stepdown.cli.stored_runs import one_run
from stepdown.cli.unused_options import given, refuse
from stepdown.corpus import check_out
from stepdown.errors import UsageError
from stepdown.extras import load_polars
from stepdown.measuring import PlanValue, PlanValues, value_plans
from stepdown.runner import contamination_warnings
from stepdown.store import Run, Store
from stepdown.text import between, clipped, counted, points
from stepdown.training import check_allowed, check_kept, refuse_tests, write_plan_pairs, write_valued_plans

SHOWN, OUTPUT = 10, OutputOptions()


@Parameter(name="*", group=CHOICE)
@dataclass(frozen=True, kw_only=True)
class PlanValueOptions:
    """Against what, and what becomes of it.

    Parameters
    ----------
    without
        A run of the same student without plans, on the same problems and drawn alike.
    out
        Write the plans that helped as a corpus, for `train`: they tell no answer and end by themselves.
    above
        What a plan of --out must be worth more than, in percentage points.
    most
        Write at most this many plans of a problem, best first.
    pairs
        Write pairs of plans of one problem, the better one first, for `train --objective dpo`.
    gap
        How much more the better plan of a pair must be worth, in percentage points.
    limit
        Show this many plans, best first.
    force
        Replace a corpus that is there.
    allow
        Write corpora although: `test`: their questions are there to test on.
    """

    without: str
    out: Path | None = None
    above: float = 0.0
    most: int | None = None
    pairs: Path | None = None
    gap: float = 50.0
    limit: Limit = SHOWN
    force: Flag = False
    allow: Annotated[tuple[str, ...], Parameter(show_default=False)] = ()

    def check(self) -> None:
        """Refuse what means nothing here, and corpora that cannot be written. Raises `UsageError`."""
        if self.out is None:
            refuse(given(self, "most"), "no plans are written", "give --out CORPUS, or leave it out")
        if self.pairs is None:
            refuse(given(self, "gap"), "no pairs are written", "give --pairs CORPUS, or leave it out")
        if self.out is None and self.pairs is None:
            refuse(given(self, "force", "allow"), "nothing is written", "give --out or --pairs, or leave it out")
        for name, value, least in (("--above", self.above, -100.0), ("--gap", self.gap, 0.0)):
            if not least <= value <= 100 or (name == "--gap" and not value):
                raise UsageError(f"`{name}` of `{value:g}` is no difference of two shares", "in points: 25, say")
        if self.most is not None and self.most < 1:
            raise UsageError(f"`--most` of `{self.most}`", "keep at least 1")
        check_allowed(self.allow)
        written = [one for one in (self.out, self.pairs) if one is not None]
        if len({one.resolve() for one in written}) < len(written):
            raise UsageError("`--out` and `--pairs` are one folder", "name two")
        for one in written:
            load_polars()
            check_out(one, force=self.force)


def plan_values(*runs: str, options: PlanValueOptions, output: OutputOptions = OUTPUT) -> int:
    """Value the plans of runs.

    Parameters
    ----------
    runs
        Runs with plans by one student: their names, ids, or what stands for them.
    """
    options.check()
    if not runs:
        raise UsageError("no run is named", "stepdown plan-values RUN --without OTHER")
    with output.read() as store:
        chosen = list({run.id: run for run in (one_run(store, name) for name in runs)}.values())
        without = one_run(store, options.without)
        say(*contamination_warnings((*chosen, without)))
        values, found = value_plans(chosen, without, above=options.above / 100)
        _check_tests(chosen, options, store)
        if not output.json:
            show_values(values, options.limit or SHOWN)
        if options.out is not None:
            check_kept(values)  # before pairs are written: both, or nothing
        if options.pairs is not None:
            pairs = write_plan_pairs(chosen, values, found, options.pairs, gap=options.gap / 100, force=options.force)
            say(f"wrote {counted(pairs.card.chains // 2, 'pair')} to {options.pairs}; "
                f"next: `stepdown train {options.pairs} --objective dpo --base PLANNER --out BETTER`")  # fmt: skip
        if options.out is not None:
            corpus = write_valued_plans(chosen, values, found, options.out, most=options.most, force=options.force)
            say(f"wrote {counted(corpus.card.chains, 'plan')} of {counted(corpus.card.problems, 'problem')} to "
                f"{options.out}; next: `stepdown train {options.out} --base M --out PLANNER`")  # fmt: skip
    if output.json:
        show_json(values.to_json())
    return 0


def _check_tests(runs: list[Run], options: PlanValueOptions, store: Store) -> None:
    if options.out is None and options.pairs is None:
        return
    problems = (problem for run in runs for problem, _ in run.plans())
    refuse_tests(runs[0].settings.dataset, problems, allow=options.allow, store=store)


def show_values(values: PlanValues, limit: int) -> None:
    """Write the plans that are worth most, and what all are worth on average."""
    best = sorted(values.plans, key=lambda one: -one.value)[:limit]
    note = "with, without: right of graded solutions. value: their difference in points, with Newcombe's 95 % interval."
    header = ("problem", "plan", "by", "with", "without", "value", "so")
    show_table("Plans by what they are worth", header, map(_cells, best), words=3, note=note)
    show("", str(values))


def _cells(one: PlanValue) -> tuple[str, ...]:
    fate = "tells the answer" if one.leaks else "cut" if one.cut else "" if one.plan.strip() else "empty"
    return (
        clipped(one.problem, 40), clipped(" ".join(one.plan.split()), 60), clipped(one.author, 30),
        f"{one.right}/{one.graded}", f"{one.right_without}/{one.graded_without}",
        points(one.value) + between(points(one.low), points(one.high)), "kept" if one.kept else fate,
    )  # fmt: skip
