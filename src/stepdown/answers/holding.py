"""What a mark holds, read whole by the kind of answer: a value, nothing that is one, or words to be weighed."""

import re
from itertools import islice

from stepdown.answers.choices import SeveralChoices, choice_held, letter
from stepdown.answers.conclusions import Conclusion, formula_closing, number_asked, number_closing
from stepdown.answers.equality import same_expression
from stepdown.answers.figures import Number, Unread, figures, numbers, spelled
from stepdown.answers.marks import Mark
from stepdown.answers.numbers_in_text import DENIED, stated
from stepdown.answers.question_form import QuestionForm
from stepdown.answers.texts import text_held
from stepdown.answers.unwrapping import plain_signs, unwrapped_span
from stepdown.types import Kind

_REFUSED = re.compile(
    r"\b(?:don't know|do not know|cannot|can't|unable|undetermined|undefined|unknown|not enough|insufficient"
    r"|impossible|"
    r"not possible|none|no (?:solution|answer)s?|n/a|not sure|unclear|indeterminate)\b",
    re.IGNORECASE | re.ASCII,
)
_REASON = re.compile(
    r"[,;]?\s(?:because|since|due to|as (?:it|they|he|she|we|the|a|an|this|that)|so that)\b|[,;]\s(?:so|which"
    r"|where|as|for)\b"
    r"|(?<=[\w$)}\]])\.\s+(?=[A-Z])",
    re.IGNORECASE,
)
_VERB = re.compile(
    r"(?<![\\A-Za-z])(?:is|are|was|were|has|have|had|equals|gives|makes|made|will|would|can|gets|got|needs|costs"
    r"|earns|must|"
    r"that|we|he|she|they|it)(?![A-Za-z])"
)
# An answer and its second spelling are short, and few marks could part them.
_SHORT, _SPELLINGS = 400, 4
_PROSE = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{3,}|[^\x00-\u02ff\u2000-\u2bff]{3,}")
_NOT = re.compile(r"\W*(?:not|isn't|is not|neither|never)\s+\S", re.IGNORECASE)
# Several answers, or a relation that is no equation.
_MANY = re.compile(r"[,;]|\\(?:text|quad|pm|neq?|le|ge|lt|gt|begin)|\b(?:and|or)\b|[<>≤≥≠±]|!=")
_NAME_FIRST = re.compile(r"[\s$\\(]*[A-Za-z](?:_\{?\w\}?)?(?:\([a-z]\))?\s*=[^=]*\Z")
_PLAIN_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")
_OTHERWISE = re.compile(
    r"[,;]?\s*(?:\(?\bor\b|\()\s*(?P<roughly>approximately|about|roughly|≈|\\approx)?|\s(?P<roughly2>≈|\\approx)"
)
_ADVERB = re.compile(
    r"(?:(?:indeed|approximately|about|roughly|simply|just|therefore|thus|equal to|exactly|now|then|still)\s+)+",
    re.IGNORECASE,
)
_MATHEMATICS = re.compile(r"\$[^$]{0,2000}\$|\\\([^\n]{0,2000}?\\\)|\\(?:text|mathrm|mbox)\{[^{}]{0,200}\}")


def held_answer(text: str, mark: Mark, kind: Kind, choices: tuple[str, ...], want: QuestionForm) -> Conclusion | None:
    """Return what a mark's words conclude, also nothing at all; None where they are no answer and it is no mark."""
    if kind == "number":
        return _number_held(text, mark, want)
    if kind == "expression":
        return _formula_held(text, mark, want)
    return _choice_held(text, mark, choices) if kind == "choice" else _text_held(text)


def _choice_held(text: str, mark: Mark, choices: tuple[str, ...]) -> Conclusion | None:
    pick = choice_held(text, choices, stated=mark.name in ("statement", "final"))
    if isinstance(pick, SeveralChoices):
        return Conclusion(None, None, f"`{text.strip()[:80]}` is not one choice")
    if pick is None:
        return Conclusion() if _REFUSED.search(text[:200]) else None
    return Conclusion(letter(pick.index), (pick.start, pick.end), text[pick.start : pick.end][:80])


def _text_held(text: str) -> Conclusion | None:
    span = text_held(text)
    if span is None:
        return None
    return Conclusion(plain_signs(text[slice(*span)]), span, text[slice(*span)][:80])


def _number_held(text: str, mark: Mark, want: QuestionForm) -> Conclusion | None:
    one = stated(text, bounds=want.bounds, percent=want.percent, nouns=want.nouns)
    if isinstance(one, Number):
        return _number(text, one, want)
    if isinstance(one, Unread):
        denied = mark.name in ("statement", "final") and DENIED.search(text, 0, one.start)
        return None if denied else Conclusion(None, None, f"`{text.strip()[:80]}` is not one number")
    if numbers(text, words=True):
        return number_closing(text, want)
    inner = text[slice(*unwrapped_span(text, 0, len(text)))]
    letter_only = mark.name in ("statement", "final") and inner.strip("()").isalpha() and len(inner) <= 3
    firm = not letter_only and (not _PROSE.search(inner) or any(isinstance(one, Unread) for one in figures(text)))
    return Conclusion() if firm or _REFUSED.search(text) else None


def _number(text: str, one: Number, want: QuestionForm) -> Conclusion:
    return Conclusion(spelled(number_asked(one, want)), (one.start, one.end), text[one.start : one.end].strip()[:80])


def _formula_held(text: str, mark: Mark, want: QuestionForm) -> Conclusion | None:
    plain = plain_signs(text)
    start, end = unwrapped_span(plain, 0, len(plain))
    if mark.name != "box" and start < end:
        if reason := _REASON.search(plain, start, end):
            start, end = unwrapped_span(plain, start, reason.start())
        outside = _MATHEMATICS.sub(" ", plain[start:end])
        if _NOT.match(outside):
            if mark.name in ("statement", "final"):
                return None
            return Conclusion(None, None, f"`{text.strip()[:80]}` denies")
        if not _bare(outside, mark.name):
            return None if mark.name in ("statement", "final") else _held_sentence(text, end, want)
        adverb = _ADVERB.match(plain, start, end)
        start, end = _exact(plain, adverb.end() if adverb else start, end, want)
        start = start if want.equation else _come_to(plain, start, end)
    if start == end:
        return None
    return Conclusion(plain[start:end].strip(), (start, end), text[start:end].strip()[:80])


def _bare(outside: str, name: str) -> bool:
    """Tell whether the words of an answer, formulas left out, are only names, units and what joins them."""
    words = _PLAIN_WORD.findall(outside)
    return len(words) <= (3 if name in ("statement", "final") else 8) and not _VERB.search(outside)


def _held_sentence(text: str, end: int, want: QuestionForm) -> Conclusion | None:
    read = formula_closing(text[:end], want)
    return read if read.found is not None else None


def _come_to(text: str, start: int, end: int) -> int:
    """Return where the value begins that a chain of equations comes to; a name's equation and a list stay whole."""
    words = text[start:end]
    if "=" not in words or _MANY.search(words) or _NAME_FIRST.match(words):
        return start
    at = start + words.rindex("=") + 1
    return at + len(text[at:end]) - len(text[at:end].lstrip(" $"))


def _exact(text: str, start: int, end: int, want: QuestionForm) -> tuple[int, int]:
    """Leave out a second spelling of one value, as in `1/2 or 0.5`, and an approximation unless rounding is asked."""
    if end - start > _SHORT:
        return start, end
    for match in islice(_OTHERWISE.finditer(text, start, end), _SPELLINGS):
        one, other = (unwrapped_span(text, *span) for span in ((start, match.start()), (match.end(), end)))
        if match["roughly"] or match["roughly2"]:
            return other if want.rounded else one
        if same_expression(text[slice(*one)].rpartition("=")[2], text[slice(*other)]):
            start, end = one
            break
    return start, end
