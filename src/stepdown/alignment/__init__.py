"""A plan and a solution lined up: which part of the solution follows which step, and what became of each step.

This is a heuristic, made for people who read traces, and shown as such: it looks at words, numbers, kinds of arithmetic
and the numbers of steps, in order, and asks no model. It takes time in proportion to pieces times steps (at most 400
times 100), whatever the text.
"""

import itertools
import re
from collections.abc import Sequence
from typing import Literal

import msgspec

from stepdown.alignment.aligning import (
    Kind,
    Placed,
    asks_answer,
    asks_thought,
    concludes,
    kind_of,
    opens_answer,
    placed,
    trust_of,
)
from stepdown.alignment.likeness import Features, Likeness, features
from stepdown.alignment.plan_steps import PlanStep, plan_steps
from stepdown.alignment.segments import LONGEST, Segment, segments

__all__ = ["LONGEST", "Alignment", "PlanStep", "SolutionPart", "StepFollowed", "StepStatus", "align", "plan_steps"]

StepStatus = Literal["done", "changed", "repeated", "skipped"]
_WITHIN = 0.34  # the share of a step that a part of its neighbour must hold for it to be done there
_REPEATED = 0.85
_BESIDE = 2  # parts of other steps on either side that are looked at
_CHANGED = 0.12
_DOUBTFUL = 0.25


class SolutionPart(msgspec.Struct, frozen=True):
    """A part of the solution from `start` to before `end`, in characters, and the place of the step it follows.

    Without a step it is the `answer`, `talk` around the work, or `added`: work that no step asks for.
    """

    start: int
    end: int
    step: int | None
    kind: Kind


class StepFollowed(msgspec.Struct, frozen=True):
    """A step and what became of it; `parts` are places in the alignment's parts, `why` says what the status rests on.

    `changed`: a part stands in its place but does otherwise; `repeated`: its words are there and nothing is worked out.
    """

    step: PlanStep
    status: StepStatus
    parts: tuple[int, ...] = ()
    why: str = ""


class Alignment(msgspec.Struct, frozen=True):
    """Steps in the plan's order and parts in the solution's, each part with at most one step."""

    steps: tuple[StepFollowed, ...]
    parts: tuple[SolutionPart, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many steps are done, changed, repeated and skipped, and how many parts are added."""
        statuses = [one.status for one in self.steps]
        known: tuple[StepStatus, ...] = ("done", "changed", "repeated", "skipped")
        return {one: statuses.count(one) for one in known} | {"added": sum(one.kind == "added" for one in self.parts)}


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
    return Alignment(
        tuple(_followed(place, step, parts, likeness, solution) for place, step in enumerate(steps)), parts
    )


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
    return restarts[-1] if covered > _REPEATED and not one.computes else 0


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


def _followed(
    place: int, step: PlanStep, parts: Sequence[SolutionPart], likeness: Likeness, solution: str
) -> StepFollowed:
    own = tuple(at for at, part in enumerate(parts) if part.step == place)
    if not own:
        return _elsewhere(place, step, parts, likeness, solution)
    one = _features(solution, parts, own)
    asked = likeness.steps[place]
    if _is_copy(one, asked, step):
        again = _at_the_end(step, parts) if asks_answer(step) and place == len(likeness.steps) - 1 else None
        return again or StepFollowed(step, "repeated", own, "its words are there again, and nothing is worked out")
    return StepFollowed(step, *_judged(one, asked, likeness.of(one, place), own))


_MARKERS = re.compile(r"^[*_#\s]*(?:step\s*)?\(?\d{1,3}[.):]", re.IGNORECASE | re.MULTILINE)


def _features(solution: str, parts: Sequence[SolutionPart], some: Sequence[int]) -> Features:
    """Return what parts are compared by, without the numbers that open their lines."""
    return features(_MARKERS.sub(" ", "\n".join(solution[parts[at].start : parts[at].end] for at in some)))


def _is_copy(one: Features, asked: Features, step: PlanStep) -> bool:
    """Whether a part only says a step again; what names a formula or a number, or asks for a thought, is done so."""
    if one.numbers - asked.numbers or one.computes or asks_thought(step) or (asked.numbers and not asked.sure):
        return False
    if "$" in step.text or "\\" in step.text:
        return False
    return len(one.terms & asked.terms) >= _REPEATED * len(one.terms)


def _at_the_end(step: PlanStep, parts: Sequence[SolutionPart]) -> StepFollowed | None:
    found = next((at for at, part in enumerate(parts) if part.kind == "answer"), None)
    return None if found is None else StepFollowed(step, "done", (found,), "at the end")


def _judged(
    one: Features, asked: Features, like: float, own: tuple[int, ...]
) -> tuple[StepStatus, tuple[int, ...], str]:
    if asked.sure and one.signs and not asked.sure & one.operations:
        words = " and ".join(sorted(_NAMES[sign] for sign in asked.sure))
        return "changed", own, f"it asks to {words}; the part does not"
    if like < _DOUBTFUL and asked.digits and one.signs and not asked.digits & one.numbers:
        return "changed", own, f"its {', '.join(sorted(asked.digits)[:3])} is not in the part"
    if like < _CHANGED:
        return "changed", own, "a part stands in its place that has few of its words"
    return "done", own, ""


_NAMES = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide"}


def _instead(step: PlanStep, parts: Sequence[SolutionPart], between: Sequence[int]) -> StepFollowed:
    """Return that other work stands where a step belongs, or that nothing does."""
    added = tuple(at for at in between if parts[at].kind == "added")
    if added and not asks_thought(step):
        return StepFollowed(step, "changed", added, "other work stands in its place")
    return StepFollowed(step, "skipped", (), "no part is like it")


def _elsewhere(
    place: int, step: PlanStep, parts: Sequence[SolutionPart], likeness: Likeness, solution: str
) -> StepFollowed:
    """Look for a step without a part of its own in the parts beside its place, and at the end."""
    before = [at for at, part in enumerate(parts) if part.step is not None and part.step < place][-_BESIDE:]
    after = [at for at, part in enumerate(parts) if part.step is not None and part.step > place][:_BESIDE]
    between = range(before[-1] + 1 if before else 0, after[0] if after else len(parts))
    best = (0.0, -1)
    for at in (*before, *between, *after):
        one = _features(solution, parts, (at,))
        asked = likeness.steps[place]
        if parts[at].kind == "talk" or (asked.sure and not asked.sure & one.operations):
            continue
        best = max(best, (likeness.cover(one, place) + 0.2 * (parts[at].kind == "answer" and asks_answer(step)), at))
    if best[0] < _WITHIN:
        last = place == len(likeness.steps) - 1 and asks_answer(step)
        return (_at_the_end(step, parts) if last else None) or _instead(step, parts, between)
    part = parts[best[1]]
    named = "at the end" if part.step is None else f"within the part of step {part.step + 1}"
    return StepFollowed(step, "done", (best[1],), named)
