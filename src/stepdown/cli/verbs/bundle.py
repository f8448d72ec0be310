"""`stepdown bundle`: runs as a folder of files for a paper's page, with no server behind it."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from stepdown.cli.console.passes import telling
from stepdown.cli.console.terminal import show, show_json
from stepdown.cli.options import CHOICE, Flag, OutputOptions, PricesFile, RunNames
from stepdown.cli.stored_runs import one_run, runs_of
from stepdown.errors import UsageError


@Parameter(name="*", group=CHOICE)
@dataclass(frozen=True, kw_only=True)
class BundleOptions:
    """What the folder holds.

    Parameters
    ----------
    out
        The folder to write; it is there whole or not at all.
    title
        What stands above the list of runs.
    baseline
        The run the others are compared with; otherwise the same student's `direct` run, or else its first.
    corpus
        A corpus' folder whose chains are shown too; may be given several times.
    students
        A folder of studies whose curves and scores are shown too, such as `students`.
    problems
        How many problems of each corpus are shown.
    force
        Replace a bundle that is there; whatever else a folder holds is never touched.
    """

    out: Path
    title: Annotated[str, Parameter(show_default=False)] = ""
    baseline: str | None = None
    corpus: Annotated[tuple[Path, ...], Parameter(show_default=False)] = ()
    students: Path | None = None
    problems: Annotated[int, Parameter(validator=Number(gte=1, lte=10_000))] = 100
    prices: PricesFile = None
    force: Flag = False


OUTPUT = OutputOptions()


def bundle(*runs: RunNames, options: BundleOptions, output: OutputOptions = OUTPUT) -> int:
    """Write runs as a folder of pages that is opened from disk or by any web server, and searched without one."""
    from stepdown.web.bundles import BundlePlan, write_bundle

    if not runs:
        raise UsageError("no run is named, and a bundle is for others to read", "stepdown bundle RUN... --out site")
    with output.read() as store:
        plan = BundlePlan(
            runs=tuple(run.id for run in runs_of(store, runs)),
            baseline=one_run(store, options.baseline).id if options.baseline else "",
            corpora=tuple(folder.resolve() for folder in options.corpus),
            students=options.students.resolve() if options.students else None,
            problems=options.problems,
            title=options.title,
            prices=options.prices,
        )
        made = asyncio.run(
            write_bundle(store, plan, options.out, force=options.force, progress=telling("bundle", "pages"))
        )
    if output.json:
        show_json(made)
    else:
        size = f"{made.bytes / 1e6:,.1f} MB in {made.seconds:,.0f} s"
        show(f"{options.out}: {made.pages:,} pages, {made.traces:,} traces, {size}; open {options.out / 'index.html'}")
    return 0
