"""Self-consistency: which answer most samples of a problem give, whatever its spelling. The one vote there is.

Wang et al. (2023), arXiv 2203.11171, on answers that are equal instead of spelled alike.
"""

from collections.abc import Sequence

import msgspec

from stepdown.answers.sameness import same
from stepdown.types import Kind


class Majority(msgspec.Struct, frozen=True):
    """The answer most samples give, the place of the first that does, and how many do; none is 0 votes."""

    answer: str | None = None
    place: int | None = None
    votes: int = 0


def groups(kind: Kind, answers: Sequence[str | None]) -> list[tuple[int, ...]]:
    """Return the places of equal answers, a group for each, in the order in which they are reached.

    None and an empty answer are no vote and stand in no group. An answer is compared with the first of each group, and
    is equal to it only where `same` is sure, so that the same answers always make the same groups.
    """
    found: list[list[int]] = []
    spelled: dict[str, list[int]] = {}
    for place, answer in enumerate(answers):
        if not answer:
            continue
        spelling = " ".join(answer.split())
        if spelling not in spelled:
            alike = (one for one in found if same(kind, answers[one[0]] or "", answer))
            group = next(alike, None)
            if group is None:
                found.append(group := [])
            spelled[spelling] = group
        spelled[spelling].append(place)
    return [tuple(group) for group in found]


def elected(kind: Kind, answers: Sequence[str | None]) -> tuple[int, ...]:
    """Return the places of the answer with most votes; ties go to the answer reached first, and nobody's is empty."""
    return max(groups(kind, answers), key=len, default=())
