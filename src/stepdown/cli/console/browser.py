"""Opening a page for a person; where there is no browser its address is what they get."""

import webbrowser
from pathlib import Path

from stepdown.cli.console.terminal import say


def open_file(page: Path) -> None:
    """Open a file of html in a browser, and print its address where there is none."""
    address = page.resolve().as_uri()
    try:
        opened = webbrowser.open(address)
    except (webbrowser.Error, OSError):
        opened = False
    say(f"opened {address}" if opened else f"there is no browser here; the page is at {address}")
