"""Tables on stdout, as wide as the terminal."""

import shutil
import sys
from collections.abc import Iterable, Sequence

from stepdown.cli.console.terminal import show
from stepdown.text import Table, as_text, clean

_NARROW, _PIPED, _WIDE = 60, 120, 160


def width() -> int:
    """Return the columns of the terminal, 120 where there is none."""
    if not sys.stdout.isatty():
        return _PIPED
    return min(_WIDE, max(_NARROW, shutil.get_terminal_size().columns))


def show_table(title: str, header: Sequence[str], rows: Iterable[Sequence[str]], *, words: int, note: str = "") -> None:
    """Write a table to stdout, its first `words` columns flush left, the others flush right."""
    grid = [[clean(cell) for cell in row] for row in (header, *rows)]
    first = max(len(row[0]) for row in grid)
    names, *cells = (tuple([row[0].ljust(first), *row[1:]]) for row in grid)
    text = as_text(Table(title, names, tuple(cells), words, note), width())
    show("\n".join(line.rstrip() for line in text.splitlines()))
