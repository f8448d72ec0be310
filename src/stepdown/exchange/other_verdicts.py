"""What other graders than the current one say of a run: of an imported run, the harness's own verdicts."""

from collections.abc import Iterator

import msgspec

from stepdown.store import Run


class OtherVerdicts(msgspec.Struct, frozen=True):
    """Counts over a run's traces by a grader: right and graded ones, and those the current grader judges otherwise."""

    grader: str
    right: int
    graded: int
    differing: int


def other_verdicts(run: Run) -> Iterator[OtherVerdicts]:
    """Count the verdicts of each grader of a run but its current one; what either left ungraded does not differ."""
    for grader in run.graders():
        if grader == run.grader:
            continue
        right = graded = differing = 0
        for (_, theirs), (_, ours) in zip(run.graded(grader), run.graded(), strict=True):
            right, graded = right + (theirs.verdict == "right"), graded + (theirs.verdict != "ungraded")
            differing += "ungraded" not in (theirs.verdict, ours.verdict) and theirs.verdict != ours.verdict
        yield OtherVerdicts(grader, right, graded, differing)
