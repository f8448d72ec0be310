"""A line under a notebook's cell that says how far its work is, written again and again in the same place."""

import sys
import time
from html import escape
from importlib import import_module
from typing import Any

# Seconds between two looks of the line: a browser draws each of them.
EVERY = 0.2


def in_notebook() -> bool:
    """Whether this process is a notebook's kernel, so that whoever waits looks at a cell."""
    asked = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return asked is not None and getattr(asked(), "kernel", None) is not None


class CellLine:
    """The line; made in the thread that runs the cell, since a kernel knows the cell by its thread."""

    def __init__(self) -> None:
        shell: Any = import_module("IPython.display")
        self._html = shell.HTML
        self._place = shell.display(shell.HTML(""), display_id=True)
        self._due = 0.0

    def say(self, text: str, *, last: bool = False) -> None:
        """Replace what the line says, at most some times a second; the `last` text stays."""
        now = time.monotonic()
        if last or now >= self._due:
            self._due = now + EVERY
            self._place.update(self._html(f"<pre>{escape(text)}</pre>"))
