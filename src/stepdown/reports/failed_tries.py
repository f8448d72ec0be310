"""Runs that a report of a whole data set leaves out unless it is asked for all: hidden ones and failed tries.

A run is a failed try where nothing of it is graded, or where another run with the same settings has more of the data
set: all its problems, and at least as many graded. Nothing is lost in such a report, for the larger run has the same
problems under the same settings; and a test less is one that Holm's correction does not count.
"""

from collections.abc import Mapping, Sequence

import msgspec

from stepdown.identity import encoded
from stepdown.store import NO_LABELS, Run, has_all_problems, labels_of
from stepdown.text import counted

HIDDEN, UNGRADED = "hidden", "nothing graded"


class LeftOut(msgspec.Struct, frozen=True):
    """A run that a report leaves out, and why: `hidden`, `nothing graded`, or `the same on fewer problems than RUN`."""

    run: str
    why: str


def left_out(runs: Sequence[Run], *, keep: Sequence[str] = ()) -> list[LeftOut]:
    """Return which of some runs of one store a report leaves out, in their order; none whose id is in `keep`."""
    if not runs:
        return []
    labels = labels_of(runs[0].store)
    hidden = {run.id: HIDDEN for run in runs if labels.get(run.id, NO_LABELS).hidden}
    rest = [run for run in runs if run.id not in hidden]
    graded = {run.id: run.tally().rights + run.tally().wrongs for run in rest}
    ungraded = {run.id: UNGRADED for run in rest if not graded[run.id]}
    tried = [run for run in rest if graded[run.id]]
    found = hidden | ungraded | _superseded(tried, graded)
    return [LeftOut(run.id, found[run.id]) for run in runs if run.id in found and run.id not in keep]


def words_of(found: Sequence[LeftOut]) -> str:
    """Say how many runs are left out, and why; "" for none."""
    if not found:
        return ""
    kinds = {"hidden": 0, "with nothing graded": 0, "the same on fewer problems": 0}
    hidden, ungraded, fewer = kinds
    for one in found:
        kinds[hidden if one.why == HIDDEN else ungraded if one.why == UNGRADED else fewer] += 1
    parts = ", ".join(f"{number} {kind}" for kind, number in kinds.items() if number)
    return f"{counted(len(found), 'run')} left out ({parts}): --all has them too."


def _superseded(runs: Sequence[Run], graded: Mapping[str, int]) -> dict[str, str]:
    """Return, by run, that another one has the same and more."""
    alike: dict[bytes, list[Run]] = {}
    for run in runs:
        same = msgspec.structs.replace(run.settings, problems="", count=0)
        alike.setdefault(encoded(same), []).append(run)
    found = {}
    for group in alike.values():
        # The largest first: what it has is looked for in no smaller one.
        ordered = sorted(group, key=lambda run: (-run.settings.count, -graded[run.id], run.created))
        for index, run in enumerate(ordered):
            for larger in ordered[:index]:
                more = larger.settings.count > run.settings.count and graded[larger.id] >= graded[run.id]
                if more and larger.id not in found and has_all_problems(larger, run):
                    found[run.id] = f"the same on fewer problems than {larger.id}"
                    break
    return found
