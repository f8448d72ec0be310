"""`stepdown report`: runs compared."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path
from tempfile import mkdtemp
from typing import Annotated

from cyclopts import Parameter
from msgspec import structs

from stepdown.audits import has_plans, keep_adherence, kept_judge, kept_judges
from stepdown.cli.console.browser import open_file
from stepdown.cli.console.passes import telling
from stepdown.cli.console.report_text import report_text
from stepdown.cli.console.terminal import say, show, show_json
from stepdown.cli.options import CHOICE, Flag, OutputOptions, PricesFile, RunNames
from stepdown.cli.stored_runs import LAST, SelectionOptions, one_run, runs_of
from stepdown.cli.unused_options import given, refuse
from stepdown.errors import UsageError
from stepdown.models import Prices
from stepdown.reports import HIDDEN, LeftOut, Report, left_out, next_dollars, words_of, write_pages
from stepdown.reports import report as compare
from stepdown.store import Run, Store, ids_called


@Parameter(name="*", group=CHOICE)
@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """How runs are compared and shown.

    Parameters
    ----------
    all
        Also runs that are hidden, and failed tries: those with nothing graded, or with fewer problems of a run that is
        here. They are left out where runs are not named one by one.
    baseline
        The run the others are compared with; otherwise the same student's `direct` run, or else its first.
    contrast
        The run on the contrast set of the run that was named: how often both of a pair are right. Of several runs, one
        for each, in their order.
    grader
        Use this grader's stored grades, such as `strict`; otherwise each run's current ones.
    sensitivity
        Also read the stored solutions by default, strict, lenient, last-number and box-first, side by side: how much
        the accuracy hangs on the grader. No model is asked and nothing is stored.
    precision
        Also say where the next dollar goes: how many more draws or problems bring half the 95 % interval of each
        difference down to so many percentage points, such as 2, with money and time.
    adherence
        Also say how far the plans were followed, and whether those who followed them are right more often, by a rule
        (docs/adherence.md): a heuristic. What it finds is kept.
    judge
        Say it by what this judge model said, as `audit --judge` has kept it, in place of the rule.
    md
        Write markdown to stdout.
    html
        Write one self-contained page to this file; of several data sets each is a section.
    open_page
        Open the page in a browser; without --html it is written to a folder for temporary files.
    """

    all: Annotated[bool, Parameter(name="--all", show_default=False)] = False
    baseline: str | None = None
    contrast: Annotated[tuple[str, ...], Parameter(show_default=False)] = ()
    grader: Annotated[str, Parameter(show_default=False)] = ""
    sensitivity: Flag = False
    precision: float | None = None
    adherence: Flag = False
    judge: str | None = None
    prices: PricesFile = None
    md: Flag = False
    html: Path | None = None
    open_page: Annotated[bool, Parameter(name="--open", show_default=False)] = False


DEFAULTS, OUTPUT, SELECTION = ReportOptions(), OutputOptions(), SelectionOptions()


def report(
    *runs: RunNames,
    selection: SelectionOptions = SELECTION,
    options: ReportOptions = DEFAULTS,
    output: OutputOptions = OUTPUT,
) -> int:
    """Compare runs."""
    page = options.html is not None or options.open_page
    if options.precision is not None and not 0 < options.precision <= 100:
        raise UsageError(f"a precision of `{options.precision:g}` points", "give points above 0, such as 2")
    if not options.adherence:
        refuse(given(options, "judge"), "the judge says how plans were followed", "add --adherence, or leave it out")
    if sum((output.json, options.md, page)) > 1:
        raise UsageError("a report is written in one format", "give one of --json, --md and --html FILE")
    with output.read() as store:
        base = one_run(store, options.baseline) if options.baseline else None
        contrast = contrasted(store, runs, options.contrast)
        chosen = runs_of(store, runs, last=selection.last, tags=selection.tag)
        if not chosen:
            raise UsageError(f"the store `{store.path}` has no runs", "make one with `stepdown run` or `stepdown demo`")
        named = [ids_called(store, word) for word in runs]
        single = bool(runs) and not selection.narrows and all(len(ids) == 1 for ids in named)
        groups = list(grouped(chosen, together=single, baseline=base))
        _check_wanted(groups, base, options)
        if options.judge is not None:
            kept_judge(chosen, options.judge)
        elif options.adherence:
            keep_adherence(output.store_path, [run.id for run in chosen], progress=telling("adherence", "traces"))
        everything = single or options.all or selection.last or LAST in runs
        prices = Prices(options.prices)
        reports_made = []
        for group in groups:
            absent = [] if everything else _absent(group, [*chain(*named), *([base.id] if base else [])])
            ids = {one.run for one in absent}
            kept = [run for run in group if run.id not in ids]
            if not kept:
                say(f"{group[0].settings.dataset}: {words_of(absent)}")
                continue
            # Of several data sets, one may have nothing that the judge said.
            judged = options.judge is None or options.judge in kept_judges([*kept, *([base] if base else [])])
            followed = options.judge if options.adherence and judged else 0
            made = compare(*kept, baseline=base, contrast=contrast, grader=options.grader, prices=prices,
                           sensitive=options.sensitivity, followed=followed)  # fmt: skip
            if options.precision is not None:
                table = list({run.id: run for run in ([base] if base else []) + kept}.values())
                advice = next_dollars(table, made.rows, options.precision / 100, grader=options.grader)
                made = structs.replace(made, next_dollars=advice)
            reports_made.append(made.without(absent))
    if reports_made and page:
        _write(reports_made, options)
    else:
        show_reports(reports_made, options, as_json=output.json)
    return 0


def _check_wanted(groups: list[list[Run]], base: Run | None, options: ReportOptions) -> None:
    """Refuse what these runs cannot be asked for. Raises `UsageError`."""
    others = {base.id} if base else set[str]()
    if options.precision is not None and all(len({run.id for run in group} | others) < 2 for group in groups):
        raise UsageError(
            "`--precision` says what a comparison needs, and there is one run on each data set", "name two runs of one"
        )
    if options.adherence and not any(has_plans(run) for group in groups for run in group):
        raise UsageError(
            "`--adherence` says how plans were followed, and none of these runs has any",
            "name runs of a method with plans, such as trace-of-thought",
        )


def _absent(group: list[Run], named: list[str]) -> list[LeftOut]:
    """Return what is left out of a report of all that is there: but for hidden runs, nothing where all would be."""
    found = left_out(group, keep=named)
    if len(found) < len(group):
        return found
    return [one for one in found if one.why == HIDDEN]


def contrasted(store: Store, runs: tuple[str, ...], names: tuple[str, ...]) -> list[Run]:
    """Return the runs on contrast sets. Raises `UsageError` where no run was named that they could belong to."""
    if names and not runs:
        raise UsageError("`--contrast` compares with a run, and none is given", "stepdown report RUN --contrast RUN")
    return [one_run(store, name) for name in names]


def grouped(runs: list[Run], *, together: bool, baseline: Run | None) -> Iterator[list[Run]]:
    """Stream runs that can be compared: all that were named, else those on one data set (the baseline's, if given)."""
    if together:
        yield runs
        return
    for dataset, group in groupby(sorted(runs, key=_dataset), _dataset):
        if baseline is None or dataset == baseline.settings.dataset:
            yield sorted(group, key=lambda run: run.created)


def _dataset(run: Run) -> str:
    return run.settings.dataset


def show_reports(reports: list[Report], options: ReportOptions, *, as_json: bool) -> None:
    """Write reports to stdout, one line of JSON for each, or one after another."""
    for index, one in enumerate(reports):
        if as_json:
            show_json(one.to_json())
        else:
            show(*([""] if index else []), one.to_markdown().rstrip() if options.md else report_text(one))


def _write(reports: list[Report], options: ReportOptions) -> None:
    """Write the page of the reports, and open it where that was asked for."""
    path = options.html or Path(mkdtemp(prefix="stepdown-")) / "report.html"
    say(f"wrote {write_pages(reports, path)}")
    if options.open_page:
        open_file(path)
