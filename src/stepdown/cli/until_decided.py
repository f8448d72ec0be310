"""`run --until decided`: what it takes, and what it says at the end."""

from collections.abc import Iterable, Iterator, Sequence

from stepdown.cli.numbers import share_of
from stepdown.cli.unused_options import given, refuse
from stepdown.errors import UsageError
from stepdown.runner import StoppingRule, Task, UntilDecided
from stepdown.settings import StoppingSettings
from stepdown.store import StoppedComparison
from stepdown.text import chance


def until_of(stopping: StoppingSettings, tasks: Sequence[Task], *, alone: bool) -> UntilDecided | None:
    """Return what decides when the runs of a command end, None where each solves all its problems.

    `alone` says that this process solves all of them, one after another as they come. Raises `UsageError`.
    """
    if stopping.until is None:
        refuse(given(stopping, "margin", "sure", "power"), "no run ends early", "add --until decided, or leave it out")
        return None
    if not alone:
        refuse(
            ["--until"],
            "all runs must go on together in one process",
            "leave --shard, --jobs, --review and --batch out",
        )
    if len({task.settings().id for task in tasks}) < 2:
        raise UsageError(
            "one run has nothing to be compared with",
            "name two or more methods, students or teachers; the first is the baseline",
            option="--until",
        )
    sure, power = share_of(stopping.sure, "--sure"), share_of(stopping.power, "--power")
    for name, share in (("--sure", sure), ("--power", power)):
        if not 0.5 <= share < 1:
            raise UsageError(f"`{name}` of `{share:g}`", "give 50% or more, below 100%", option=name)
    return UntilDecided(StoppingRule(margin=stopping.margin / 100, sure=sure, power=power), len(tasks))


def decisions_of(comparisons: Iterable[StoppedComparison]) -> Iterator[str]:
    """Say what each comparison came to, a line each."""
    for one in comparisons:
        found = f"{100 * one.difference:+.1f} points [{100 * one.low:+.1f}, {100 * one.high:+.1f}]".replace("-", "−")
        against = f"run {one.run} against {one.baseline}: {found} after {one.pairs} pairs"
        match one.outcome:
            case "different":
                yield f"{against}: decided, they differ (p {chance(one.p_holm)}, valid however it was stopped)"
            case "small":
                yield f"{against}: decided, less than {100 * one.margin:g} points to either side"
            case _:
                yield f"{against}: not decided; the same command with a larger --limit goes on"
