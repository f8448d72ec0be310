"""What the rows of a report are named by: that in which they differ, and nothing that all of them share."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from stepdown.reports.report_rows import ReportRow
from stepdown.text import DASH, clipped, method_of, plans_of, short

_MOST = 3  # settings in a name beside the columns; the table of settings has them all
_COLUMNS: dict[str, Callable[[ReportRow], str]] = {
    "method": method_of,
    "student": lambda row: short(row.student, 28),
    "plans": lambda row: plans_of(row, row.planner),
    "dataset": lambda row: clipped(row.dataset, 28),
}


def names_of(rows: Sequence[ReportRow], *, within: Sequence[str] = ()) -> dict[str, str]:
    """Return a name for each row by its run: its number, and what people call it or else its values of what differs.

    What several rows are called alike is followed by those values.
    `within` names columns that stand beside the name already, such as the student a chart is divided by.
    """
    differing = [name for name in _differing(rows) if name not in within] or ["method"]
    called = Counter(row.name for row in rows)
    return {row.run: f"{index} {_called(row, differing, called)}" for index, row in enumerate(rows, 1)}


def kinds_of(rows: Sequence[ReportRow]) -> tuple[str, dict[str, str]]:
    """Return by what the rows are coloured, the first thing in which they differ, and each run's value of it."""
    name = next(iter(_differing(rows)), "method")
    return name, {row.run: _value(row, name) for row in rows}


def _differing(rows: Sequence[ReportRow]) -> list[str]:
    columns = [name for name, value in _COLUMNS.items() if len({value(row) for row in rows}) > 1]
    settings = [name for name in (rows[0].differs if rows else {}) if name not in ("data", "wording")]
    return columns + settings[:_MOST]


def _called(row: ReportRow, differing: Sequence[str], called: Mapping[str, int]) -> str:
    if not row.name:
        return _named(row, differing)
    return clipped(row.name, 40) + (f" · {_named(row, differing)}" if called[row.name] > 1 else "")


def _named(row: ReportRow, differing: Sequence[str]) -> str:
    parts = []
    for name in differing:
        value = _value(row, name)
        if value not in (DASH, ""):
            parts.append(value if name in _COLUMNS else f"{name} {value}")
    return " · ".join(parts) or method_of(row)


def _value(row: ReportRow, name: str) -> str:
    return _COLUMNS[name](row) if name in _COLUMNS else clipped(row.differs.get(name, DASH), 28)
