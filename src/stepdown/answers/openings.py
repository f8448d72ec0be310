"""Does a chain start from its own answer: opened with it, or reasoned from it?"""

import re

from stepdown.answers.numbers_in_text import numbers
from stepdown.answers.sameness import same
from stepdown.answers.solutions import conclusion
from stepdown.answers.texts import plain_text
from stepdown.types import LETTERS, Problem

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


def opens_with(text: str, problem: Problem, label: str) -> bool:
    """Tell whether a chain opens with its label: "The answer is B because ...", or the label alone and then reasons.

    Reasons that come after the answer explain it and do not lead to it (Wadhwa et al. 2024 train on both orders).
    A first sentence that reasons its way to the label, or only mentions it, is none.
    """
    match = _OPENING.match(text)
    if match is not None:
        return _states(match["rest"], problem, label)
    first = _STATEMENT.match(text.lstrip())
    words = plain_text(first[0]) if first else ""
    return words in _spellings(problem, label) and not _lists(text, problem)


def given_away(text: str, problem: Problem, label: str) -> str | None:
    """Return the words by which a chain says that it was given its answer or reasons from it, None where it does not.

    "Since the correct answer is B, ..." counts only where it states the label; "the given answer", "the answer key"
    and the like always do.
    """
    match = _SHOWN.search(text)
    if match is not None:
        return match[0]
    premises = (one for one in _PREMISE.finditer(text) if _states(one["rest"], problem, label))
    return next((one[0][: one.start("rest") - one.start()] for one in premises), None)


def _states(rest: str, problem: Problem, label: str) -> bool:
    """Tell whether the statement that a text begins with is the label, stated and not calculated."""
    statement = _STATEMENT.match(rest)
    text = statement[0].split(",")[0] if statement else ""
    if "=" in text and len(numbers(text)) > 1:
        return False
    answer = conclusion(text, problem.kind, problem.choices, question=problem.question).found
    return answer is not None and same(problem.kind, answer, label) is True


def _spellings(problem: Problem, label: str) -> set[str]:
    """Return the plain texts that say a label and nothing else: `b`, the choice's words, both; a number's figure."""
    index = LETTERS.find(label.strip(" ().")[:1].upper()) if problem.kind == "choice" else -1
    words = plain_text(problem.choices[index]) if 0 <= index < len(problem.choices) else ""
    own = plain_text(label)
    return {one for one in (own, words, f"{own} {words}".strip()) if one}


def _lists(text: str, problem: Problem) -> bool:
    """Tell whether a text that starts with a letter or number goes on to list: then it is no answer."""
    head = text.lstrip()[:4]
    enumerated = problem.kind == "number" and re.match(r"\d{1,3}[.)][ \t]", head) is not None
    return enumerated or (problem.kind == "choice" and len(_LISTED.findall(text)) > 1)
