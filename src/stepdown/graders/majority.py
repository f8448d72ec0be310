"""Self-consistency among graded samples: which answer the samples of one problem vote for, and how it was graded.

The vote is `stepdown.answers.groups`: blind to the gold and to every verdict.
"""

from collections.abc import Sequence

import msgspec

from stepdown.answers import conclusion, majority_indices
from stepdown.types import Grade, Trace

Attempts = Sequence[tuple[Trace, Grade]]


def majority_grade(attempts: Attempts) -> Grade:
    """Return the grade of the answer most samples of a problem found; ties go to the one reached first.

    One sample is no vote: its grade stands. Samples without an answer, failed ones and those that were cut do not vote.
    Where none does, the problem is wrong, or ungraded if all samples are.
    """
    if len(attempts) == 1:
        return attempts[0][1]
    places = majority_indices(attempts[0][0].problem.kind, votes_of(attempts))
    return verdict_of(attempts, places) if places else _unanswered(attempts)


def votes_of(attempts: Attempts) -> list[str | None]:
    """Return what each sample votes for, None for nothing.

    That is the answer its grader found. Where a grader names no answers, as a judge does not, solutions are read.
    """
    if any(grade.found for _, grade in attempts):
        return [None if trace.cut else grade.found for trace, grade in attempts]
    return [None if trace.cut or trace.error is not None else _read(trace) for trace, _ in attempts]


def verdict_of(attempts: Attempts, indices: Sequence[int]) -> Grade:
    """Return the grade of an answer, given the places of its samples: the first that is graded."""
    grades = [attempts[index][1] for index in indices]
    return next((grade for grade in grades if grade.verdict != "ungraded"), grades[0])


def _read(trace: Trace) -> str | None:
    problem = trace.problem
    return conclusion(trace.solution or "", problem.kind, problem.choices, question=problem.question).found


def _unanswered(attempts: Attempts) -> Grade:
    graded = next((grade for _, grade in attempts if grade.verdict != "ungraded"), None)
    if graded is None:
        return attempts[0][1]
    return msgspec.structs.replace(graded, verdict="wrong", found=None, why="no sample came to an answer of its own")
