"""A plan and a solution lined up: which part of the solution follows which step, and what became of each step.

This is a heuristic, made for people who read traces, and shown as such: it looks at words, numbers, kinds of arithmetic
and the numbers of steps, in order, and asks no model. It takes time in proportion to pieces times steps (at most 400
times 100), whatever the text.
"""

import itertools
import re
from collections.abc import Sequence

import msgspec

from stepdown.alignment.aligning import (
    Kind,
    Placed,
    concludes,
    kind_of,
    opens_answer,
    placed,
    trust_of,
)
from stepdown.alignment.following import Scene, followed
from stepdown.alignment.likeness import Likeness, features
from stepdown.alignment.plan_steps import PlanStep, plan_steps
from stepdown.alignment.segments import LONGEST, Segment, segments
from stepdown.alignment.values import Alignment, SolutionPart, StepFollowed, StepStatus

__all__ = ["LONGEST", "Alignment", "PlanStep", "SolutionPart", "StepFollowed", "StepStatus", "align", "plan_steps"]

_RESTATED = 0.85  # of the plan, for an opening that only says it again


def align(plan: str | Sequence[str], solution: str) -> Alignment:
    """Line up a plan, its text or its steps, with a solution's first 20,000 characters."""
    if isinstance(plan, str):
        steps = plan_steps(plan)
    else:
        steps = tuple(PlanStep(at, text, (at - 1,)) for at, text in enumerate(plan, 1))[:100]
    pieces = segments(solution)
    likeness = Likeness([step.text for step in steps])
    opening = _restated(pieces, steps, likeness)
    rest = pieces[opening:]
    some = placed(rest, steps, likeness, trust=trust_of(rest, steps, likeness))
    parts = _parts([*(Placed(piece, None, 0.0) for piece in pieces[:opening]), *some], opening)
    scene = Scene(parts, likeness, solution[:LONGEST], _begins(rest, steps, solution))
    return Alignment(tuple(followed(place, step, scene) for place, step in enumerate(steps)), parts)


_FIRST = re.compile(r"^\W*(?:in\s+)?step\s+(\d{1,3})\b", re.IGNORECASE)


def _begins(pieces: Sequence[Segment], steps: Sequence[PlanStep], solution: str) -> int:
    """Return the number of the step by which a solution begins that numbers its work as the plan does; 1 as a rule."""
    numbers = [piece.number for piece in pieces if piece.number is not None]
    if found := _FIRST.match(solution[:100]):
        numbers.insert(0, int(found[1]))
    return numbers[0] if numbers and numbers[0] in {step.number for step in steps} else 1


def _restated(pieces: Sequence[Segment], steps: Sequence[PlanStep], likeness: Likeness) -> int:
    """Return how many pieces at the start only say the plan again before its numbers begin again; 0 where none do."""
    numbered = [at for at, piece in enumerate(pieces) if piece.number is not None]
    restarts = [at for before, at in itertools.pairwise(numbered)
            if (pieces[at].number or 0) <= 1 < (pieces[before].number or 0)]  # fmt: skip
    if not restarts or not steps:
        return 0
    opening = " ".join(piece.text for piece in pieces[: restarts[-1]])
    one = features(opening)
    covered = sum(likeness.cover(one, place) for place in range(len(steps))) / len(steps)
    return restarts[-1] if covered > _RESTATED and not one.computes else 0


def _parts(some: Sequence[Placed], opening: int) -> tuple[SolutionPart, ...]:
    """Join pieces of one step, or of one kind without a step, that follow each other."""
    concludes = _conclusion(some)
    last = max((at for at, one in enumerate(some[:concludes]) if one.step is not None), default=-1)
    first = next((at for at, one in enumerate(some) if one.step is not None), len(some))
    found = list[SolutionPart]()
    for at, (piece, step, _) in enumerate(some):
        kind: Kind = "step"
        if at >= concludes:
            step, kind = None, "answer"
        elif step is None:
            kind = kind_of(piece, features(piece.text), first=at < max(first, opening), ending=at > last)
        if found and (found[-1].step, found[-1].kind) == (step, kind):
            found[-1] = msgspec.structs.replace(found[-1], end=piece.end)
        else:
            found.append(SolutionPart(piece.start, piece.end, step, kind))
    return tuple(found)


def _conclusion(some: Sequence[Placed]) -> int:
    """Return from which piece on a solution only concludes: paragraphs and lines at its end that say so."""
    end = len(some)
    for at in range(len(some) - 1, 0, -1):
        piece, before = some[at].segment, some[at - 1].segment
        if piece.number is not None:
            break
        if piece.paragraph == before.paragraph and not opens_answer(piece):
            continue
        if not concludes(piece):
            break
        end = at
    return end
