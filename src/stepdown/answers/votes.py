"""Self-consistency: which answer most samples of a problem give, whatever its spelling. The one vote there is.

Wang et al. (2023), arXiv 2203.11171, on answers that are equal instead of spelled alike.
"""

from collections.abc import Hashable, Sequence

import msgspec

from stepdown.answers.sameness import same, stands_for
from stepdown.types import Kind

_MOST_COMPARED = 24


class Majority(msgspec.Struct, frozen=True):
    """The answer most samples give, the index of the first that does, and how many do; none is 0 votes."""

    answer: str | None = None
    index: int | None = None
    votes: int = 0


def groups(kind: Kind, answers: Sequence[str | None]) -> list[tuple[int, ...]]:
    """Return the places of equal answers, a group for each, in the order in which they are reached.

    None and an empty answer are no vote and stand in no group. An expression is compared with the first of each group,
    of the first 24 groups, and is equal to it only where `same` is sure, so that the same answers always make the same
    groups.
    """
    classes: list[list[int]] = []
    known: dict[Hashable, list[int]] = {}
    for index, answer in enumerate(answers):
        if not answer:
            continue
        key = stands_for(kind, answer)
        key = " ".join(answer.split()) if key is None else (key,)
        if key not in known:
            group = _alike(answer, answers, classes) if kind == "expression" else None
            if group is None:
                classes.append(group := [])
            known[key] = group
        known[key].append(index)
    return [tuple(group) for group in classes]


def _alike(answer: str, answers: Sequence[str | None], classes: Sequence[list[int]]) -> list[int] | None:
    firsts = ((one, answers[one[0]]) for one in classes[:_MOST_COMPARED])
    return next((one for one, first in firsts if first and same("expression", first, answer)), None)


def majority_indices(kind: Kind, answers: Sequence[str | None]) -> tuple[int, ...]:
    """Return the places of the answer with most votes; ties go to the answer reached first, and nobody's is empty."""
    return max(groups(kind, answers), key=len, default=())
