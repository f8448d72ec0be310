"""What the closing sentences of a text conclude, where nothing in it is marked as the answer.

Their numbers or formulas are candidates. Each is weighed by what stands around it (`weights.py`), by how conclusive
its sentence sounds (`sentences.py`) and by how much follows it; the heaviest is the conclusion. A text that corrects
itself is taken at its last word, and what it only checks afterwards does not count.
"""

import re
from collections.abc import Callable, Iterable
from fractions import Fraction
from itertools import pairwise

import msgspec

from stepdown.answers.figures import Number, numbers, spelled
from stepdown.answers.formulas_in_text import Formula, formulas, key
from stepdown.answers.measures import unit_name
from stepdown.answers.numbers_in_text import COMPARED, DENIED, REFUTED
from stepdown.answers.question_form import QuestionForm
from stepdown.answers.sentences import Sentence, closing, last_check
from stepdown.answers.weights import formula_weight, number_weight

_LATER = 7.0
_SENTENCES = 6
_HEAVIEST = 12.0
_OR = re.compile(r"\s?(?P<unit>[A-Za-z]*)\s?\bor\s(?:maybe\s|perhaps\s|possibly\s|even\s)?\$?")
_TO = re.compile(r"(?P<unit>)\s(?:to|:)\s")
_RATIO = re.compile(r"\b(?:ratio|odds|score|range)\b", re.IGNORECASE)
_NOUN = re.compile(r"\s?([A-Za-z]*)")
_ROOTS = re.compile(r"[\s$]*,?\s*(?:or|and|,)\s*(?:else\s)?\$?")


class Conclusion(msgspec.Struct, frozen=True):
    """What a text concludes.

    `found` is the answer in a plain spelling, None where the text concludes nothing; `where` are its first character
    and the one after its last in the text; `how` quotes what was read.
    """

    found: str | None = None
    where: tuple[int, int] | None = None
    how: str = "no answer found"

    def at(self, offset: int) -> "Conclusion":
        """Return the same conclusion, in a text that begins so much earlier."""
        where = None if self.where is None else (self.where[0] + offset, self.where[1] + offset)
        return Conclusion(self.found, where, self.how)


class _Candidate(msgspec.Struct, frozen=True):
    weight: float
    found: str
    start: int
    end: int
    line: int
    cued: bool


_Reader = Callable[[str, QuestionForm, set[str]], Iterable[tuple[float, str, int, int]]]


def number_closing(text: str, want: QuestionForm) -> Conclusion:
    """Return the number that a text's closing sentences conclude with."""
    return _weighed_up(text, want, _numbers_of)


def formula_closing(text: str, want: QuestionForm) -> Conclusion:
    """Return the expression, list, interval or name that a text's closing sentences conclude with."""
    return _weighed_up(text, want, _formulas_of)


def number_asked(one: Number, want: QuestionForm) -> Fraction:
    """Return a number in the unit that is asked for: `50%` as a half where a probability is."""
    if one.percent and want.share and not want.percent:
        return one.value / 100
    asked_larger = one.larger is not None and not one.money and one.unit in map(unit_name, want.nouns)
    return one.larger if asked_larger and one.larger is not None else one.value


def _weighed_up(text: str, want: QuestionForm, read: _Reader) -> Conclusion:
    candidates: list[_Candidate] = []
    denied: set[str] = set()
    depth, check = 0, last_check(text)
    for sentence in closing(text):
        weighed = [_weighed(sentence, depth, *one) for one in read(sentence.text, want, denied)]
        if sentence.checking:
            heading = not weighed and len(sentence.text) < 60
            candidates = [_lighter(one, one.line if heading else sentence.line) for one in candidates]
            depth = min(depth, any(one.cued for one in candidates))
        candidates += weighed
        depth += bool(weighed) and not sentence.checking
        if depth >= _SENTENCES or (depth and sentence.start <= check and _settled(candidates, depth)):
            break
    if not candidates:
        return Conclusion()
    best = max(candidates, key=lambda one: one.weight)
    return Conclusion(best.found, (best.start, best.end), text[best.start : best.end].strip()[:80])


def _settled(candidates: list[_Candidate], depth: int) -> bool:
    """Tell whether no sentence further up could outweigh what is found, so that reading can stop."""
    return max(one.weight for one in candidates) > _HEAVIEST - _LATER * depth


def _lighter(one: _Candidate, line: int) -> _Candidate:
    """Weigh what follows a check less, most of all on the check's own line, unless it concludes again."""
    if one.cued:
        return one
    return msgspec.structs.replace(one, weight=one.weight - (2 * _LATER if one.line == line else _LATER / 2))


def _weighed(sentence: Sentence, depth: int, weight: float, answer: str, start: int, end: int) -> _Candidate:
    cued = sentence.cue is not None and sentence.cue <= start
    weight += sentence.bonus - _LATER * depth
    weight += 0 if not cued else 3 if (sentence.cue or 0) < 20 else 2
    weight -= 4 if start < sentence.aside else 0
    weight += 4 if sentence.final is not None and sentence.final <= start else 0
    return _Candidate(weight, answer, sentence.start + start, sentence.start + end, sentence.line, cued)


def _numbers_of(text: str, want: QuestionForm, denied: set[str]) -> Iterable[tuple[float, str, int, int]]:
    """Weigh the numbers of a sentence; those it denies are collected, and count nothing further up either."""
    numbers_read = numbers(text)
    if all(one.value in want.given for one in numbers_read):
        numbers_read = numbers(text, words=True)
    alternatives = _alternatives(text, numbers_read)
    for index, one in enumerate(numbers_read):
        if one in alternatives:
            continue
        before, value = text[max(0, one.start - 40) : one.start], spelled(number_asked(one, want))
        if DENIED.search(before) or REFUTED.match(text, one.end):
            denied.add(value)
        if value in denied or COMPARED.search(before):
            continue
        weight = number_weight(text, one, index, want)
        if weight is not None:
            yield weight, value, one.start, one.end


def _alternatives(text: str, numbers_read: list[Number]) -> list[Number]:
    """Return the numbers between which a sentence leaves it open: `5 or 6 apples`, not `5 hours or 300 minutes`."""
    out: list[Number] = []
    ratio = _RATIO.search(text)
    for one, other in pairwise(numbers_read):
        link = _OR.fullmatch(text, one.end, other.start) or (ratio and _TO.fullmatch(text, one.end, other.start))
        after = _NOUN.match(text, other.end)
        if not link or one.value in (other.value, other.value / 100) or COMPARED.search(text, 0, one.start):
            continue
        if not link["unit"] or (after and after[1] in (link["unit"], "")):
            out += [one, other]
    return out


def _formulas_of(text: str, want: QuestionForm, denied: set[str]) -> Iterable[tuple[float, str, int, int]]:
    for index, one in enumerate(_roots_joined(text, formulas(text, names=want.names))):
        formula_text = one.text if want.equation and one.equation else one.value
        if DENIED.search(text, max(0, one.start - 40), one.start) or REFUTED.match(text, one.end):
            denied.add(key(one.value))
        weight = formula_weight(text, one, want)
        if weight is not None and key(one.value) not in denied:
            yield weight + index / 10, formula_text, one.start, one.end


def _roots_joined(text: str, formulas_read: list[Formula]) -> list[Formula]:
    """Take the values of one name, as in `x = 2 or x = -2`, for one formula that lists them."""
    out: list[Formula] = []
    for one in formulas_read:
        last = out[-1] if out else None
        if last and _are_roots(text, last, one):
            whole, values = text[last.start : one.end], f"{last.value}, {one.value}"
            out[-1] = msgspec.structs.replace(last, text=whole, end=one.end, value=values)
            continue
        out.append(one)
    return out


def _are_roots(text: str, one: Formula, other: Formula) -> bool:
    same = one.equation and other.equation and key(one.first) == key(other.first) and one.value != other.value
    return same and _ROOTS.fullmatch(text, one.end, other.start) is not None
