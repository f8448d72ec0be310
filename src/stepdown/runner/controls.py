"""Controls: plans spoiled on purpose, to see what in a plan helps, and one that tells the answer, as upper bound."""

import re
from collections.abc import Callable
from itertools import count

from stepdown.answers import ENUMERATOR, MENTION, without_forbidding
from stepdown.prompts import GENERIC_STEPS, GENERIC_WORDS
from stepdown.types import LETTERS, Plan, Problem

# The version of what a control does stands in a run's settings, so that its text never changes under one run's id.
VERSIONS = {"shuffled": "", "generic": "@2", "masked": "@2", "no-nosolve": "@2", "leaked": ""}
CONTROLS = tuple(VERSIONS)

_UNITS = (
    "zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen"
    "|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundreds?|thousands?|millions?|billions?"
    "|trillions?|dozens?"
)
_ORDINALS = (
    "third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|thirteenth|fourteenth|fifteenth|sixteenth"
    "|seventeenth|eighteenth|nineteenth|twentieth|thirtieth|fortieth|fiftieth|sixtieth|seventieth|eightieth|ninetieth"
    "|hundredth|thousandth|millionth"
)
_SHARES = r"half|halves|quarters?|twice|thrice|doubled?(?![\s-]check)|tripled?|quadrupled?"
_WORD = rf"(?:{_UNITS}|(?:{_ORDINALS})s?|{_SHARES})"
_FIGURE = r"\d(?:[\d.,'’\u00a0\u202f]*\d)?(?:st|nd|rd|th)?(?![a-z])|\d+|[¼-¾⅐-⅞↉²³¹⁰⁴-⁹₀-₉]+"
_AND = r"(?:(?:(?<=hundred)|(?<=thousand)|(?<=million))\sand)?"
_NUMBER = re.compile(rf"{_FIGURE}|\b{_WORD}(?:{_AND}[\s-]{{1,3}}{_WORD})*\b", re.IGNORECASE)
_BLANK = "___"


def marked(control: str) -> str:
    """Return a control as a run's settings name it: `masked@2`, where its text has changed since the first version."""
    return f"{control}{VERSIONS.get(control, '')}"


def controlled(plan: Plan, control: str, problem: Problem) -> Plan:
    """Return the plan as a control leaves it; the author says so. `shuffled` is another problem's plan already."""
    changes: dict[str, Callable[[], str]] = {
        "generic": lambda: generic(plan),
        "masked": lambda: masked(plan),
        "no-nosolve": lambda: without_forbidding(plan.text),
        "leaked": lambda: leaked(plan, problem),
    }
    if control not in changes:
        return plan
    return Plan(changes[control](), author=f"{plan.author}+{control}", edited_from=None)


def generic(plan: Plan) -> str:
    """Return as many steps as the plan has, each of as many words, that fit any problem and say nothing of this one."""
    lengths = [max(1, len(step.split())) for step in plan.steps] or [1]
    return "\n".join(f"{number}. {_generic_step(number - 1, length)}" for number, length in enumerate(lengths, 1))


def _generic_step(index: int, length: int) -> str:
    """Return sentences of `length` words together, other ones at another index."""
    sentences: list[str] = []
    for turn in count(index):
        own = GENERIC_STEPS[turn % len(GENERIC_STEPS)]
        size = len(own.split())
        if size > length:
            break
        sentences.append(own)
        length -= size
    most = max(GENERIC_WORDS)
    while length:
        some = GENERIC_WORDS[min(length, most)]
        sentences.append(some[index % len(some)])
        length -= min(length, most)
    return " ".join(sentences)


def masked(plan: Plan) -> str:
    """Return the plan with every number, in figures or words, replaced by a blank, but those of its own steps.

    Hidden are figures (`1,000.5`, `1/2`, `21st`, `²`), number words (`twenty-one`, `a dozen`), ordinals from `third`
    on, shares (`half`, `a quarter`) and multiples (`twice`); `first` and `second`, words of order and of time, stay.
    """
    spans = sorted(match.span() for pattern in (ENUMERATOR, MENTION) for match in pattern.finditer(plan.text))
    parts, at = [], 0
    for start, end in spans:
        if start >= at:
            parts += [_NUMBER.sub(_BLANK, plan.text[at:start]), plan.text[start:end]]
            at = end
    return "".join([*parts, _NUMBER.sub(_BLANK, plan.text[at:])])


def leaked(plan: Plan, problem: Problem) -> str:
    """Return the plan with one step more that tells the gold answer: the most that any plan could give away."""
    steps = len(ENUMERATOR.findall(plan.text))
    number = f"{steps + 1}. " if steps else ""
    return f"{plan.text.rstrip()}\n{number}The answer is {spelled_answer(problem)}.".lstrip()


def spelled_answer(problem: Problem) -> str:
    """Return the gold as a sentence says it: a choice with its words, a formula between dollar signs."""
    index = LETTERS.find(problem.answer[:1].upper()) if problem.kind == "choice" and problem.answer else -1
    if 0 <= index < len(problem.choices):
        return f"({LETTERS[index]}) {problem.choices[index].rstrip(' .')}"
    return f"${problem.answer.strip('$')}$" if problem.kind == "expression" else problem.answer
