"""`stepdown report`: runs compared."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from stepdown.cli.console.terminal import say, show, show_json
from stepdown.cli.options import CHOICE, Flag, OutputOptions
from stepdown.cli.stored_runs import one_run, runs_of
from stepdown.errors import UsageError
from stepdown.models import Prices
from stepdown.reports import Report, write_page
from stepdown.reports import report as compare
from stepdown.store import Run, Store


@Parameter(name="*", group=CHOICE)
@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """How runs are compared and shown.

    Parameters
    ----------
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
    prices
        A file of prices, as for `run`.
    md
        Write markdown to stdout.
    html
        Write one self-contained page to this file.
    """

    baseline: str | None = None
    contrast: Annotated[tuple[str, ...], Parameter(show_default=False)] = ()
    grader: Annotated[str, Parameter(show_default=False)] = ""
    sensitivity: Flag = False
    prices: Path | None = None
    md: Flag = False
    html: Path | None = None


DEFAULTS, OUTPUT = ReportOptions(), OutputOptions()


def report(*runs: str, options: ReportOptions = DEFAULTS, output: OutputOptions = OUTPUT) -> int:
    """Compare runs.

    Parameters
    ----------
    runs
        Runs: names, ids or their beginnings, or what stands for several (`gsm8k`, `@last`, `@TAG`).
    """
    if sum((output.json, options.md, options.html is not None)) > 1:
        raise UsageError("a report is written in one format", "give one of --json, --md and --html FILE")
    with output.read() as store:
        base = one_run(store, options.baseline) if options.baseline else None
        contrast = contrasted(store, runs, options.contrast)
        groups = list(grouped(runs_of(store, runs), together=bool(runs), baseline=base))
        if not groups:
            raise UsageError(f"the store `{store.path}` has no runs", "make one with `stepdown run` or `stepdown demo`")
        prices = Prices(options.prices)
        reports_made = [
            compare(
                *group,
                baseline=base,
                contrast=contrast,
                grader=options.grader,
                prices=prices,
                sensitive=options.sensitivity,
            )
            for group in groups
        ]
    if options.html is not None:
        _write(reports_made, options.html)
    else:
        show_reports(reports_made, options, as_json=output.json)
    return 0


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
            show(*([""] if index else []), one.to_markdown().rstrip() if options.md else str(one))


def _write(reports: list[Report], file: Path) -> None:
    """Write the page of a report. Raises `UsageError` where there are several, or it cannot be written."""
    if len(reports) > 1:
        sets = ", ".join(f"`{one.rows[0].dataset}`" for one in reports)
        raise UsageError(f"the runs are on {sets}, and a page compares runs on the same problems", "name the runs")
    say(f"wrote {write_page(reports[0], file)}")
