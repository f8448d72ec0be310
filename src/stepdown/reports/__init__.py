"""Runs compared: rows with intervals and paired tests, tables, charts and one self-contained page."""

from stepdown.graders.elections import elect
from stepdown.reports.comparison import Profile, Report, disagreements, report
from stepdown.reports.contrast import Consistency, consistency
from stepdown.reports.rows import Edits, Row
from stepdown.reports.sensitivity import Sensitivity, sensitivity
from stepdown.reports.sharing import Sharing
from stepdown.reports.tallies import Flip

__all__ = [
    "Consistency",
    "Edits",
    "Flip",
    "Profile",
    "Report",
    "Row",
    "Sensitivity",
    "Sharing",
    "consistency",
    "disagreements",
    "elect",
    "report",
    "sensitivity",
]
