"""Help whose lines break where the terminal's do, not where those of the source file did."""

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cyclopts.help import DefaultFormatter, HelpPanel
    from rich.console import Console, ConsoleOptions


def flowing(text: str) -> str:
    """Return a text with each of its paragraphs on one line; indented lines stay as they are."""
    return re.sub(r"(?m)^(\S.*)\n(?=\S)", r"\1 ", text)


class FlowingHelp:
    """Draws help as cyclopts does, with flowing descriptions."""

    def render_usage(self, console: "Console", options: "ConsoleOptions", usage: Any) -> None:
        """Draw the line of usage."""
        _drawn_by_cyclopts().render_usage(console, options, usage)

    def render_description(self, console: "Console", options: "ConsoleOptions", description: Any) -> None:
        """Draw what a verb is for."""
        _drawn_by_cyclopts().render_description(console, options, description)

    def __call__(self, console: "Console", options: "ConsoleOptions", panel: "HelpPanel") -> None:
        """Draw one panel."""
        from cyclopts.help import InlineText
        from rich.text import Text

        for entry in panel.entries:
            drawn = entry.description
            if isinstance(drawn, InlineText) and isinstance(drawn.primary_renderable, Text):
                drawn.primary_renderable = Text(flowing(drawn.primary_renderable.plain), end="")
        _drawn_by_cyclopts()(console, options, panel)


def _drawn_by_cyclopts() -> "DefaultFormatter":
    # Only help draws boxes: what draws them takes longer to load than most verbs to run.
    from cyclopts.help import DefaultFormatter

    return DefaultFormatter()
