"""Does a text give the answer away: a plan that holds the gold, a chain that starts from its own answer?"""

import re
from fractions import Fraction
from functools import lru_cache

import msgspec

from stepdown.answers import conclusion, plain_text, same
from stepdown.answers.numbers import Number, numbers
from stepdown.prompts import LETTERS
from stepdown.types import Plan, Problem

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

# A chain that opens with its answer: "The correct answer is B", "Answer: 72". "The answer must be a place ..." weighs.
_OPENING = re.compile(
    r"\W{0,9}(?:(?:so|well|okay|ok|yes|no|sure|clearly|obviously|here|therefore|i (?:think|believe)(?: that)?)\b[,:]?"
    r"\s{1,3}){0,3}(?:the |my |our )?(?:(?:final|correct|best|right|most likely|most logical|logical) ){0,2}"
    r"(?:answer|choice|option)(?:\s(?:is|would be)\b(?: that)?:?|\s?:)\s?(?P<rest>[^\n]{0,200})",
    re.IGNORECASE,
)
# What ends a statement: the sentence, or the word that opens its reason.
_STATEMENT = re.compile(
    r"[^\n]{0,200}?(?=[.;!?](?:\s|\Z)|,?\s(?:because|since|as|for|so|therefore)\b|\n|\Z)", re.IGNORECASE
)
_LISTED = re.compile(r"^[ \t]{0,9}[(*]{0,3}[A-Ja-j][.):]", re.MULTILINE)
# A chain that reasons from the answer: "since the correct answer is B, ...", and must state it to count.
_PREMISE = re.compile(
    r"\b(?:as|since|because|given(?: that)?|knowing(?: that)?|now that|we (?:already )?know(?: that)?|"
    r"(?:we are|we're|i am|i'm|we were|i was) (?:told|given)(?: that)?)(?: we know(?: that)?)?,? "
    r"the (?:(?:correct|right|final|gold|expected) )?(?:answer|option|choice) (?:is|was|must be)\b"
    r"(?P<rest>[^\n]{0,200})",
    re.IGNORECASE,
)
# A chain that says it was shown the answer; "given by 3x" and "the given answer choices" say no such thing.
_SHOWN = re.compile(
    r"\b(?:correct|right|final|gold|expected|true) answer (?:is|was|has been|as) (?:already )?"
    r"(?:given|provided|stated|known)\b(?! (?:by|in terms))"
    r"|\b(?:(?:the|this|your) (?:given|provided|gold|reference|known|stated|expected)|ground[- ]truth|gold)"
    r" (?:(?:correct|right|final) )?(?:answer|label)\b(?! (?:choice|option|is not|must|should))"
    r"|\banswer key\b|\b(?:we are|we're|i am|i'm|we were|i was) (?:told|given) the (?:correct |right |final )?answer\b",
    re.IGNORECASE,
)


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


def opens_with(text: str, problem: Problem, label: str) -> bool:
    """Tell whether a chain opens with its label: "The answer is B because ...", or the label alone and then reasons.

    Reasons that come after the answer explain it and do not lead to it (Wadhwa et al. 2024 train on both orders).
    A first sentence that reasons its way to the label, or only mentions it, is none.
    """
    match = _OPENING.match(text)
    if match is not None:
        return _states(match["rest"], problem, label)
    first = _STATEMENT.match(text.lstrip())
    said = plain_text(first[0]) if first else ""
    return said in _spellings(problem, label) and not _lists(text, problem)


def given_away(text: str, problem: Problem, label: str) -> str | None:
    """Return the words by which a chain says that it was given its answer or reasons from it, None where it does not.

    "Since the correct answer is B, ..." counts only where it states the label; "the given answer", "the answer key"
    and the like always do.
    """
    shown = _SHOWN.search(text)
    if shown is not None:
        return shown[0]
    found = (one for one in _PREMISE.finditer(text) if _states(one["rest"], problem, label))
    return next((one[0][: one.start("rest") - one.start()] for one in found), None)


def _states(rest: str, problem: Problem, label: str) -> bool:
    """Tell whether the statement that a text begins with is the label, stated and not calculated."""
    statement = _STATEMENT.match(rest)
    said = statement[0].split(",")[0] if statement else ""
    if "=" in said and len(numbers(said)) > 1:
        return False
    found = conclusion(said, problem.kind, problem.choices, question=problem.question).found
    return found is not None and same(problem.kind, found, label) is True


def _spellings(problem: Problem, label: str) -> set[str]:
    """Return the plain texts that say a label and nothing else: `b`, the choice's words, both; a number's figure."""
    place = LETTERS.find(label.strip(" ().")[:1].upper()) if problem.kind == "choice" else -1
    words = plain_text(problem.choices[place]) if 0 <= place < len(problem.choices) else ""
    own = plain_text(label)
    return {one for one in (own, words, f"{own} {words}".strip()) if one}


def _lists(text: str, problem: Problem) -> bool:
    """Tell whether a text that starts with a letter or number goes on to list: then it is no answer."""
    head = text.lstrip()[:4]
    enumerated = problem.kind == "number" and re.match(r"\d{1,3}[.)][ \t]", head) is not None
    return enumerated or (problem.kind == "choice" and len(_LISTED.findall(text)) > 1)
