"""`stepdown import`: trace files into runs."""

from pathlib import Path

import msgspec

from stepdown.cli.options import OutputOptions
from stepdown.cli.terminal import say, show, show_json
from stepdown.errors import UsageError
from stepdown.exchange import import_traces
from stepdown.reports.figures import counted, percent
from stepdown.store import Run

OUTPUT = OutputOptions()


class Imported(msgspec.Struct, frozen=True):
    """What `import --json` says of each file."""

    run: str
    file: str
    rows: int


def imports(*files: Path, output: OutputOptions = OUTPUT) -> int:
    """Read trace files into runs.

    Parameters
    ----------
    files
        The files.
    """
    if not files:
        raise UsageError("there is no file to import", "stepdown import FILE...")
    missing = [file for file in files if not file.exists()]
    if missing:
        raise UsageError(f"there is no file `{missing[0]}`", "mend the path; nothing was imported")
    with output.open() as store:
        for file in files:
            run = import_traces(file, store=store)
            if output.json:
                show_json(Imported(run.id, str(file), len(run)))
            else:
                show_imported(run, file)
    return 0


def show_imported(run: Run, file: Path) -> None:
    """Say which run a file became."""
    settings, found = run.settings, run.summary()
    share = percent(found.right / found.graded if found.graded else None)
    show(f"{run.id}  {file.name}: {found.total} traces of {settings.method} on {settings.dataset}, student "
         f"{settings.student}, plans by {settings.teacher or 'nobody'}; {found.right} of {found.graded} right, "
         f"{share} % ({run.grader})")  # fmt: skip
    if found.graded < found.total:
        ungraded = counted(found.total - found.graded, "trace")
        say(f"ungraded: {ungraded}; `stepdown traces {run.id} --where ungraded` says why")
