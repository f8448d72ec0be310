"""Weights of catalogue models brought to this machine, size and licence said first."""

import sys
from collections.abc import Iterable

from stepdown.cli.console.progress import bars
from stepdown.cli.console.terminal import is_lively, say
from stepdown.models.weights import Weights, fetch, fetched, find_weights
from stepdown.text import counted

PREFIX = "embedded/"


def missing(models: Iterable[str]) -> list[Weights]:
    """Return the catalogue models among these model strings whose weights are not on this machine."""
    named = (name.removeprefix(PREFIX) for name in dict.fromkeys(models) if name.startswith(PREFIX))
    return [find_weights(name) for name in named if fetched(name) is None]


def size_of(weights: Weights) -> str:
    """Return the size of weights and their licence, in words."""
    return f"{weights.name}: {weights.bytes / 1e6:,.0f} MB, licence {weights.licence}"


def download(models: Iterable[str]) -> None:
    """Fetch what is missing of these models, one after another. Raises `EndpointRefused`."""
    wanted = missing(models)
    if not wanted:
        return
    total = sum(weights.bytes for weights in wanted)
    say(f"getting {counted(len(wanted), 'model')} ({total / 1e6:,.0f} MB), kept for all later commands:")
    say(*(f"  {size_of(weights)}" for weights in wanted))
    for weights in wanted:
        _fetch(weights)


def _fetch(weights: Weights) -> None:
    if not is_lively(sys.stderr):
        fetch(weights.name, progress=_Tenths(weights.name).tell)
        say(f"{weights.name}: here")
        return
    with bars() as screen:
        bar = screen.add_task(weights.name, total=weights.bytes // 1_000_000, figures="MB")

        def tell(words: str, done: int, total: int) -> None:
            screen.update(bar, completed=done // 1_000_000, figures=f"MB {words if done else ''}")

        fetch(weights.name, progress=tell)


class _Tenths:
    """Says every tenth of a download in a line of its own."""

    def __init__(self, name: str) -> None:
        self.name, self.shown_tenth = name, 0

    def tell(self, words: str, done: int, total: int) -> None:
        tenth = 10 * done // max(1, total)
        if tenth > self.shown_tenth:
            self.shown_tenth = tenth
            say(f"{self.name}: {done / 1e6:,.0f} of {total / 1e6:,.0f} MB")
