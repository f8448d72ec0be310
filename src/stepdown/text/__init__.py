"""Text on its way out: figures and tables for people, hostile text made safe to show, server-sent events."""

from stepdown.text import figures
from stepdown.text.figures import (
    DASH,
    UNKNOWN,
    between,
    chance,
    clipped,
    count,
    counted,
    duration,
    money,
    pace,
    percent,
    points,
    short,
    size,
)
from stepdown.text.fragments import fragment, html_facts, html_folded, html_list, html_table, html_text
from stepdown.text.labels import CUT, method_of, plans_of
from stepdown.text.safety import clean, error_line, in_markdown, json_line
from stepdown.text.sse import DONE, EventReader, EventTooLarge, comment, event
from stepdown.text.tables import NARROW, Measure, Table, as_html, as_markdown, as_text, folded, wrapped
from stepdown.text.word_flow import WordFlow

__all__ = [
    "CUT",
    "DASH",
    "DONE",
    "NARROW",
    "UNKNOWN",
    "EventReader",
    "EventTooLarge",
    "Measure",
    "Table",
    "WordFlow",
    "as_html",
    "as_markdown",
    "as_text",
    "between",
    "chance",
    "clean",
    "clipped",
    "comment",
    "count",
    "counted",
    "duration",
    "error_line",
    "event",
    "figures",
    "folded",
    "fragment",
    "html_facts",
    "html_folded",
    "html_list",
    "html_table",
    "html_text",
    "in_markdown",
    "json_line",
    "method_of",
    "money",
    "pace",
    "percent",
    "plans_of",
    "points",
    "short",
    "size",
    "wrapped",
]
