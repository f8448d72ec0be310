"""What a text concludes, read without a look at the gold answer: the last statement that answers what was asked.

The numbers or formulas of the closing sentences are candidates. Each is weighed by what stands around it
(`weights.py`), by how conclusive its sentence sounds (`sentences.py`) and by how much follows it; the
heaviest is the conclusion. A text that corrects itself is taken at its last word, and what it only checks
afterwards does not count.
"""

import re
from collections.abc import Callable, Iterable

import msgspec

from stepdown.answers.asked import Asked, asked
from stepdown.answers.formulas import formulas
from stepdown.answers.latex import boxed
from stepdown.answers.numbers import number, numbers, spelled
from stepdown.answers.sentences import Sentence, closing, last_check
from stepdown.answers.weights import formula_weight, number_weight

_LATER = 7.0
_SENTENCES = 6
_BOXED = 10.0
_HEAVIEST = 12.0
# A last line that says only this outweighs whatever stands above it.
_ANSWER_LINE = re.compile(
    r"(?:\A|\n)[ *#]*(?:the )?(?:final )?answer(?: is)?[ :*$]{1,4}(-?\d[\d,]*(?:\.\d+)?)[ *.]*\s*\Z", re.IGNORECASE
)
_LONGEST_LINE = 120


class Conclusion(msgspec.Struct, frozen=True):
    """What a text concludes.

    `found` is the answer in a plain spelling, None where the text concludes nothing; `where` are its first character
    and the one after its last in the text; `how` quotes what was read.
    """

    found: str | None = None
    where: tuple[int, int] | None = None
    how: str = "no answer found"


class _Candidate(msgspec.Struct, frozen=True):
    weight: float
    found: str
    start: int
    end: int
    line: int
    cued: bool


_Reader = Callable[[str, Asked], Iterable[tuple[float, str, int, int]]]


def number_concluded(text: str, question: str = "") -> Conclusion:
    """Return the number a text concludes with, spelled as an integer, a decimal or a fraction."""
    return _answer_line(text) or _concluded(text, question, _numbers_of)


def _answer_line(text: str) -> Conclusion | None:
    tail = max(0, len(text) - _LONGEST_LINE)
    match = _ANSWER_LINE.search(text[tail:])
    value = number(match[1]) if match else None
    if match is None or value is None:
        return None
    start, end = match.span(1)
    return Conclusion(spelled(value), (tail + start, tail + end), match[1])


def expression_concluded(text: str, question: str = "") -> Conclusion:
    """Return the LaTeX expression, list, interval or name a text concludes with."""
    return _concluded(text, question, _formulas_of)


def _concluded(text: str, question: str, read: _Reader) -> Conclusion:
    want = asked(question, symbols=read is _formulas_of)
    candidates = _boxed(text, read, want)
    depth, check = 0, last_check(text)
    for sentence in closing(text):
        found = [_weighed(sentence, depth, *one) for one in read(sentence.text, want)]
        if sentence.checking:
            heading = not found and len(sentence.text) < 60
            candidates = [_lighter(one, one.line if heading else sentence.line) for one in candidates]
            depth = min(depth, any(one.cued for one in candidates))
        candidates += found
        depth += bool(found) and not sentence.checking
        if depth >= _SENTENCES or (depth and sentence.start <= check and _settled(candidates, depth)):
            break
    if not candidates:
        return Conclusion()
    best = max(candidates, key=lambda one: one.weight)
    return Conclusion(best.found, (best.start, best.end), text[best.start : best.end].strip()[:80])


def _settled(candidates: list[_Candidate], depth: int) -> bool:
    """Tell whether no sentence further up could outweigh what is found, so that reading can stop."""
    return max(one.weight for one in candidates) > _HEAVIEST - _LATER * depth


def _boxed(text: str, read: _Reader, want: Asked) -> list[_Candidate]:
    """Return what the last box holds: only a later explicit final answer outweighs it."""
    boxes = boxed(text) if "boxed" in text or "fbox" in text else []
    if not boxes:
        return []
    start, end = boxes[-1]
    inner = text[start:end]
    found = inner.strip() if read is _formulas_of else next((spelled(one.value) for one in numbers(inner)), "")
    return [_Candidate(_BOXED, found, start, end, -1, True)] if found else []


def _lighter(one: _Candidate, line: int) -> _Candidate:
    """Weigh what follows a check less, most of all on the check's own line, unless it concludes again."""
    if one.cued:
        return one
    return msgspec.structs.replace(one, weight=one.weight - (2 * _LATER if one.line == line else _LATER / 2))


def _weighed(sentence: Sentence, depth: int, weight: float, found: str, start: int, end: int) -> _Candidate:
    cued = sentence.cue is not None and sentence.cue <= start
    weight += sentence.bonus - _LATER * depth
    weight += 0 if not cued else 3 if (sentence.cue or 0) < 20 else 2
    weight -= 4 if start < sentence.aside else 0
    weight += 4 if sentence.final is not None and sentence.final <= start else 0
    return _Candidate(weight, found, sentence.start + start, sentence.start + end, sentence.line, cued)


def _numbers_of(text: str, want: Asked) -> Iterable[tuple[float, str, int, int]]:
    figures = numbers(text)
    if all(one.value in want.given for one in figures):
        figures = numbers(text, words=True)
    for index, one in enumerate(figures):
        weight = number_weight(text, one, index, want)
        if weight is not None:
            yield weight, spelled(one.value), one.start, one.end


def _formulas_of(text: str, want: Asked) -> Iterable[tuple[float, str, int, int]]:
    for index, one in enumerate(formulas(text, names=want.names)):
        weight = formula_weight(text, one, want)
        if weight is not None:
            found = one.text if want.equation and one.equation else one.value
            yield weight + index / 10, found, one.start, one.end
