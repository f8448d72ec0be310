"""Runs compared: rows with intervals and paired tests, tables, charts and one self-contained page."""

from stepdown.graders import majority_grade
from stepdown.reports.comparison import disagreements, report
from stepdown.reports.counts import Flip
from stepdown.reports.failed_tries import HIDDEN, LeftOut, left_out, words_of
from stepdown.reports.lost_costs import LostCosts, lost_costs, lost_words
from stepdown.reports.mark_tables import marks_table
from stepdown.reports.next_dollar import NextDollar, next_dollars
from stepdown.reports.pages import write_page, write_pages
from stepdown.reports.plan_sharing import Sharing
from stepdown.reports.report_rows import ROLES, Edits, ReportRow
from stepdown.reports.report_value import Profile, Report
from stepdown.reports.row_names import names_of
from stepdown.reports.served_figures import ServedFigures, served_figures
from stepdown.reports.verdict_changes import all_verdict_changes
from stepdown.reports.verdict_matrix import (
    ROW_FILTERS,
    MatrixColumn,
    RowFilter,
    VerdictMatrix,
    leaked_rows,
    rows_at,
    rows_in,
    verdict_matrix,
)

__all__ = [
    "HIDDEN",
    "ROLES",
    "ROW_FILTERS",
    "Edits",
    "Flip",
    "LeftOut",
    "LostCosts",
    "MatrixColumn",
    "NextDollar",
    "Profile",
    "Report",
    "ReportRow",
    "RowFilter",
    "ServedFigures",
    "Sharing",
    "VerdictMatrix",
    "all_verdict_changes",
    "disagreements",
    "leaked_rows",
    "left_out",
    "lost_costs",
    "lost_words",
    "majority_grade",
    "marks_table",
    "names_of",
    "next_dollars",
    "report",
    "rows_at",
    "rows_in",
    "served_figures",
    "verdict_matrix",
    "words_of",
    "write_page",
    "write_pages",
]
