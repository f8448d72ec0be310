"""Text on its way out: figures for people, hostile text made safe to show, server-sent events."""

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
    percent,
    points,
    short,
    size,
)
from stepdown.text.safety import clean, error_line, in_markdown, json_line
from stepdown.text.sse import DONE, EventReader, EventTooLarge, comment, event

__all__ = [
    "DASH",
    "DONE",
    "UNKNOWN",
    "EventReader",
    "EventTooLarge",
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
    "in_markdown",
    "json_line",
    "money",
    "percent",
    "points",
    "short",
    "size",
]
