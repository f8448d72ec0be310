"""Runs compared: rows with intervals and paired tests, tables, charts and one self-contained page."""

from stepdown.graders.elections import elect
from stepdown.reports.comparison import disagreements, report
from stepdown.reports.pages import write_page
from stepdown.reports.report import Profile, Report
from stepdown.reports.rows import Edits, Row
from stepdown.reports.sharing import Sharing
from stepdown.reports.tallies import Flip

__all__ = [
    "Edits",
    "Flip",
    "Profile",
    "Report",
    "Row",
    "Sharing",
    "disagreements",
    "elect",
    "report",
    "write_page",
]
