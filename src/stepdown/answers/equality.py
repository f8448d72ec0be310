"""Whether two answers are the same: yes or no only where that is sure, else None for a computer algebra system.

Two answers are the same where they can mean the same (`meanings`).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction

from stepdown.answers.arithmetic import close, evaluate
from stepdown.answers.latex import LONGEST, typography, unit_off, unmarked
from stepdown.answers.meanings import (
    Based,
    FormulaValue,
    ListOfAnswers,
    Matrix,
    NamedValues,
    Reading,
    Words,
    figure,
    readings,
    squeezed,
)
from stepdown.answers.regions import same_region
from stepdown.answers.relations import Relation, same_relation
from stepdown.answers.texts import plain_text
from stepdown.answers.units import measure, same_measure
from stepdown.answers.unwrapping import unwrapped

_DEEPEST = 8
_MOST_COMPARISONS = 4000
_MOST_MEMBERS = 80
_DECIMAL = re.compile(r"-?\d*\.(\d+)")
_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+")


def same_expression(one: str, other: str) -> bool | None:
    """Tell whether two answers are equal, or None where only a computer algebra system could say.

    Never raises, whatever the texts; of more than 4,000 characters only identical ones are known to be equal.
    """
    if max(len(one), len(other)) > LONGEST:
        return True if one.strip() == other.strip() else None
    ones, others = typography(one), typography(other)
    if not ones or not others:
        return False
    comparison = _Comparison()
    verdict = comparison.same(ones, others)
    for listed in () if verdict else _lists(one, other):
        if comparison.same(*listed):
            return True
    return verdict


def _lists(one: str, other: str) -> Iterator[tuple[str, str]]:
    """Yield answers in which `100,200,300` is no number but three."""
    plain = typography(one), typography(other)
    for at, text in enumerate((one, other)):
        bare = unwrapped(text)
        if _GROUPED.fullmatch(bare):
            yield (bare.replace(",", ", "), plain[1]) if at == 0 else (plain[0], bare.replace(",", ", "))


class _Comparison:
    """One comparison with what is left of its bounds."""

    def __init__(self) -> None:
        self.left = _MOST_COMPARISONS

    def same(self, one: str, other: str, depth: int = 0) -> bool | None:
        if squeezed(one) == squeezed(other):
            return True
        self.left -= 1
        if depth > _DEEPEST or self.left < 0:
            return None
        ones, others = list(readings(one)), list(readings(other))
        verdict: bool | None = False
        for a in ones:
            for b in others:
                outcome = self.compared(a, b, depth)
                if outcome:
                    return True
                verdict = None if outcome is None else verdict
        return verdict

    def compared(self, one: Reading, other: Reading, depth: int) -> bool | None:
        if isinstance(one, FormulaValue) and isinstance(other, FormulaValue):
            return same_value(one, other)
        if isinstance(one, ListOfAnswers) and isinstance(other, ListOfAnswers):
            return self.listings(one, other, depth)
        if isinstance(one, NamedValues) and isinstance(other, NamedValues):
            return self.names(one, other, depth)
        if isinstance(one, NamedValues) and isinstance(other, ListOfAnswers):
            return self.named(one, other, depth)
        if isinstance(one, ListOfAnswers) and isinstance(other, NamedValues):
            return self.named(other, one, depth)
        if isinstance(one, Matrix) and isinstance(other, Matrix):
            return self.grids(one, other, depth)
        if isinstance(one, Relation) and isinstance(other, Relation):
            return same_relation(one, other)
        if isinstance(one, tuple) and isinstance(other, tuple):
            return same_region(one, other)
        if isinstance(one, Based) and isinstance(other, Based):
            return one == other
        if isinstance(one, Words) and isinstance(other, Words):
            return one.words == other.words
        return _unlike(one, other)

    def listings(self, one: ListOfAnswers, other: ListOfAnswers, depth: int) -> bool | None:
        one, other = _distinct(one), _distinct(other)
        if len(one.members) != len(other.members) or len(one.members) > _MOST_MEMBERS:
            return False if len(one.members) <= _MOST_MEMBERS else None
        if one.ordered and other.ordered:
            return self.in_order(one.members, other.members, depth) if _same_shell(one, other) else False
        if not (one.ordered or other.ordered):
            return self.in_any_order(one.members, other.members, depth)
        ordered, free = (one, other) if one.ordered else (other, one)
        if ordered.shell in ("[)", "(]") or (ordered.shell == "[]" and len(one.members) == 2):
            return False
        if free.shell:
            return False if self.in_any_order(one.members, other.members, depth) is False else None
        return self.in_order(one.members, other.members, depth)

    def in_order(self, ones: Sequence[str], others: Sequence[str], depth: int) -> bool | None:
        return _all(self.same(a, b, depth + 1) for a, b in zip(ones, others, strict=True))

    def in_any_order(self, ones: Sequence[str], others: Sequence[str], depth: int) -> bool | None:
        rest, unsure = list(others), False
        for one in ones:
            partner = None
            maybe = False
            for at, other in enumerate(rest):
                verdict = self.same(one, other, depth + 1)
                if verdict:
                    partner = at
                    break
                maybe = maybe or verdict is None
            if partner is not None:
                rest.pop(partner)
            elif not maybe:
                return False
            unsure = unsure or partner is None
        return None if unsure else True

    def names(self, one: NamedValues, other: NamedValues, depth: int) -> bool | None:
        ones, others = dict(one.values), dict(other.values)
        if ones.keys() != others.keys():
            return False if len(ones) != len(others) else None
        return _all(self.same(ones[name], others[name], depth + 1) for name in ones)

    def named(self, one: NamedValues, other: ListOfAnswers, depth: int) -> bool | None:
        """Names against values alone: in the order given, which the alphabet's must not contradict."""
        if len(one.values) != len(other.members) or other.shell in ("[)", "(]"):
            return False
        given = [value for _, value in one.values]
        if other.shell == "\\{\\}":
            return None if self.in_any_order(given, other.members, depth) is not False else False
        verdict = self.in_order(given, other.members, depth)
        alphabet = [value for _, value in sorted(one.values)]
        if alphabet == given:
            return verdict
        by_alphabet = self.in_order(alphabet, other.members, depth)
        return by_alphabet if by_alphabet or verdict is False else None

    def grids(self, one: Matrix, other: Matrix, depth: int) -> bool | None:
        if one.bars != other.bars:
            return None
        if [len(row) for row in one.rows] != [len(row) for row in other.rows]:
            return False
        pairs = zip(one.rows, other.rows, strict=True)
        return _all(self.same(a, b, depth + 1) for row, against in pairs for a, b in zip(row, against, strict=True))


def same_value(one: FormulaValue, other: FormulaValue) -> bool | None:
    """Tell whether two formulas are equal, also where one has a unit and the other none."""
    if one.named and other.named and one.named != other.named:
        return None if same_value(FormulaValue(one.formula), FormulaValue(other.formula)) is not False else False
    if one.formula.endswith("%") and other.formula.endswith("%"):
        return same_value(FormulaValue(one.formula[:-1]), FormulaValue(other.formula[:-1]))
    measures = measure(one.formula), measure(other.formula)
    if measures[0] is not None and measures[1] is not None:
        return same_measure(measures[0], measures[1])
    formulas = [figure(unit_off(side.formula).removesuffix("%")) for side in (one, other)]
    values = [evaluate(formula) for formula in formulas]
    if values[0] is None or values[1] is None:
        return True if squeezed(formulas[0]) == squeezed(formulas[1]) else None
    verdict = close(values[0], values[1])
    if verdict is False and (_rounded(formulas[0], values[1][0]) or _rounded(formulas[1], values[0][0])):
        return None
    return verdict


def _rounded(decimal: str, value: Fraction | complex) -> bool:
    """Tell whether a decimal of four digits or more is a value rounded, which no decimal could say."""
    match = _DECIMAL.fullmatch(decimal.replace(" ", ""))
    if match is None or len(decimal.replace(".", "").strip("- 0")) < 4:
        return False
    if isinstance(value, Fraction) and 10**40 % value.denominator == 0:
        return False
    apart = abs(complex(Fraction(decimal.replace(" ", ""))) - complex(value))
    return bool(apart <= 0.51 / 10 ** min(len(match[1]), 300))


def _unlike(one: Reading, other: Reading) -> bool | None:
    """Answers of two sorts are not equal, where both are understood."""
    if {type(one), type(other)} == {Words, FormulaValue}:
        text, value = (one, other) if isinstance(one, Words) else (other, one)
        assert isinstance(text, Words) and isinstance(value, FormulaValue), "they were told apart"
        if text.words == plain_text(unmarked(value.formula)).replace(" ", ""):
            return True
    for side in (one, other):
        if isinstance(side, FormulaValue) and evaluate(figure(unit_off(side.formula).removesuffix("%"))) is None:
            return None
    return False


def _distinct(one: ListOfAnswers) -> ListOfAnswers:
    """Drop what an unordered list says twice."""
    if one.ordered:
        return one
    return ListOfAnswers(
        tuple({squeezed(member): member for member in reversed(one.members)}.values())[::-1], one.shell
    )


def _same_shell(one: ListOfAnswers, other: ListOfAnswers) -> bool:
    return one.shell == other.shell or (len(one.members) != 2 and {one.shell, other.shell} <= {"()", "[]"})


def _all(verdicts: Iterable[bool | None]) -> bool | None:
    unsure = False
    for verdict in verdicts:
        if verdict is False:
            return False
        unsure = unsure or verdict is None
    return None if unsure else True
