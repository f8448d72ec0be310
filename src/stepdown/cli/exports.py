"""`stepdown export`: a run into a file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
from cyclopts import Parameter

from stepdown.cli.options import CHOICE, Flag, OutputOptions
from stepdown.cli.terminal import say, show_json
from stepdown.exchange import export_run
from stepdown.models import Prices
from stepdown.reports.figures import counted

OUTPUT = OutputOptions()


@Parameter(name="*", group=CHOICE)
@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """Into what.

    Parameters
    ----------
    to
        `csv-traces` is the authors' format; `jsonl` keeps everything and can be imported; `csv` and `parquet` are flat.
    out
        The file to write.
    force
        Replace a file that is there.
    prices
        A file of prices, as for `run`.
    """

    to: Literal["csv-traces", "jsonl", "csv", "parquet"]
    out: Path
    force: Flag = False
    prices: Path | None = None


class Exported(msgspec.Struct, frozen=True):
    """What `export --json` says."""

    run: str
    file: str
    rows: int


def exports(run: str, /, *, options: ExportOptions, output: OutputOptions = OUTPUT) -> int:
    """Write a run to a file.

    Parameters
    ----------
    run
        A run's id, or its beginning.
    """
    with output.reopen() as store:
        found = store.run(run)
        rows = export_run(found, options.to, options.out, force=options.force, prices=Prices(options.prices))
    if output.json:
        show_json(Exported(found.id, str(options.out), rows))
    else:
        say(f"wrote {counted(rows, 'trace')} of run {found.id} to {options.out}")
    return 0
