"""Pieces of html for notebooks: readable in light and dark themes, all text escaped and bounded.

Notebooks take scripts, style sheets and classes away from what they do not trust, so that styles stand at the elements;
colours are the notebook's own.
"""

from collections.abc import Iterable, Mapping
from html import escape

from stepdown.text.tables import Table

# Characters of one text, and rows of one table, that a cell shows.
LONGEST, MOST_ROWS = 4_000, 200
_FAINT = "opacity:.7"
_TEXT = "white-space:pre-wrap;overflow-wrap:anywhere;margin:.2em 0 .6em;font:inherit"
_CELL = "padding:.15em .7em;vertical-align:top;text-align:"


def fragment(title: str, *parts: str) -> str:
    """Return parts, which are html, under a title, which is text."""
    inner = "\n".join(filter(None, parts))
    return (
        f'<div class="stepdown" style="max-width:64em;line-height:1.45"><strong>{escape(title)}</strong>\n{inner}</div>'
    )


def html_text(text: str, label: str = "") -> str:
    """Return a text as it was written, its line breaks kept, under a label."""
    head = f'<div style="{_FAINT}">{escape(label)}</div>' if label else ""
    return f'{head}<pre style="{_TEXT}">{escape(_bounded(text))}</pre>'


def html_folded(label: str, text: str, *, is_open: bool = False) -> str:
    """Return a text that a click unfolds; nothing for no text."""
    if not text:
        return ""
    shown = " open" if is_open else ""
    return f"<details{shown}><summary>{escape(label)}</summary>{html_text(text)}</details>"


def html_facts(facts: Mapping[str, str]) -> str:
    """Return names with their values, those without a value left out."""
    rows = "".join(
        f'<tr><th scope="row" style="{_CELL}left;font-weight:normal;{_FAINT}">{escape(name)}</th>'
        f'<td style="{_CELL}left">{escape(_bounded(value))}</td></tr>'
        for name, value in facts.items()
        if value
    )
    return f'<table style="margin:.3em 0"><tbody>{rows}</tbody></table>'


def html_list(items: Iterable[str]) -> str:
    """Return texts as a numbered list."""
    return f'<ol style="margin:.2em 0">{"".join(f"<li>{escape(_bounded(one))}</li>" for one in items)}</ol>'


def html_table(table: Table) -> str:
    """Return a table whose columns are aligned without a style sheet; of many rows the first."""
    left = [0 < index < table.numbers for index in range(len(table.header))]
    rows = [_row("td", cells, left) for cells in table.rows[:MOST_ROWS]]
    more = f"{len(table.rows) - MOST_ROWS:,} more rows." if len(table.rows) > MOST_ROWS else ""
    notes = "".join(f'<p style="{_FAINT};margin:.2em 0 .8em">{escape(note)}</p>' for note in (more, table.note) if note)
    caption = f'<caption style="text-align:left;caption-side:top">{escape(table.title)}</caption>'
    head, body = _row('th scope="col"', table.header, left), "".join(rows)
    return (
        f'<div style="overflow-x:auto"><table style="margin:.3em 0">{caption}<thead>{head}</thead>'
        f"<tbody>{body}</tbody></table></div>{notes}"
    )


def _row(kind: str, cells: Iterable[str], left: Iterable[bool]) -> str:
    sides = ("left" if one else "right" for one in left)
    end = kind.partition(" ")[0]
    inner = "".join(
        f'<{kind} style="{_CELL}{side}">{escape(cell)}</{end}>' for cell, side in zip(cells, sides, strict=True)
    )
    return f"<tr>{inner}</tr>"


def _bounded(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text) - LONGEST:,} more characters)"
