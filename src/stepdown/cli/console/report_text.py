"""A report as text for a terminal."""

import sys

from stepdown.cli.console.tables import width
from stepdown.cli.console.terminal import measure_on
from stepdown.reports import Report


def report_text(report: Report) -> str:
    """Return a report as its tables fit the terminal, in 100 columns where there is none."""
    return report.to_text(width(), measure=measure_on(sys.stdout)) if sys.stdout.isatty() else str(report)
