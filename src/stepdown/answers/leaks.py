"""Does a plan give its problem's answer away, told as a result and not merely mentioned?"""

import re
from fractions import Fraction
from functools import lru_cache, partial
from math import gcd

import msgspec

from stepdown.answers.figures import numbers, numbers_of
from stepdown.answers.instructions import ENUMERATOR, MARK, MENTION
from stepdown.answers.statements import StatedAnswer, states_choice, states_formula, states_number
from stepdown.types import LETTERS, Plan, Problem

# Signs that would read as arithmetic.
_BULLET = re.compile(r"^[ \t]{0,40}[-*•+–][ \t]{1,9}", re.MULTILINE)
_BOLD = re.compile(r"(?<!\d)\*\*|\*\*(?!\d)")
# Units of time and measure, shares of a hundred, and counting up to ten come from common knowledge.
CONSTANTS = frozenset(
    Fraction(value)
    for value in (*range(11), 12, 14, 16, 24, 30, 31, 36, 52, 60, 90, 100, 144, 180, 360, 365, 366, 1000, 3600, 5280)
) | {Fraction(1, 2)}
_WRAPPING = re.compile(r"\\(?:left|right|displaystyle|[!,;: ()\[\]])|[$`*]|\\\$")
_TEXT = re.compile(r"\\(?:text|mbox|mathrm|textbf)\{([^{}]{0,200})\}")
_UNITS = re.compile(r"(?<=\d)\s{0,3}\\(?:text|mbox|mathrm)\{[^{}]{0,200}\}")
_FIGURE = re.compile(r"-?(?:\d[\d,]*(?:\.\d+)?|\.\d+|\d+/\d+|\\frac\{-?\d+\}\{\d+\})%?")
# A number that stands for itself in a formula: the base of a power (`4^x`), and no exponent, index or coefficient.
_STANDING = re.compile(r"(?<![\w.^{_\\])\d{1,12}(?![\w.])")
_NAMED = re.compile(r"[A-Za-z]\s{0,3}(?:=|\\in\b)\s{0,3}")


class Leak(msgspec.Struct, frozen=True):
    """What one plan gives away.

    `gold` says that the plan tells the answer as a result, `last_step` that its last step does. `assessable` is False
    where the question itself holds the gold and the plan does not call it the answer: to find it says nothing then.
    `computed` are the plan's numbers that are neither in the question nor common constants, as written; `quote` is
    the words by which the answer is told.
    """

    assessable: bool = True
    gold: bool = False
    last_step: bool = False
    computed: tuple[str, ...] = ()
    quote: str = ""


@lru_cache(maxsize=1024)
def leak(problem: Problem, plan: Plan) -> Leak:
    """Return what a plan gives away of its problem's gold.

    The gold is told where it stands as a result: a value that no question gives and no unit of measure explains, the
    right side of an equation, what the answer "is". It is not told by an operand, an exponent, a coefficient, a
    conversion ("12 months"), an item of a list, or a value that the plan goes on to calculate with.
    """
    marked = MENTION.sub(" ", ENUMERATOR.sub(MARK, plan.text.replace(MARK, " ")))
    marked = _BOLD.sub("  ", _BULLET.sub(" ", marked))
    values = numbers_of(marked.replace(MARK, " "), words=False)
    computed = tuple(dict.fromkeys(marked[one.start : one.end] for one in values if not _is_known(problem, one.value)))
    is_in_question = _holds(_question_of(problem), problem)
    stated = _stated_in(marked, problem, surely=is_in_question)
    if stated is None:
        return Leak(assessable=not is_in_question, computed=computed)
    return Leak(gold=True, last_step=stated.last, computed=computed, quote=stated.quote)


def is_given(problem: Problem, value: Fraction) -> bool:
    """Whether a question gives a value, also spelled out, as a share of a hundred, or with the other sign."""
    known, (top, bottom) = _ratios_of(problem), abs(value).as_integer_ratio()
    above, below = gcd(100, bottom), gcd(100, top)
    ratios = (top, bottom), (100 // above * top, bottom // above), (top // below, 100 // below * bottom)
    return not known.isdisjoint(ratios)


@lru_cache(maxsize=1024)
def _ratios_of(problem: Problem) -> frozenset[tuple[int, int]]:
    """Return the values that stand in a question, without sign, in lowest terms."""
    question = _question_of(problem)
    read = {abs(one.value).as_integer_ratio() for one in numbers_of(question, words=True)}
    return frozenset(read | {(int(one), 1) for one in _STANDING.findall(question)})


def _is_known(problem: Problem, value: Fraction) -> bool:
    return abs(value) in CONSTANTS or is_given(problem, value)


@lru_cache(maxsize=1024)
def gold_value(problem: Problem) -> Fraction | None:
    """Return the gold's value where it is a plain figure, None for a formula, a choice or a text."""
    if problem.kind != "choice" and problem.answer.isascii() and problem.answer.isdigit() and len(problem.answer) < 13:
        return Fraction(int(problem.answer))
    gold = _plain(_formula(problem))
    values = numbers(gold) if problem.kind != "choice" and _FIGURE.fullmatch(gold) else []
    return values[0].value if values else None


def _stated_in(text: str, problem: Problem, *, surely: bool) -> StatedAnswer | None:
    if problem.kind == "choice" and problem.choices:
        return states_choice(text, problem, surely=surely)
    value = gold_value(problem)
    if value is not None:
        common = abs(value) in CONSTANTS
        is_known = partial(_is_known, problem)
        return states_number(text, value, problem.question, is_known=is_known, common=common, surely=surely)
    return states_formula(_unwrapped(text), _unwrapped(_formula(problem)).strip(), surely=surely)


def _formula(problem: Problem) -> str:
    """Return a gold without the name before it: `x \\in [-2,7]`, `b=4`."""
    gold = problem.answer.strip().strip("$")
    named = _NAMED.match(gold) if problem.kind == "expression" else None
    return gold[named.end() :] if named and "=" not in gold[named.end() :] else gold


def _question_of(problem: Problem) -> str:
    return "\n".join((problem.question, *problem.choices)) if problem.kind != "choice" else problem.question


def _holds(text: str, problem: Problem) -> bool:
    """Whether a question states the gold: the same value, else the same formula, choice or text."""
    value = gold_value(problem)
    if value is not None:
        standing = value.denominator == 1 and value.numerator in map(int, _STANDING.findall(text))
        return standing or any(one.value == value for one in numbers_of(text, words=True))
    if problem.kind == "choice" and problem.choices:
        index = LETTERS.find(problem.answer[:1].upper())
        return 0 <= index < len(problem.choices) and problem.choices[index].casefold() in text.casefold()
    gold = _plain(_formula(problem))
    return bool(gold) and gold in _plain(text)


def _plain(formula: str) -> str:
    return "".join(_unwrapped(formula).split())


def _unwrapped(formula: str) -> str:
    words = _TEXT.sub(r"\1", _UNITS.sub("", formula))
    return _WRAPPING.sub("", words).replace("dfrac", "frac").replace("tfrac", "frac").casefold()
