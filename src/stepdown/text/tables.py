"""A table of texts, and how it becomes plain text, markdown and html."""

from collections.abc import Sequence
from html import escape

import msgspec

from stepdown.text.figures import clipped

Cells = tuple[str, ...]


class Table(msgspec.Struct, frozen=True):
    """A titled grid of texts; columns from `numbers` on are set flush right."""

    title: str
    header: Cells
    rows: tuple[Cells, ...]
    numbers: int = 1
    note: str = ""


def as_text(table: Table, width: int = 100) -> str:
    """Return the table with aligned columns, its words clipped and its note wrapped to `width` characters."""
    grid = [table.header, *table.rows]
    widths = _widths(grid, table.numbers, width)
    lines = [_aligned(cells, widths, table.numbers) for cells in grid]
    lines.insert(1, "─" * len(lines[0]))
    return "\n".join([table.title, *lines, *wrapped(table.note, width)])


def _widths(grid: Sequence[Cells], numbers: int, width: int) -> list[int]:
    """The columns' widths; while they are too wide together, the widest of the names after the first gives way.

    A method's name, which has nothing to leave out, does so last.
    """
    widths = [max(map(len, column)) for column in zip(*grid, strict=True)]
    words = range(2, numbers)

    def room(index: int) -> int:
        return widths[index] - (5 if grid[0][index] == "method" else 0)

    while sum(widths) + 2 * len(widths) - 2 > width and max(map(room, words), default=0) > 8:
        widths[max(words, key=room)] -= 1
    return widths


def _aligned(cells: Cells, widths: Sequence[int], numbers: int) -> str:
    return "  ".join(
        clipped(cell, width).ljust(width) if 0 < index < numbers else cell.rjust(width)
        for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )


def wrapped(text: str, width: int = 100) -> list[str]:
    """Return a text's words in lines of at most `width` characters."""
    lines: list[str] = []
    for word in text.split():
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
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
