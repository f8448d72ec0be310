"""Runs compared: rows with intervals and paired tests, tables, charts and one self-contained page."""

from stepdown.graders.majority import majority_grade
from stepdown.reports.comparison import disagreements, report
from stepdown.reports.counts import Flip
from stepdown.reports.pages import write_page
from stepdown.reports.plan_sharing import Sharing
from stepdown.reports.report_rows import Edits, ReportRow
from stepdown.reports.report_value import Profile, Report

__all__ = [
    "Edits",
    "Flip",
    "Profile",
    "Report",
    "ReportRow",
    "Sharing",
    "disagreements",
    "majority_grade",
    "report",
    "write_page",
]
