"""A table of texts, and how it becomes plain text, markdown and html."""

import re
from collections.abc import Callable, Iterator, Sequence
from html import escape

import msgspec

from stepdown.text.figures import clipped

Cells = tuple[str, ...]
Measure = Callable[[str], int]
NARROW = 60  # columns below which no table is legible
# Blanks and a word, in which a text in backticks counts as one; what a line begins with, the sign of a list included.
_PIECES = re.compile(r"\s*(?:`[^`]{1,200}`|\S)+|\s+")
BEGIN = re.compile(r"\s*(?:(?:\d{1,3}[.)]|[-*•])\s+)?")


class Table(msgspec.Struct, frozen=True):
    """A titled grid of texts; columns from `numbers` on are set flush right."""

    title: str
    header: Cells
    rows: tuple[Cells, ...]
    numbers: int = 1
    note: str = ""


def as_text(table: Table, width: int = 100, *, measure: Measure | None = None) -> str:
    """Return the table with aligned columns, its words clipped and its note wrapped to `width` columns.

    In fewer than 60 columns each row is a record, a line for each cell. `measure` says how many columns of a terminal a
    text takes; where it is given, a table that does not fit becomes records too.
    """
    size = measure or len
    grid = [table.header, *table.rows]
    widths = _widths(grid, table.numbers, width, size)
    if width < NARROW or (measure and sum(widths) + 2 * len(widths) - 2 > width):
        return "\n".join([table.title, *_records(table, width, size), *wrapped(table.note, width, size)])
    lines = [_aligned(cells, widths, table.numbers, size) for cells in grid]
    lines.insert(1, "─" * size(lines[0]))
    return "\n".join([table.title, *lines, *wrapped(table.note, width, size)])


def _records(table: Table, width: int, measure: Measure) -> Iterator[str]:
    """Stream each row as a rule and a line for each cell that says something, its name before it."""
    names = min(max(map(measure, (name.strip() for name in table.header)), default=0), width // 2)
    for cells in table.rows:
        yield "─" * width
        for name, cell in zip(table.header, cells, strict=True):
            title = _padded(_fitted(name.strip(), names, measure), names, measure)
            for place, line in enumerate(wrapped(cell, max(width - names - 2, 1), measure)):
                yield f"{title if place == 0 else ' ' * names}  {line}"
    yield "─" * width


def _widths(grid: Sequence[Cells], numbers: int, width: int, measure: Measure) -> list[int]:
    """The columns' widths; while they are too wide together, the widest of the names after the first gives way.

    A method's name, which has nothing to leave out, does so last.
    """
    widths = [max(map(measure, column)) for column in zip(*grid, strict=True)]
    words = range(2, numbers)

    def room(index: int) -> int:
        return widths[index] - (5 if grid[0][index] == "method" else 0)

    while sum(widths) + 2 * len(widths) - 2 > width and max(map(room, words), default=0) > 8:
        widths[max(words, key=room)] -= 1
    return widths


def _aligned(cells: Cells, widths: Sequence[int], numbers: int, measure: Measure) -> str:
    return "  ".join(
        _padded(_fitted(cell, width, measure), width, measure)
        if 0 < index < numbers
        else " " * (width - measure(cell)) + cell
        for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )


def _padded(text: str, width: int, measure: Measure) -> str:
    return text + " " * (width - measure(text))


def _fitted(name: str, width: int, measure: Measure) -> str:
    """Return a name on one line in at most `width` columns, its middle left out if it must be."""
    name = " ".join(name.split())
    if measure(name) == len(name):
        return clipped(name, width)
    head, tail = name, name
    if measure(name) > width:
        while head and measure(head) > width - 1 - (width - 1) // 2:
            head = head[:-1]
        while tail and measure(tail) > (width - 1) // 2:
            tail = tail[1:]
        return f"{head}…{tail}"
    return name


def wrapped(text: str, width: int = 100, measure: Measure = len) -> list[str]:
    """Return a text's words in lines of at most `width` columns."""
    lines: list[str] = []
    for word in text.split():
        if lines and measure(lines[-1]) + 1 + measure(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def folded(line: str, width: int, measure: Measure = len) -> list[str]:
    """Return a line as several of at most `width` columns, broken between words and indented as it is.

    What stands in backticks, such as a command, and a word that is too wide stay whole; so does a row of Markdown.
    """
    if measure(line) <= width or line.startswith("|"):
        return [line]
    begin = BEGIN.match(line)
    indent = " " * min(len(begin[0]) if begin else 0, width // 2)
    lines = [""]
    for piece in _PIECES.findall(line):
        if lines[-1].strip() and measure(lines[-1]) + measure(piece.rstrip()) > width:
            lines.append(indent + piece.lstrip())
        else:
            lines[-1] += piece
    return lines


def as_markdown(table: Table) -> str:
    """Return the table as a GitHub markdown table under its title."""
    rule = [":---" if 0 < index < table.numbers else "---:" for index in range(len(table.header))]
    grid = [table.header, rule, *table.rows]
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |" for cells in grid]
    return "\n".join([f"**{table.title}**", "", *lines, *(["", table.note] if table.note else [])])


def as_html(table: Table) -> str:
    """Return the table as html, every cell escaped."""
    header = "".join(
        f'<th scope="col"{_side(index, table)}>{escape(cell)}</th>' for index, cell in enumerate(table.header)
    )
    body = "".join(
        "<tr>"
        + "".join(f"<td{_side(index, table)}>{escape(cell)}</td>" for index, cell in enumerate(cells))
        + "</tr>\n"
        for cells in table.rows
    )
    note = f"<p class=note>{escape(table.note)}</p>" if table.note else ""
    caption = f"<caption>{escape(table.title)}</caption>"
    return (
        f"<div class=wide><table>{caption}<thead><tr>{header}</tr></thead>\n<tbody>{body}</tbody></table></div>{note}"
    )


def _side(index: int, table: Table) -> str:
    return "" if 0 < index < table.numbers else " class=n"
