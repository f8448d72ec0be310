"""Other numbers in a word problem, and the answer that its worked solution then gives.

A number is changed only where it is certain what it does: it stands once in the question and once in the solution, and
is no number that a solution may take from the world (a dozen, 60 minutes). All else stays, and a problem stays out in
which the question has a number that the solution does not use, so that a condition may hang on it, or the solution one
that it has from nowhere: it may be worked out beside the sums.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction

from stepdown.problems.perturbing.arithmetic import Sum, sums_of
from stepdown.problems.wordsums.generator import Draw
from stepdown.types import Problem

# What solutions take from the world: small counts, months, hours, days of a month or a year, minutes, percent.
WORLD = frozenset({0, 1, 2, 3, 4, 5, 7, 8, 10, 12, 16, 24, 28, 30, 31, 36, 50, 52, 60, 100, 360, 365, 366, 1000})
_WHOLE = re.compile(r"-?\d+")
_YEARS = range(1900, 2101)
_DIGITS = re.compile(r"\d[\d,]*(?:\.\d+)?")
_PLAIN = re.compile(r"(?<![\w.,/:-])(?:\d{1,3}(?:,\d{3})+|\d{1,6})(?![\w/:%-]|[.,]\d)")
# A number beside one of these may be where something begins or ends.
_CONDITION = re.compile(
    r"\b(?:at least|at most|up to|beyond|exceeds?|unless|limit|maximum|minimum|overtime|after the first|the first"
    r"|every other|remainder|left over|percent)\b|%",
    re.IGNORECASE,
)
_TRIES = 400


def changed_numbers(problem: Problem, draw: Draw, *, generated: bool = False) -> Problem | str:
    """Return the problem with other numbers and its new answer, or why it cannot be.

    `generated`: all that the question tells beside the solution is known not to matter.
    """
    sums = sums_of(problem.solution)
    if problem.kind != "number" or not _WHOLE.fullmatch(problem.answer):
        return "the answer is no whole number"
    if not sums or not _comes_out(sums, int(problem.answer)):
        return "no worked solution whose sums come out at the answer"
    if not generated and (_CONDITION.search(problem.question) or _unused(problem.question, sums)):
        return "the question may hang on a number that the solution does not use"
    if not generated and _from_nowhere(problem.question, sums):
        return "the solution has a number that neither the question nor an earlier sum gives"
    movable = _movable(problem.question, sums)
    if not movable:
        return "no number that stands once in question and solution"
    for _ in range(_TRIES):
        drawn = {old: draw.between((max(6, old // 2), old + max(2, old // 2))) for old in movable}
        answer = _answer_with(sums, drawn, problem.question, world=frozenset() if generated else WORLD)
        if answer is not None and answer != int(problem.answer):
            return Problem(
                id=problem.id, question=_rewritten(problem.question, drawn), answer=str(answer), kind=problem.kind
            )
    return "no other numbers come out as whole ones in the same order"


def _comes_out(sums: Sequence[Sum], answer: int) -> bool:
    """Tell whether all sums of a solution give what it says, and the last one the answer."""
    results = [one.result(one.numbers) for one in sums]
    agree = all(one.stated in (None, result) for one, result in zip(sums, results, strict=True))
    return agree and results[-1] == answer


def _values(question: str) -> list[Fraction]:
    return [Fraction(digits.replace(",", "").rstrip(".")) for digits in _DIGITS.findall(question)]


def _unused(question: str, sums: Sequence[Sum]) -> bool:
    used = {number for one in sums for number in one.numbers}
    return not set(_values(question)) <= used


def _from_nowhere(question: str, sums: Sequence[Sum]) -> bool:
    """Tell whether a sum has a number that may be worked out of one that changes, in words or without being marked."""
    given = {*map(Fraction, WORLD), *_values(question)}
    for one in sums:
        if not given.issuperset(one.numbers):
            return True
        given |= {result for result in (one.result(one.numbers),) if result is not None}
    return False


def _movable(question: str, sums: Sequence[Sum]) -> list[int]:
    """Return the numbers that may change: whole, plain, once in the question, once in the solution, no result of it."""
    asked = Counter(_values(question))
    used = Counter(number for one in sums for number in one.numbers)
    results = {one.result(one.numbers) for one in sums}
    plain = [int(found.replace(",", "")) for found in _PLAIN.findall(question)]
    return [
        number
        for number in plain
        if number not in WORLD and number not in _YEARS
        and asked[Fraction(number)] == used[Fraction(number)] == 1 and number not in results
    ]  # fmt: skip


class _Worked:
    """The results of a worked solution, as they were and as they are with other numbers in the question."""

    def __init__(self, moved: Mapping[Fraction, Fraction], asked: Sequence[Fraction], world: frozenset[int]) -> None:
        self._moved, self._asked, self._world = moved, asked, world
        self._twofold = set[Fraction]()
        self._uses = Counter[Fraction]()
        self.before: dict[Fraction, Fraction] = {}

    def new(self, number: Fraction) -> Fraction | None:
        """Return what stands in the place of a number; None where nobody can say whether it is a result that changed.

        It may be another result too, a number of the question, or, where it stands twice, one of the world.
        """
        if number not in self.before:
            return self._moved.get(number, number)
        self._uses[number] += 1
        after, twice = self.before[number], self._uses[number] > 1
        other = number in self._asked or (twice and number in self._world)
        return None if number in self._twofold or (other and after != number) else after

    def add(self, before: Fraction, after: Fraction) -> None:
        """Take in a result."""
        if self.before.setdefault(before, after) != after:
            self._twofold.add(before)


def _answer_with(sums: Sequence[Sum], drawn: Mapping[int, int], question: str, *, world: frozenset[int]) -> int | None:
    """Return the answer with the numbers drawn; None where it would not be a problem of the same kind.

    Results stay positive, and whole where they were; the numbers of the question keep their order, and none becomes
    equal to another or to a result. `world` are the numbers that a solution may have from elsewhere.
    """
    moved = {Fraction(old): Fraction(new) for old, new in drawn.items()}
    asked = sorted(set(_values(question)))
    worked, results = _Worked(moved, asked, world), list[Fraction]()
    for one in sums:
        numbers = [new for number in one.numbers if (new := worked.new(number)) is not None]
        before, after = one.result(one.numbers), one.result(numbers) if len(numbers) == len(one.numbers) else None
        if before is None or after is None or not _alike(before, after):
            return None
        worked.add(before, after)
        results.append(after)
    shown = [moved.get(number, number) for number in asked]
    coincided, coincide = (len(set(one) & set(some)) for one, some in ((asked, worked.before), (shown, results)))
    if shown != sorted(set(shown)) or coincide > coincided:
        return None
    return int(results[-1])


def _alike(before: Fraction, after: Fraction) -> bool:
    return (after > 0) == (before > 0) and (after.denominator == 1 or before.denominator != 1)


def _rewritten(question: str, drawn: Mapping[int, int]) -> str:
    return _PLAIN.sub(lambda found: _written(found[0], drawn), question)


def _written(digits: str, drawn: Mapping[int, int]) -> str:
    old = int(digits.replace(",", ""))
    new = drawn.get(old, old)
    return digits if new == old else f"{new:,}" if "," in digits else str(new)
