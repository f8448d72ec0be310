"""What is wrong with a plan as a text: it forbids solving, leaves blanks, repeats the question, or solves."""

import re
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from itertools import islice
from math import ceil
from typing import Literal

import msgspec

from stepdown.answers import bare, forbidding, is_given, leak, numbers
from stepdown.types import Plan, Problem

FaultKind = Literal["forbids solving", "leaves blanks", "restates the question", "solves"]
KINDS: tuple[FaultKind, ...] = ("forbids solving", "leaves blanks", "restates the question", "solves")

_BLANK = re.compile(
    r"_{3,}|(?:\\_){2,}|\[[ \t]{0,9}\]|\\boxed\{\s{0,9}\}|\?{3,}|\\text\{\?\}"
    r"|\[(?:blank|fill in|answer)\b[^\]\n]{0,20}\]"
    r"|\bfill in the blanks?\b",
    re.IGNORECASE,
)
# One of these stands in every blank but `fill in the blank`.
_SIGNS_OF_BLANKS = ("__", "[", "\\", "???")
_OPERAND = r"\(?\\?\$?\d[\d.,]{0,15}%?(?:[ ][A-Za-z]{2,12})?\)?"
_WORKED = re.compile(
    rf"(?<![\w.]){_OPERAND}[ ]{{0,2}}(?:[-+*/×÷−]|x|divided by|times|plus|minus|\\times|\\div)[ ]{{0,2}}{_OPERAND}"
    r"[ ]{0,2}(?:=|≈|equals|is)[ ]{0,2}\\?\$?(?P<result>-?\d[\d.,]{0,15})(?![\w(])",
    re.IGNORECASE,
)
_DIGIT, _WORD = re.compile(r"\d"), re.compile(r"\w+")
RUN = 4
RESTATED = 0.8
# Characters up to which a text is searched for each run.
_SEARCHED = 5_000


class PlanFault(msgspec.Struct, frozen=True):
    """One thing wrong with a plan, and the words that show it."""

    kind: FaultKind
    quote: str


@lru_cache(maxsize=1024)
def faults(problem: Problem, plan: Plan) -> tuple[PlanFault, ...]:
    """Return what is wrong with a plan, each kind at most once, with the first words that show it."""
    quotes: dict[FaultKind, Iterator[str]] = {
        "forbids solving": forbidding(plan.text),
        "leaves blanks": blanks(plan.text),
        "restates the question": restating(problem.question, plan.text),
        "solves": solving(problem, plan),
    }
    first = {kind: next(found, None) for kind, found in quotes.items()}
    return tuple(PlanFault(kind, quote.strip()[:200]) for kind, quote in first.items() if quote is not None)


def blanks(text: str) -> Iterator[str]:
    """Stream the lines with a blank for the student to fill in."""
    if text.isascii() and not any(sign in text for sign in _SIGNS_OF_BLANKS) and "fill in" not in text.lower():
        return
    yield from (_line_of(text, match.start()) for match in _BLANK.finditer(text))


def restating(question: str, text: str) -> Iterator[str]:
    """Give the question where at least 80 % of its runs of four words come again in the plan."""
    runs, words = _runs(question), f" {' '.join(_WORD.findall(text.lower()))} "
    # A set of a text's runs takes longer to make than a few searches in it, but not than a search for each run of many.
    there = words if len(words) < _SEARCHED else _runs(text)
    missing = (1 for run in runs if run not in there)
    # As soon as too many are missing, the others need not be looked for.
    most = len(runs) - ceil(RESTATED * len(runs))
    if len(runs) >= RUN and sum(islice(missing, most + 1)) <= most:
        yield question


def solving(problem: Problem, plan: Plan) -> Iterator[str]:
    """Stream the calculations a plan carries out itself, if it does two, or its last step if that has the answer."""
    # A calculation has three numbers.
    several = len(_DIGIT.findall(plan.text)) >= 6
    worked = list(_WORKED.finditer(bare(plan.text))) if several else []
    if len(worked) >= 2:
        worked = [match for match in worked if not any(is_given(problem, one) for one in _values(match["result"]))]
    results = [match[0] for match in worked]
    if len(results) >= 2:
        yield from results
    elif leak(problem, plan).last_step:
        yield plan.steps[-1]


def _values(result: str) -> set[Fraction]:
    return {abs(one.value) for one in numbers(result.rstrip(".,"))}


def _runs(text: str) -> set[str]:
    """Return the runs of so many words, with a blank before and after each word."""
    words = _WORD.findall(text.lower())
    return {f" {' '.join(words[at : at + RUN])} " for at in range(len(words) - RUN + 1)}


def _line_of(text: str, at: int) -> str:
    return text[text.rfind("\n", 0, at) + 1 :].split("\n", 1)[0]
