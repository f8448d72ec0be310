"""The way of reading, for every kind of answer: the reply's own part, its marks, its closing sentences."""

import re
from itertools import islice

from stepdown.answers.choices import choice_alone, choice_closing, letter
from stepdown.answers.conclusions import Conclusion, formula_closing, number_closing
from stepdown.answers.equality import same_expression
from stepdown.answers.extents import own
from stepdown.answers.holding import held_answer
from stepdown.answers.marks import Mark, marks, ranked
from stepdown.answers.question_form import question_form
from stepdown.answers.texts import text_closing
from stepdown.answers.unwrapping import plain_signs
from stepdown.types import Kind

# No honest text has more marks that are none.
_MOST = 24
# A text that says so takes back what it marked before.
_CORRECTED = re.compile(
    r"(?:\A|[.!?:\n]\W{0,6})(?:oh,? |hmm,? )?(?:wait|actually|no,)(?! to\b)|\b(?:correction|i made (?:a"
    r"|an) (?:mistake|error)|"
    r"my mistake|(?:that|this) (?:is|was|'s) (?:wrong|incorrect|not right|not correct)|sorry|apologi[sz]e|oops|"
    r"should (?:be|have been))\b",
    re.IGNORECASE,
)
# What it takes to take a box, a tag or a field back.
_WRONG = re.compile(
    r"\b(?:wait,? (?:no\b|that)|(?:that|this)(?: is|'s) (?:wrong|incorrect|not right|not correct)|i made (?:a"
    r"|an) (?:mistake|error))",
    re.IGNORECASE,
)
# Marks that a step may have as well as the whole, and what says that more steps or a conclusion follow.
_SOFT = frozenset({"line", "statement", "hash"})
_GOES_ON = re.compile(
    r"^\W{0,8}(?:(?:step|part|prompt)\s?\#?\d|\d{1,2}[.)]\s|(?:so|therefore|thus|hence|finally|in total|altogether|"
    r"in conclusion|overall|now)\b)",
    re.IGNORECASE | re.MULTILINE,
)
_BOX_LINK = re.compile(r"[\s$\\(),;.]*(?:and|or|&|y|o|und|oder|et|ou)?[\s$\\(),;]*", re.IGNORECASE)


def concluded(text: str, kind: Kind, choices: tuple[str, ...], question: str) -> Conclusion:
    """Return what a text concludes: what the mark says that counts first, and where none is an answer, its closing."""
    text = plain_signs(text)
    begin, end = own(text, question)
    part = text[begin:end]
    mark, read = _marked(part, kind, choices, question)
    if mark is None or read is None:
        return _closing(part, kind, choices, question).at(begin)
    if mark.name in _SOFT and _GOES_ON.search(part, mark.end):
        late = _closing(part, kind, choices, question)
        read = late if late.found is not None else read
    elif read.where is not None and (_CORRECTED if mark.name in _SOFT else _WRONG).search(part, read.where[1]):
        late = _closing(part[read.where[1] :], kind, choices, question)
        read = late.at(read.where[1]) if late.found is not None else read
    return read.at(begin)


def marked(text: str, kind: Kind, choices: tuple[str, ...], question: str) -> Conclusion:
    """Return only what a text marks as its answer."""
    text = plain_signs(text)
    begin, end = own(text, question)
    _, read = _marked(text[begin:end], kind, choices, question)
    return Conclusion(how="no final answer line") if read is None else read.at(begin)


def _marked(
    text: str, kind: Kind, choices: tuple[str, ...], question: str
) -> tuple[Mark, Conclusion] | tuple[None, None]:
    want = question_form(question, symbols=kind == "expression")
    for mark in islice(ranked(_boxes_joined(text, marks(text))), _MOST):
        read = held_answer(mark.content_in(text), mark, kind, choices, want)
        if read is None:
            continue
        if mark.value is not None or read.where is None:
            where = (mark.start, mark.end) if read.found is not None else None
            return mark, Conclusion(read.found, where, read.how)
        return mark, read.at(mark.start)
    return None, None


def _closing(text: str, kind: Kind, choices: tuple[str, ...], question: str) -> Conclusion:
    if kind == "number":
        return number_closing(text, question_form(question, symbols=False))
    if kind == "expression":
        return formula_closing(text, question_form(question))
    if kind == "choice":
        pick = choice_closing(text, choices) or choice_alone(text, choices)
        where = (pick.start, pick.end) if pick else None
        return Conclusion(letter(pick.index), where, text[pick.start : pick.end][:80]) if pick else Conclusion()
    span = text_closing(text)
    return Conclusion(text[slice(*span)], span, text[slice(*span)][:80]) if span else Conclusion()


def _boxes_joined(text: str, boxes: list[Mark]) -> list[Mark]:
    """Take boxes that only `and` or a comma parts for one mark that holds them all."""
    out: list[Mark] = []
    for one in boxes:
        last = out[-1] if out else None
        if last and last.name == one.name == "box":
            between = text[last.end + 1 : one.start]
            head = between[: max(0, between.rfind("\\"))]
            if len(between) < 40 and _BOX_LINK.fullmatch(head):
                same = same_expression(last.content_in(text), one.content_in(text))
                out[-1] = (
                    one
                    if same
                    else Mark(last.start, one.end, "box", f"{last.content_in(text)}, {one.content_in(text)}")
                )
                continue
        out.append(one)
    return out
