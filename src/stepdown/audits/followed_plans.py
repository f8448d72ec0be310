"""Who is to blame for a wrong trace, told from its own text: a wrong calculation, or a plan that was not followed.

A heuristic, asked only where no crossing of students with plans decides; docs/adherence.md says how well it does.
"""

import operator
import re
from collections.abc import Callable, Iterator
from fractions import Fraction

from stepdown.alignment import LONGEST, align, plan_steps
from stepdown.audits.blame import Blame
from stepdown.types import Trace

_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d{1,9})?|\d{1,12}(?:\.\d{1,9})?"
# `16 - 3 - 4 = $9`; of one kind of sign or several, up to eight numbers.
_EQUATION = re.compile(
    rf"(?<![\d.,)}}^*/×÷+\-−=x]\s)(?<![\w.,)}}^*/×÷+\-−=])[$€]?({_NUMBER})((?:\s*[-+*×x/÷−]\s*[$€]?(?:{_NUMBER})){{1,7}})"
    rf"\s*=\s*[$€]?({_NUMBER})(?![\d%/^*×÷]|[.,]\d|\s*[-+*×x/÷−]\s*[$€]?\d)"
)
_TERM = re.compile(rf"([-+*×x/÷−])\s*[$€]?({_NUMBER})")
_OPERATORS: dict[str, Callable[[Fraction, Fraction], Fraction]] = {
    "+": operator.add, "-": operator.sub, "−": operator.sub, "*": operator.mul, "×": operator.mul, "x": operator.mul,
    "/": operator.truediv, "÷": operator.truediv,
}  # fmt: skip
_ROUNDED = Fraction(1, 50)
HEURISTIC = "by a heuristic: "
_WORDS = {"c": "changed", "s": "skipped"}


def blame_of_text(trace: Trace, letters: str = "", judge: str = "") -> tuple[Blame, str]:
    """Return who is to blame for a wrong trace, by its own text, and why; `unknown` where that tells nothing.

    With `letters` it is this judge, not the rule, who says what became of the steps.
    """
    if trace.plan is None or not trace.solution:
        return "unknown", "there is no plan and solution to line up"
    equations = list(_equations(trace.solution[:LONGEST]))
    slips = [text for text, holds in equations if not holds]
    if slips:
        return "student", f"{HEURISTIC}`{slips[0]}` is wrong"
    if not letters and not any(sign.isdigit() for sign in trace.solution):
        return "unknown", "the solution has no number to line up"
    if left := _judged(trace.plan.text, letters, judge) if letters else _left(trace.plan.text, trace.solution):
        return "student", left
    if equations:
        return "plan", f"{HEURISTIC}all its steps are followed and no calculation is wrong, so it leads elsewhere"
    return "unknown", "its steps are followed, and there is no calculation that can be checked"


def _left(plan: str, solution: str) -> str:
    """Say which step of a plan is the first that was not followed, by the rule; nothing where all were."""
    left = [one for one in align(plan, solution).steps if one.status != "done"]
    return f"{HEURISTIC}step {left[0].step.number} of the plan is {left[0].status}, {left[0].why}" if left else ""


def _judged(plan: str, letters: str, judge: str) -> str:
    """Say the same by a judge's letters."""
    left = [(step.number, _WORDS[letter]) for step, letter in zip(plan_steps(plan), letters, strict=False)
            if letter in _WORDS]  # fmt: skip
    return f"by the judge `{judge}`: step {left[0][0]} of the plan is {left[0][1]}" if left else ""


def _equations(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the calculations written out in a text, at most 200, and whether each holds but for rounding."""
    for found, _ in zip(_EQUATION.finditer(text), range(200), strict=False):
        value = _value(found[1], _TERM.findall(found[2]))
        if value is not None:
            stated = _number(found[3])
            yield found[0].strip(), abs(value - stated) <= max(abs(value) * _ROUNDED, Fraction(1, 100))


def _value(first: str, terms: list[tuple[str, str]]) -> Fraction | None:
    """Return what a row of numbers and signs comes to, products first; None for a division by nothing."""
    sums = [_number(first)]
    for sign, written in terms:
        number = _number(written)
        if _OPERATORS[sign] is operator.truediv and not number:
            return None
        if sign in "+-−":
            sums.append(number if sign == "+" else -number)
        else:
            sums[-1] = _OPERATORS[sign](sums[-1], number)
    return sum(sums, Fraction(0))


def _number(written: str) -> Fraction:
    return Fraction(written.replace(",", ""))
