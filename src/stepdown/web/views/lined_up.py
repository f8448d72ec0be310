"""A plan and a solution lined up as pages show them: steps with what became of them, the solution in marked parts."""

from collections.abc import Sequence

import msgspec

from stepdown.alignment import LONGEST, Alignment, StepFollowed, StepStatus, align
from stepdown.types import Plan
from stepdown.web.views.excerpts import Excerpt

_MOST_LINES = 200
_STATUSES: dict[str, StepStatus] = {"d": "done", "c": "changed", "s": "skipped"}
_LONGEST_CELL = 1_500


class LinedStep(msgspec.Struct, frozen=True):
    """Some lines of a plan that are one step, or stand around the steps, where `followed` is None."""

    number: int
    lines: tuple[str, ...]
    followed: StepFollowed | None


class LinedPart(msgspec.Struct, frozen=True):
    """A part of the solution, and where in it the answer was found; `number` is its step's, 0 for none."""

    number: int
    kind: str
    text: str
    found: tuple[int, int] | None = None


class LinedUp(msgspec.Struct, frozen=True):
    """A plan and a solution lined up; `counts` says how many steps are done, changed, repeated and skipped."""

    steps: tuple[LinedStep, ...]
    parts: tuple[LinedPart, ...]
    counts: dict[str, int]


class SharedStep(msgspec.Struct, frozen=True):
    """A step that two attempts follow: its text, and of each what became of it with the parts that follow it."""

    text: str
    sides: tuple[tuple[StepFollowed, tuple[str, ...]], ...]


def lined_up(
    plan: Plan | None, solution: str | None, where: tuple[int, int] = (0, 0), *, letters: str = ""
) -> LinedUp | None:
    """Return a plan and a solution lined up, `where` the answer is in it; None without one, or for one too long.

    With a judge's `letters` it is those that say what became of each step.
    """
    if plan is None or not solution or len(solution) > LONGEST or len(plan.steps) > _MOST_LINES:
        return None
    found = align(plan.text, solution)
    if not found.steps:
        return None
    if letters:
        found = _judged(found, letters)
    parts = tuple(
        _part(solution, (part.start, part.end), where, number=0 if part.step is None else part.step + 1, kind=part.kind)
        for part in found.parts
    )
    counts = found.counts | ({"added": letters.count("a")} if letters else {})
    return LinedUp(tuple(_steps(plan.steps, found)), parts, counts)


def _judged(found: Alignment, letters: str) -> Alignment:
    """Return the steps with what a judge says of them; which part is added, it does not say."""
    steps = tuple(
        msgspec.structs.replace(one, status=_STATUSES[letter], why="")
        for one, letter in zip(found.steps, letters, strict=False)
        if letter in _STATUSES
    )
    parts = tuple(msgspec.structs.replace(one, kind="talk") if one.kind == "added" else one for one in found.parts)
    return Alignment(steps, parts) if len(steps) == len(found.steps) else found


def place_in(text: Excerpt) -> tuple[int, int] | None:
    """Return where the mark of a text is that is shown whole, None for one that is cut."""
    if text.lead or text.left_out:
        return None
    return len(text.before), len(text.before) + len(text.marked)


def shared_steps(plan: Plan, solutions: Sequence[str]) -> tuple[SharedStep, ...]:
    """Return the steps of a plan with what became of each in some solutions of it."""
    found = [align(plan.text, solution) for solution in solutions]
    return tuple(
        SharedStep(
            followed.step.text[:_LONGEST_CELL],
            tuple(_side(one, at, solution) for one, solution in zip(found, solutions, strict=True)),
        )
        for at, followed in enumerate(found[0].steps)
    )


def _side(found: Alignment, at: int, solution: str) -> tuple[StepFollowed, tuple[str, ...]]:
    followed = found.steps[at]
    parts = [found.parts[place] for place in followed.parts]
    return followed, tuple(solution[part.start : part.end][:_LONGEST_CELL] for part in parts)


def _steps(lines: Sequence[str], found: Alignment) -> list[LinedStep]:
    owners = {line: at for at, one in enumerate(found.steps) for line in one.step.lines}
    steps = list[LinedStep]()
    last = -2
    for place, line in enumerate(lines):
        owner = owners.get(place, -1)
        if owner == last and steps:
            steps[-1] = msgspec.structs.replace(steps[-1], lines=(*steps[-1].lines, line))
        else:
            steps.append(LinedStep(owner + 1, (line,), found.steps[owner] if owner >= 0 else None))
        last = owner
    return steps


def _part(solution: str, span: tuple[int, int], where: tuple[int, int], *, number: int, kind: str) -> LinedPart:
    start, end = span
    first, last = max(start, where[0]), min(end, where[1])
    return LinedPart(number, kind, solution[start:end], (first - start, last - start) if first < last else None)
