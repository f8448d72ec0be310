"""Where a text ends that was to end before a stop string."""

from collections.abc import Sequence


def complete_up_to(text: str, stops: Sequence[str]) -> int:
    """Return how many characters of a text come before a stop string, or before an end that may begin one."""
    cut = len(cut_at_stop(text, stops))
    held = (size for stop in stops for size in range(1, len(stop)) if text.endswith(stop[:size]))
    return min(cut, len(text) - max(held, default=0))


def cut_at_stop(text: str, stops: Sequence[str]) -> str:
    """Return the text before the first of these stop strings."""
    return text[: min((at for stop in stops if stop and (at := text.find(stop)) >= 0), default=len(text))]
