"""A run's marks by criterion at a terminal."""

from stepdown.cli.console.tables import show_table
from stepdown.measuring import RunMarks
from stepdown.reports import marks_table


def show_marks(result: RunMarks) -> None:
    """Write the marks of a run as a table."""
    table = marks_table([result])
    show_table(table.title, table.header, table.rows, words=table.numbers, note=table.note)
