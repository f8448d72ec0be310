"""Making the report of some runs: baselines are chosen, traces counted and runs compared."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from stepdown.audits import Adherence, adherence, kept_judge
from stepdown.errors import UsageError
from stepdown.measuring import Consistency, consistency, is_marked, run_marks, sensitivity
from stepdown.methods import DIRECT
from stepdown.models import Prices
from stepdown.reports.block_counts import count_blocks
from stepdown.reports.counts import ReportCounts, Verdicts, count_traces
from stepdown.reports.lost_costs import lost_costs
from stepdown.reports.plan_sharing import sharings
from stepdown.reports.report_rows import ReportRow, adjusted, report_row
from stepdown.reports.report_value import Profile, Report
from stepdown.reports.variations import variations
from stepdown.runner import contamination_warnings, may_have_seen
from stepdown.store import Run, RunLabels, cut_runs, run_labels, servers_of
from stepdown.text import counted
from stepdown.types import Grade, Pricing, StudyFile, Trace


def report(
    *runs: Run,
    baseline: Run | None = None,
    contrast: Sequence[Run] = (),
    grader: str = "",
    prices: Pricing | None = None,
    sensitive: bool = False,
    every: bool = False,
    followed: int | str | None = 0,
) -> Report:
    """Compare runs in one pass over each, paired by question.

    Without a `baseline` each run is compared with the `direct` run of the same student and dataset, or
    else with the first such run. Where that pairs no two of them, or with `every` for each that is left alone, with
    the first run on problems of its own.
    `contrast` are runs on the contrast sets of `runs`, one for each, in their order.
    `grader` names stored grades (the run's current ones if empty); a missing price makes a cost None.
    `sensitive` also reads the stored solutions by other graders, in memory.
    `followed` also says how plans were followed: of a run at most so many traces are lined up, None for all of them; or
    the name of a judge, by whose letters it is said, as far as they are kept.
    Raises `UsageError` without runs or for runs that do not pair, `UnknownName` for an unused grader or judge.
    """
    table = list({run.id: run for run in ([baseline] if baseline else []) + list(runs)}.values())
    if not table:
        raise UsageError("there is no run to report on", "make one with `stepdown run`, or see `stepdown runs`")
    consistencies = _consistencies(runs, contrast, grader)
    against = {run.id: _baseline(run, table, baseline) for run in table}
    tallies = _tallies(table, against, grader, prices or Prices())
    if not baseline and (every or not any(against.values())):
        crossed = _crossed(table, against, tallies)
        tallies |= _tallies([run for run in table if run.id in crossed], crossed, grader, prices or Prices(), tallies)
        against |= crossed
    settings, labels = {run.id: run.settings for run in table}, {run.id: run_labels(run) for run in table}
    rows = _rows(table, tallies, against, labels, grader)
    graders = grader or ", ".join(sorted({run.grader for run in table} - {""}))
    alone = [name for name, base in against.items() if not base]
    return Report(
        rows=rows,
        baseline=alone[0] if len(alone) == 1 < len(table) else None,
        grader=graders,
        caption=" ".join(
            [
                _caption(rows, graders, baseline),
                *_cuts(table),
                *_studies(labels),
                *(f"On contrast {one}." for one in contamination_warnings(contrast)),
            ]
        ),
        sharing=sharings(rows, settings),
        settings=settings,
        profiles={name: Profile(dict(one.steps), dict(one.sizes)) for name, one in tallies.items()},
        flips={name: tuple(one.flips) for name, one in tallies.items() if one.flips},
        consistencies=consistencies,
        sensitivities=tuple(sensitivity(run) for run in table) if sensitive else (),
        adherences=tuple(_followed(table, grader, followed)) if followed != 0 else (),
        lost=tuple(lost_costs(table, prices or Prices())),
        studies={run: one.studies for run, one in labels.items() if one.studies},
        marks=tuple(run_marks(run, grader) for run in table if is_marked(run, grader)),
        servers={run.id: found for run in table if len(found := tuple(servers_of(run))) > 1},
    )


def _rows(
    table: Sequence[Run],
    tallies: Mapping[str, ReportCounts],
    against: Mapping[str, str],
    labels: Mapping[str, RunLabels],
    grader: str,
) -> tuple[ReportRow, ...]:
    differing = variations([run.settings for run in table], [tallies[run.id].first for run in table])
    made = [
        report_row(
            run,
            tallies[run.id],
            baseline=against[run.id],
            name=labels[run.id].name,
            grader=run.stored_grader(grader),
        )
        for run in table
    ]
    return adjusted([msgspec.structs.replace(row, differs=one) for row, one in zip(made, differing, strict=True)])


def disagreements(
    run: Run, graders: Sequence[str] = ("strict", "default", "lenient")
) -> Iterator[tuple[Trace, tuple[Grade, ...]]]:
    """Stream the traces whose stored grades differ in verdict, with those grades in the graders' order.

    Graders that never graded this run are left out. Raises `UsageError` if fewer than two remain.
    """
    names = [name for name in map(run.newest_grader, graders) if name]
    if len(names) < 2:
        raise UsageError(
            f"run `{run.id}` has grades of {len(names)} of {', '.join(f'`{one}`' for one in graders)}",
            f"grade it again with `stepdown grade {run.id} --grader NAME`; no model is called",
        )
    for views in zip(*(run.graded(name) for name in names), strict=True):
        grades = tuple(grade for _, grade in views)
        if len({grade.verdict for grade in grades}) > 1:
            yield views[0][0], grades


def _followed(table: Sequence[Run], grader: str, by: int | str | None) -> Iterator[Adherence]:
    """Stream how the plans of each run were followed, of those that have plans."""
    judge, most = (kept_judge(table, by), None) if isinstance(by, str) else (None, by)
    for run in table:
        found = adherence(run, grader=run.stored_grader(grader), most=most, judge=judge)
        if found is not None:
            yield found


def _consistencies(runs: Sequence[Run], contrast: Sequence[Run], grader: str) -> tuple[Consistency, ...]:
    if contrast and len(contrast) != len(runs):
        raise UsageError(
            f"{counted(len(runs), 'run')} and {counted(len(contrast), 'run')} on contrast sets do not pair",
            "name as many, in the same order: the first contrast run belongs to the first run",
        )
    return tuple(
        consistency(run, other, grader=run.stored_grader(grader), contrast_grader=other.stored_grader(grader))
        for run, other in zip(runs, contrast, strict=False)
    )


def _baseline(run: Run, table: Sequence[Run], given: Run | None) -> str:
    if given:
        return "" if run.id == given.id else given.id
    alike = [
        other
        for other in table
        if (other.settings.student, other.settings.dataset) == (run.settings.student, run.settings.dataset)
    ]
    chosen = next((other for other in alike if other.settings.method == DIRECT.name), alike[0])
    return "" if chosen.id == run.id else chosen.id


def _crossed(table: Sequence[Run], against: dict[str, str], tallies: dict[str, ReportCounts]) -> dict[str, str]:
    """Return baselines for runs that neither have one nor are one: the first one with problems of theirs."""
    bases = {base for base in against.values() if base}
    plan_runs: dict[str, str] = {}
    for index, run in enumerate(table):
        if against[run.id] or run.id in bases:
            continue
        heads = [one.id for one in table[:index] if not against[one.id] and one.id not in plan_runs]
        heads += [one.id for one in table[index + 1 :] if one.id in bases]
        mine = tallies[run.id].by_problem.keys()
        shared = [one for one in heads if not mine.isdisjoint(tallies[one].by_problem)]
        plan_runs |= {run.id: shared[0]} if shared else {}
    return plan_runs


def _tallies(
    table: Sequence[Run],
    against: dict[str, str],
    grader: str,
    prices: Pricing,
    known: Mapping[str, ReportCounts] | None = None,
) -> dict[str, ReportCounts]:
    """ReportCounts the baselines first, so that each other run meets their verdicts in its one pass."""
    bases = {base for base in against.values() if base}
    done = dict(known or {})
    for run in sorted(table, key=lambda run: run.id not in bases):
        base = against[run.id]
        before: Verdicts = done[base].by_problem if base else {}
        # What a run's models have met is asked of its texts.
        count = count_traces if may_have_seen(run.settings) else count_blocks
        done[run.id] = count(run, prices, grader=run.stored_grader(grader), before=before, keep=not base)
    return {run.id: done[run.id] for run in table}


def _cuts(runs: Sequence[Run]) -> Iterator[str]:
    """Say of which runs the store has some shards only."""
    for run in runs:
        if found := cut_runs(run.store).get(run.id):
            yield f"Of run {run.id} this store has {found} ({found.problems:,} of {found.total:,} problems)."


def _studies(labels: Mapping[str, RunLabels]) -> Iterator[str]:
    """Say from which study file runs came: all of them, or these by their numbers in the table."""
    numbers: dict[StudyFile, list[str]] = {}
    for number, one in enumerate(labels.values(), 1):
        for study in one.studies:
            numbers.setdefault(study, []).append(str(number))
    for study, some in numbers.items():
        yield f"From {study}." if len(some) == len(labels) else f"{', '.join(some)}: from {study}."


def _caption(rows: Sequence[ReportRow], grader: str, given: Run | None) -> str:
    datasets = ", ".join(sorted({row.dataset for row in rows}))
    if given:
        base = f"run {given.id} ({given.settings.method}, {given.settings.student})"
    elif any(row.baseline for row in rows):
        base = "each student's direct run, or else its first run (none was given)"
        students = {row.run: (row.student, row.dataset) for row in rows}
        if all((row.student, row.dataset) != students[row.baseline] for row in rows if row.baseline):
            base = "the first run with the same problems (none was given)"
    else:
        base = "none: no two runs here share a problem"
    mixed = " (verdicts of different graders do not compare: `stepdown grade`)" if ", " in grader else ""
    return f"{counted(len(rows), 'run')} on {datasets}. Graded by {grader or 'nothing yet'}{mixed}. Baseline: {base}."
