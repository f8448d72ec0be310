"""Long texts cut to what a page can hold, with the place where an answer was found."""

import msgspec

from stepdown.answers import conclusion, explicit
from stepdown.types import Grade, Problem

LONGEST = 20_000
_AROUND = 500


class Excerpt(msgspec.Struct, frozen=True):
    """A text as a page shows it: `before`, the marked words, `after`; `left_out` characters are not shown.

    `gap` says that some are missing right before the passage around the mark, `lead` is what stands before the gap.
    """

    before: str
    marked: str = ""
    after: str = ""
    lead: str = ""
    gap: bool = False
    left_out: int = 0


def excerpt(text: str, where: tuple[int, int] | None = None) -> Excerpt:
    """Return a text's first characters, and the ones around `where`, its first and one past its last character."""
    if where is None:
        return Excerpt(text[:LONGEST], left_out=max(0, len(text) - LONGEST))
    start, end = where[0], min(where[1], where[0] + LONGEST)
    if end <= LONGEST:
        after = text[end:LONGEST]
        return Excerpt(text[:start], text[start:end], after, left_out=max(0, len(text) - LONGEST))
    begin = max(start - _AROUND, LONGEST)
    tail = text[end : end + _AROUND]
    length = LONGEST + end - begin + len(tail)
    return Excerpt(
        text[begin:start] if start > begin else "",
        text[max(start, begin) : end],
        tail,
        lead=text[:LONGEST],
        gap=begin > LONGEST,
        left_out=len(text) - length,
    )


def found_in(problem: Problem, solution: str, grade: Grade) -> Excerpt:
    """Return a solution with the answer marked where the grader's way of reading finds it."""
    read = explicit if grade.grader.startswith("strict") else conclusion
    return excerpt(solution, read(solution, problem.kind, problem.choices, question=problem.question).where)
