"""Does a plan give the answer away? What it holds of the gold, of computed values, and what that does to accuracy."""

import re
from collections.abc import Iterable
from fractions import Fraction
from functools import lru_cache

import msgspec

from stepdown.answers.numbers import Number, numbers
from stepdown.prompts import LETTERS
from stepdown.types import Grade, Plan, Problem, Trace

# A list's own numbers ("3.", "**Step 3:**", "- Prompt 3:") and mentions of steps ("steps 2 and 3") are no values.
_ENUMERATOR = re.compile(
    r"^[ \t]{0,40}(?:[#>*•+-]{1,6}[ \t]{0,4}){0,4}(?:(?:step|part|prompt|question|instruction)s?[ \t]{0,4}#?[ \t]{0,4}"
    r"\d{1,3}\b[.):]?|\d{1,3}[.):](?!\d))",
    re.IGNORECASE | re.MULTILINE,
)
_MENTION = re.compile(
    r"\b(?:steps?|parts?|prompts?|questions?|equations?|lines?)[ \t]{0,4}#?\d{1,3}"
    r"(?:[ \t]{0,4}(?:,|and|or|to|through|-|–|&)[ \t]{0,4}#?\d{1,3}\b){0,9}",
    re.IGNORECASE,
)
# Units of time and measure, shares of a hundred, and counting up to ten come from common knowledge.
CONSTANTS = frozenset(
    Fraction(value)
    for value in (*range(11), 12, 14, 16, 24, 30, 31, 36, 52, 60, 90, 100, 144, 180, 360, 365, 366, 1000, 3600, 5280)
) | {Fraction(1, 2)}
_WRAPPING = re.compile(r"\\(?:left|right|displaystyle|[!,;: ()\[\]])|\\(?:text|mbox|mathrm)\{[^{}]*\}|[\s$`*]|\\\$")
_FIGURE = re.compile(r"-?(?:\d[\d,]*(?:\.\d+)?|\.\d+|\d+/\d+|\\frac\{-?\d+\}\{\d+\})%?")


class Leak(msgspec.Struct, frozen=True):
    """What one plan gives away.

    `assessable` is False where the question itself holds the gold, so that finding it in the plan says nothing.
    `gold` says that the plan holds it, `last_step` that the last step does; `computed` are the plan's numbers that
    are neither in the question nor common constants, as written.
    """

    assessable: bool = True
    gold: bool = False
    last_step: bool = False
    computed: tuple[str, ...] = ()


class Share(msgspec.Struct, frozen=True):
    """Right of graded of total."""

    right: int = 0
    graded: int = 0
    total: int = 0

    def plus(self, grade: Grade) -> "Share":
        """Return the share with one grade more."""
        return Share(
            self.right + (grade.verdict == "right"), self.graded + (grade.verdict != "ungraded"), self.total + 1
        )

    def __str__(self) -> str:
        return f"{self.right} / {self.graded} / {self.total}"


class Leakage(msgspec.Struct, frozen=True):
    """Leaks over a run's plans, and its accuracy with all traces, without leaked ones, and on assessable clean ones."""

    plans: int = 0
    not_assessable: int = 0
    leaked: int = 0
    last_step: int = 0
    computed: int = 0
    everything: Share = Share()
    without_leaked: Share = Share()
    clean: Share = Share()


@lru_cache(maxsize=1024)
def leak(problem: Problem, plan: Plan) -> Leak:
    """Return what a plan gives away of its problem's gold."""
    written = bare(plan.text)
    values = _numbers(written, False)
    known = given(problem) | CONSTANTS
    computed = tuple(dict.fromkeys(written[one.start : one.end] for one in values if abs(one.value) not in known))
    if _holds(_asked(problem), problem, words=True):
        return Leak(assessable=False, computed=computed)
    if not _holds(written, problem):
        return Leak(computed=computed)
    last = bare(plan.steps[-1]) if plan.steps else ""
    return Leak(gold=True, last_step=_holds(last, problem), computed=computed)


def leaked(trace: Trace) -> bool:
    """Whether a trace's plan holds the gold and the question does not."""
    return trace.plan is not None and leak(trace.problem, trace.plan).gold


def leakage(graded: Iterable[tuple[Trace, Grade]]) -> Leakage:
    """Return the leaks over graded traces; a plan that several samples share counts once."""
    found = Leakage()
    for trace, grade in graded:
        if trace.plan is not None:
            found = add_leak(found, leak(trace.problem, trace.plan), grade, first=trace.sample == 0)
    return found


def add_leak(found: Leakage, one: Leak, grade: Grade, *, first: bool) -> Leakage:
    """Return the leakage with one trace more, and one plan more where this is its `first` trace."""
    return Leakage(
        plans=found.plans + first,
        not_assessable=found.not_assessable + (first and not one.assessable),
        leaked=found.leaked + (first and one.gold),
        last_step=found.last_step + (first and one.last_step),
        computed=found.computed + (first and bool(one.computed)),
        everything=found.everything.plus(grade),
        without_leaked=found.without_leaked if one.gold else found.without_leaked.plus(grade),
        clean=found.clean.plus(grade) if one.assessable and not one.gold else found.clean,
    )


def bare(plan: str) -> str:
    """Return a plan's text without its list numbers and mentions of steps, so that its numbers are values."""
    return _MENTION.sub(" ", _ENUMERATOR.sub(" ", plan))


@lru_cache(maxsize=1024)
def given(problem: Problem) -> frozenset[Fraction]:
    """Return the values a question gives, also spelled out, as shares of a hundred, and without sign."""
    values = {abs(one.value) for one in _numbers(_asked(problem), True)}
    return frozenset(values | {value / 100 for value in values} | {value * 100 for value in values})


def gold_value(problem: Problem) -> Fraction | None:
    """Return the gold's value where it is a plain figure, None for a formula, a choice or a text."""
    gold = _plain(problem.answer)
    found = numbers(gold) if problem.kind != "choice" and _FIGURE.fullmatch(gold) else []
    return found[0].value if found else None


def _asked(problem: Problem) -> str:
    return "\n".join((problem.question, *problem.choices)) if problem.kind != "choice" else problem.question


def _holds(text: str, problem: Problem, *, words: bool = False) -> bool:
    """Whether a text states the gold: the same value, else the same formula, choice or text."""
    value = gold_value(problem)
    if value is None:
        return _says(text, problem)
    return any(one.value == value for one in _numbers(text, words))


@lru_cache(maxsize=1024)
def _numbers(text: str, words: bool) -> tuple[Number, ...]:
    return tuple(numbers(text, words=words))


def _says(text: str, problem: Problem) -> bool:
    """Whether a text states a gold formula or text, or the gold choice's words and no other choice's."""
    if problem.kind == "choice" and problem.choices:
        place = LETTERS.find(problem.answer[:1].upper())
        said = [_stated(text.casefold(), choice.casefold()) for choice in problem.choices]
        return sum(said) == 1 and 0 <= place < len(said) and said[place]
    return _stated(_plain(text), _plain(problem.answer))


def _plain(formula: str) -> str:
    return _WRAPPING.sub("", formula).replace("dfrac", "frac").replace("tfrac", "frac").casefold()


def _stated(text: str, gold: str) -> bool:
    """Whether gold stands in a text, not as a part of a longer word or number."""
    if not gold:
        return False
    before = r"(?<!\w)" if gold[0].isalnum() else ""
    after = r"(?!\w)" if gold[-1].isalnum() else ""
    return re.search(before + re.escape(gold) + after, text) is not None
