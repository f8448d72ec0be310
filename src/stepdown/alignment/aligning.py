"""Which part of a solution follows which step of a plan: dynamic programming that keeps the order of both."""

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from stepdown.alignment.likeness import Features, Likeness, features
from stepdown.alignment.plan_steps import PlanStep
from stepdown.alignment.segments import Segment

# Likeness that a piece needs to be of a step by its words alone, found with the traces the authors released.
_NEEDED = 0.24
_NUMBERED = 0.55  # for a number that is the step's, where the solution keeps the plan's numbers
_OTHER_NUMBER = 0.4  # against a number that is another step's
_GOES_ON = 0.3  # for a piece that stands with the one before it
_NEXT_PARAGRAPH = 0.06
_NEW_NUMBER = 0.25  # against going on with a step under a new number
_TURNS = 0.35  # against another step under the same number
_PASSED = 0.05  # against passing over a step
_NONE = 0.0

_CONCLUDES = re.compile(
    r"^\W*(?:so|therefore|thus|hence|in conclusion|finally|in summary|overall|in total|as a result|to summarize)\b"
    r"|^\W*(?:the |my |our )?(?:final |correct )?answer\b|^\W*\#{4}|\banswer (?:is|:)|\\boxed",
    re.IGNORECASE,
)
_ANSWERS = re.compile(r"^\W*(?:(?:the |my |our )?(?:final |correct )?answer\b|\#{4}|\\boxed)", re.IGNORECASE)
_SAYS = re.compile(
    r"^\W*(?:first,?\s+|start by\s+|begin by\s+)?(?:understand|recogni[sz]e|note|notice|remember|recall|realize|know|"
    r"keep in mind|read|review|consider|think|let|assume|state|restate|don.t forget|pay attention|be sure|make sure)",
    re.IGNORECASE,
)
_ASKS_ANSWER = re.compile(r"\b(?:answer|final|result|conclu\w+|total)\b", re.IGNORECASE)
Kind = Literal["step", "answer", "talk", "added"]


class Placed(NamedTuple):
    """A piece with the place of the step it follows, None for none, and how sure that is: from 0 on."""

    segment: Segment
    step: int | None
    score: float


def trust_of(pieces: Sequence[Segment], steps: Sequence[PlanStep], likeness: Likeness) -> float:
    """Return from 0 to 1 how far a solution's numbers are the plan's: each is most like its own step, or nearly."""
    texts: dict[int, list[str]] = {}
    numbers: dict[int, int] = {}
    for piece in pieces:
        texts.setdefault(piece.section, []).append(piece.text)
        if piece.number is not None:
            numbers[piece.section] = piece.number
    known = {step.number: place for place, step in enumerate(steps)}
    kept = 0.0
    for section, number in numbers.items():
        if number in known:
            like = likeness.of_each(features(" ".join(texts[section])))
            kept += like[known[number]] >= max(like) - 0.12
    share = kept / len(numbers) if numbers else 0.0
    share = share if share >= 0.6 else 0.3 * share
    return min(1.0, share + 0.2 * (share > 0.5 and set(numbers.values()) == set(known)))


def placed(pieces: Sequence[Segment], steps: Sequence[PlanStep], likeness: Likeness, *, trust: float) -> list[Placed]:
    """Return the best placing of pieces on steps in which neither order is broken.

    A piece takes time in proportion to the number of steps.
    """
    if not pieces or not steps:
        return [Placed(piece, None, 0.0) for piece in pieces]
    gains = [_gains(piece, steps, likeness, trust) for piece in pieces]
    places = len(steps)
    off = [0.0] + [float("-inf")] * places  # by the last step used, 0 for none yet; the piece before stands apart
    on = [float("-inf")] * (places + 1)  # the piece before follows that step
    back: list[tuple[list[int], list[int]]] = []
    for at, piece in enumerate(pieces):
        before = pieces[at - 1] if at else None
        off, on, came = _advanced(off, on, gains[at], _joints(piece, before, trust))
        back.append(came)
    return _traced(pieces, gains, (off, on), back)


def _gains(piece: Segment, steps: Sequence[PlanStep], likeness: Likeness, trust: float) -> list[float]:
    own = [like - _NEEDED for like in likeness.of_each(features(piece.text))]
    if piece.number is None:
        return own
    if piece.number not in {step.number for step in steps}:
        return own
    return [
        gain + trust * (_NUMBERED if step.number == piece.number else -_OTHER_NUMBER)
        for gain, step in zip(own, steps, strict=True)
    ]


def _joints(piece: Segment, before: Segment | None, trust: float) -> tuple[float, float]:
    """Return what going on with the step of the piece before is worth, and what another step costs."""
    if before is None:
        return 0.0, 0.0
    if piece.number is not None:
        return -_NEW_NUMBER * (0.3 + 0.7 * trust), 0.0
    together = piece.section == before.section and piece.section > 0
    goes_on = _GOES_ON if piece.paragraph == before.paragraph else (0.22 * trust if together else 0.0) + _NEXT_PARAGRAPH
    return goes_on, _TURNS * trust if together else 0.0


def _advanced(
    off: Sequence[float], on: Sequence[float], gain: Sequence[float], joints: tuple[float, float]
) -> tuple[list[float], list[float], tuple[list[int], list[int]]]:
    """Return the best sums after one piece more, and where each came from: 2 * last step + whether it was on."""
    goes_on, turns = joints
    size = len(off)
    new_off, new_on = [0.0] * size, [float("-inf")] * size
    came_off, came_on = [0] * size, [0] * size
    best, source = float("-inf"), 0  # of starting a later step, what is passed over paid for
    for last in range(size):
        if last:
            start = best - turns * (source % 2)
            stay = max((on[last] + goes_on, 2 * last + 1), (off[last] - 0.1, 2 * last))
            one = max(stay, (start, source))
            new_on[last], came_on[last] = one[0] + gain[last - 1], one[1]
        new_off[last], came_off[last] = max((off[last], 2 * last), (on[last], 2 * last + 1))
        here = max((off[last], 2 * last), (on[last], 2 * last + 1))
        best, source = max((best - _PASSED, source), here) if last else here
    return new_off, new_on, (came_off, came_on)


def _traced(
    pieces: Sequence[Segment],
    gains: Sequence[Sequence[float]],
    ends: tuple[Sequence[float], Sequence[float]],
    back: Sequence[tuple[list[int], list[int]]],
) -> list[Placed]:
    off, on = ends
    last, is_on = max(
        ((value, last, state) for state, some in enumerate((off, on)) for last, value in enumerate(some))
    )[1:]
    found = list[Placed]()
    for at in range(len(pieces) - 1, -1, -1):
        step = last - 1 if is_on else None
        found.append(Placed(pieces[at], step, gains[at][step] + _NEEDED if step is not None else 0.0))
        came = back[at][is_on][last]
        last, is_on = divmod(came, 2)
    return found[::-1]


def concludes(piece: Segment) -> bool:
    """Whether a piece says what follows from all before it."""
    return bool(_CONCLUDES.search(piece.text))


def opens_answer(piece: Segment) -> bool:
    """Whether a line gives the answer, wherever it stands in a paragraph."""
    return bool(_ANSWERS.search(piece.text))


def asks_thought(step: PlanStep) -> bool:
    """Whether a step is done by saying it: one to understand, note or recall something."""
    return bool(_SAYS.search(step.text))


def asks_answer(step: PlanStep) -> bool:
    """Whether a step asks for what a conclusion says."""
    return bool(_ASKS_ANSWER.search(step.text))


def kind_of(piece: Segment, one: Features, *, first: bool, ending: bool) -> Kind:
    """Return what a piece of no step is: the conclusion, talk around the work, or work that no step asks for."""
    if ending and _CONCLUDES.search(piece.text):
        return "answer"
    works = one.computes or bool(one.numbers)
    if not works and (first or len(one.terms) < 6 or piece.text.rstrip(" *").endswith(":")):
        return "talk"
    return "talk" if first and not one.computes else "added"
