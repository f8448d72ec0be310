"""Self-consistency: which answer the samples of one problem vote for, and how that one was graded."""

import re
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

from stepdown.types import Grade

_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")


def elect(grades: Sequence[Grade]) -> Grade:
    """Return the grade of the answer most samples found; ties go to the first, and no answer is no vote.

    Self-consistency: Wang et al. (2023), arXiv 2203.11171. Without any answer, the first verdict stands.
    """
    graded = [grade for grade in grades if grade.verdict != "ungraded"]
    ballots = [(_ballot(grade.found), grade) for grade in graded if grade.found]
    if not ballots:
        return (graded or grades)[0]
    winner = Counter(ballot for ballot, _ in ballots).most_common(1)[0][0]
    return next(grade for ballot, grade in ballots if ballot == winner)


def _ballot(found: str) -> str:
    plain = " ".join(found.casefold().split())
    try:
        return str(Decimal(_THOUSANDS.sub("", plain)).normalize())
    except InvalidOperation:
        return plain
