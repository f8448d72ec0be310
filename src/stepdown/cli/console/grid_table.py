"""The table of a grid that fills while its runs go on, redrawn in place on a terminal."""

import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self

from stepdown.cli.console.progress import Entry
from stepdown.runner import LiveCounts
from stepdown.text import DASH, clean, duration, percent

if TYPE_CHECKING:
    from rich.table import Table

_REDRAW = 0.2
_TITLES = ("method", "solved", "right", "% right", "cut")


class GridTable:
    """A row per run: its method, how many problems are solved, how many are right, and how many replies were cut.

    A narrow terminal has as many of the columns as fit whole.
    """

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        from rich.console import Console
        from rich.live import Live

        self.entries = entries
        self.counts: dict[str, LiveCounts] = {}
        self.began, self._drawn = time.monotonic(), 0.0
        self.live = Live(console=Console(stderr=True), auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        self.began = time.monotonic()
        self.live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.live.stop()

    def update(self, counts: LiveCounts) -> None:
        """Take in the counts of a run."""
        self.counts[counts.run] = counts
        if time.monotonic() - self._drawn > _REDRAW or counts.solved == counts.total:
            self._drawn = time.monotonic()
            self.live.update(self.table(), refresh=True)

    def aside(self, write: Callable[[], None]) -> None:
        """Let something else be written above the table."""
        self.live.stop()
        write()
        self.live.start()

    def table(self) -> "Table":
        """Return the table as it is now."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table
        from rich.text import Text

        cells = [_TITLES, *(self._cells(entry, self.counts.get(run)) for run, entry in self.entries.items())]
        widths, width = [max(map(len, column)) + 2 for column in zip(*cells, strict=True)], self.live.console.width
        boxed = sum(widths) + len(widths) + 1 <= width
        shown = max([count for count in range(1, len(widths) + 1) if sum(widths[:count]) - 2 <= width], default=1)
        drawn = Table(
            box=SIMPLE_HEAD if boxed else None,
            padding=(0, 1) if boxed else (0, 2, 0, 0),
            pad_edge=boxed,
            caption=f"after {duration(time.monotonic() - self.began)}; Ctrl-C ends it",
        )
        for title in _TITLES[:shown]:
            drawn.add_column(title, justify="left" if title == "method" else "right", no_wrap=True)
        for row in cells[1:]:
            # Of a name nothing is read as markup.
            drawn.add_row(*map(Text, row[:shown]))
        return drawn

    def _cells(self, entry: Entry, counts: LiveCounts | None) -> tuple[str, ...]:
        name = clean(entry.task.method.name)
        if counts is None or not counts.solved:
            return name, f"0/{entry.total}", DASH, DASH, DASH
        share = percent(counts.right / counts.graded) if counts.graded else DASH
        return name, f"{counts.solved}/{counts.total}", str(counts.right), share, str(counts.truncated)
