"""Tables on stdout, as wide as the terminal."""

import sys
from collections.abc import Iterable, Sequence

from stepdown.cli.console.terminal import columns, measure_on, show
from stepdown.text import Table, as_text, clean

_LEAST, _PIPED, _WIDE = 20, 120, 160


def width() -> int:
    """Return the columns of the terminal, 120 where there is none."""
    wide = columns(sys.stdout)
    return _PIPED if wide is None else min(_WIDE, max(_LEAST, wide))


def show_table(title: str, header: Sequence[str], rows: Iterable[Sequence[str]], *, words: int, note: str = "") -> None:
    """Write a table to stdout, its first `words` columns flush left, the others flush right."""
    grid = [[clean(cell) for cell in row] for row in (header, *rows)]
    measure = measure_on(sys.stdout)
    size = measure or len
    first = max(size(row[0]) for row in grid)
    names, *cells = (tuple([row[0] + " " * (first - size(row[0])), *row[1:]]) for row in grid)
    text = as_text(Table(title, names, tuple(cells), words, note), width(), measure=measure)
    show("\n".join(line.rstrip() for line in text.splitlines()))
