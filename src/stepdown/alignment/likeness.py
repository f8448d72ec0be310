"""How much a piece of a solution is about a step: words without endings, numbers and kinds of arithmetic they share."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import msgspec

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*|\\[a-zA-Z]+")
_NUMBER = re.compile(r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?")
_SIGN = r"(\+|[-−–]|[*×·÷/x]|\\times|\\cdot|\\div)"
# Between numbers, or between names of one letter, as in `16 - 3` and `x + y`; not the hyphen of `step-by-step`.
_SIGNED = re.compile(
    rf"[\d)}}%]\s*(?:[a-z$]{{1,8}}\s+)?{_SIGN}\s*[\\$({{]*\d|[\d)}}]\s*{_SIGN}\s*[a-zA-Z](?![a-zA-Z])"
    rf"|[a-z)]\s(x|×|\*)\s(?=[$(\d])|(?<![a-zA-Z])[a-zA-Z]\s*{_SIGN}\s*[\\$({{]*(?:\d|[a-zA-Z](?![a-zA-Z]))"
)
_SIGNS = {"+": "+", "-": "-", "−": "-", "–": "-", "*": "*", "×": "*", "·": "*", "x": "*", "\\times": "*", "\\cdot": "*",
          "÷": "/", "/": "/", "\\div": "/"}  # fmt: skip
_OPERATIONS = {
    "+": "add added adding addition sum plus together altogether combine combined total",
    "-": "subtract subtracted subtracting subtraction minus difference remaining remainder left less fewer deduct",
    "*": "multiply multiplied multiplying multiplication times product twice double doubled doubling triple",
    "/": "divide divided dividing division quotient half halve halved halving ratio split",
}
_OPERATION_OF = {word: sign for sign, words in _OPERATIONS.items() for word in words.split()}
_SURE = {"+": "add adding sum", "-": "subtract subtracting", "*": "multiply multiplying", "/": "divide dividing"}
# What an earlier step came to: `Multiply the sum by 2` does not ask to add.
_THE_SUM = re.compile(r"\b(?:the|this|that|their|its|your)\s+sum\b(?!\s+of\b)", re.IGNORECASE)
_SURELY = {word: sign for sign, words in _SURE.items() for word in words.split()}
_COUNTED = "zero one two three four five six seven eight nine ten eleven twelve"
_COUNTS = {word: str(number) for number, word in enumerate(_COUNTED.split(" "))}
_SILENT = frozenset(
    word
    for line in (
        "a an the of to in on at by for from with and or as is are was were be been it its this that these those",
        "we you i they he she his her their our your my me us them do does did so then now let lets can could will",
        "would should must if not no into each every which who whom whose what how many much there here have has",
        "had than also just only need needs using use used get gets step steps",
    )
    for word in line.split(" ")
)
_PLAIN = 0.35  # the weight of a word that every step has
_OPERATION = 0.6  # the weight of an operation, of that of a word as rare


_LONG_WORD = 40  # in characters; a longer one is none of a language, and keeps its ending


# Numbers of other steps are none of the problem's.
_REFERRED = re.compile(r"\bsteps?\s*\#?\d+(?:\s*(?:,|and|&|to|-|or)\s*\d+)*", re.IGNORECASE)


class Features(msgspec.Struct, frozen=True):
    """What a text is compared by: `terms` are words and numbers; `digits` the numbers not in words. `operations` are
    in words or written, `signs` written, `sure` those it commands; `computes`: it holds an equation or a sign.
    `counted` are the terms and operations, which likeness counts.
    """

    terms: frozenset[str]
    counted: frozenset[str]
    numbers: frozenset[str]
    digits: frozenset[str]
    operations: frozenset[str]
    signs: frozenset[str]
    sure: frozenset[str]
    computes: bool


# A piece is looked at when it is placed and again when a step is judged by it.
@lru_cache(maxsize=512)
def features(text: str) -> Features:
    """Return what a text is compared by."""
    words = [word.lower() for word in _WORD.findall(text)]
    digits = {number(one) for one in _NUMBER.findall(text)}
    numbers = digits | {_COUNTS[word] for word in words if word in _COUNTS}
    signs = {_SIGNS[one] for some in _SIGNED.findall(text) for one in some if one}
    by_word = {_OPERATION_OF[word] for word in words if word in _OPERATION_OF}
    terms = {stem(word) for word in words if word not in _SILENT and word not in _COUNTS and len(word) > 1}
    operations = signs | by_word
    return Features(
        terms=frozenset(terms | numbers),
        counted=frozenset(terms | numbers | {f"op {sign}" for sign in operations}),
        numbers=frozenset(numbers),
        digits=frozenset(digits),
        operations=frozenset(operations),
        signs=frozenset(signs),
        sure=frozenset(
            _SURELY[word] for word in map(str.lower, _WORD.findall(_THE_SUM.sub(" ", text))) if word in _SURELY
        ),
        computes=bool(signs) or any(sign in text for sign in "=<>≤≥"),
    )


def number(written: str) -> str:
    """Return a number so that equal ones are written alike."""
    plain = written.replace(",", "")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def stem(word: str) -> str:
    """Return a word without its ending: `calculate`, `calculated` and `calculating` are one."""
    return _stem(word) if len(word) <= _LONG_WORD else word


@lru_cache(maxsize=4096)
def _stem(word: str) -> str:
    for ending in ("ations", "ation", "ings", "ing", "ied", "ies", "ed", "es", "s", "e", "y"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


class Likeness:
    """Likeness of texts to the steps of one plan, in which words that few steps have count most."""

    def __init__(self, steps: Sequence[str]) -> None:
        self.steps = [features(_REFERRED.sub(" ", step)) for step in steps]
        self._weights = _rarity([one.counted for one in self.steps])
        self._sizes = [self._weight(one.counted) for one in self.steps]

    def of_each(self, one: Features) -> list[float]:
        """Return from 0 to 1 how like a text is to each step: the cosine over the words that the plan has."""
        counted = one.counted & self._weights.keys()
        size = self._weight(counted) or 1
        return [
            self._weight(counted & step.counted) / math.sqrt(size * (other or 1))
            for step, other in zip(self.steps, self._sizes, strict=True)
        ]

    def cover(self, one: Features, step: int) -> float:
        """Return the share of a step's weight that a text has."""
        return self._weight(one.counted & self.steps[step].counted) / (self._sizes[step] or 1)

    def _weight(self, terms: Iterable[str]) -> float:
        # Exact, as a set has another order in each process and a tie of two placings hangs on the last bit.
        return math.fsum(map(self._weights.__getitem__, terms))


def _rarity(steps: Sequence[frozenset[str]]) -> Mapping[str, float]:
    found = Counter(term for terms in steps for term in terms)
    return {
        term: (_OPERATION if term.startswith("op ") else 1.0) * (_PLAIN + math.log(len(steps) / count))
        for term, count in found.items()
    }
