"""How much the words around a number or a formula speak for its being the answer, in points.

A result after `=`, a counted noun the question asks for, money where money is asked, a verb that states: for
it. An operand, a number the question gave, the object of `for` or `per`: against it.

The points were found on four of the eight hand-checked trace files; general faults seen on the other four were
mended afterwards (`benchmarks/grading.py` prints the agreement).
"""

import re

from stepdown.answers.figures import Number
from stepdown.answers.formulas_in_text import Formula, key
from stepdown.answers.question_form import QuestionForm
from stepdown.answers.words import stem

_STATING = frozenset(
    {
        "is", "are", "was", "were", "be", "being", "equal", "equals", "to", "has", "have", "had", "make", "makes",
        "made", "pay", "pays", "paid", "need", "needs", "cost", "costs", "spend", "spends", "spent", "earn", "earns",
        "earned", "get", "gets", "sold", "sell", "sells", "only", "about", "exactly", "approximately", "around",
        "indeed", "answer", "total", "totals", "give", "gives", "as",
    }
)  # fmt: skip
_MEASURES = frozenset(
    {"total", "amount", "cost", "sum", "profit", "speed", "value", "price", "distance", "length", "salary", "area"}
)
_OBJECT = frozenset(
    {
        "for", "in", "after", "over", "from", "per", "each", "every", "than", "remaining", "first", "last", "next",
        "within", "during", "by", "with", "at", "on", "until", "another", "all", "these", "those", "the", "when", "if",
        "where", "given", "times", "least", "past", "between",
    }
)  # fmt: skip
_LABELS = frozenset(
    {"step", "steps", "equation", "equations", "part", "question", "problem", "prompt", "instruction", "no", "#"}
)
_OPERATORS = ("\\times", "\\div", "\\cdot")
_GIVING = re.compile(
    r"\b(?:gives?|gave|gets?|leaves?|left|makes?|yields?|results? in|comes? to|amounts? to)\s(?:us|him|her|them"
    r"|you|me)\Z"
)
# Operations in words: "divide 180 by 10", "156 WPM divided by 3".
_OPERATING = re.compile(
    r"\b(?:divid|multiply|multipli|subtract|add|doubl|tripl|halv)(?:e|ed|ing|es|s|y|ies)?(?: the)?\Z", re.IGNORECASE
)
_OPERATION = re.compile(r"\s*(?:[a-zA-Z/]+\s){0,2}(?:divided by|multiplied by|times|minus|plus)\s\$?\d")
_LAST_WORD = re.compile(r"([A-Za-z]+|#)(?:\s+of)?\Z")
_OPERAND_AFTER = re.compile(
    r"(?!\s?(?:and|or)\s)\s*(?:[a-zA-Z]+\s){0,4}[a-zA-Z]*(?:/[a-zA-Z]+)?\s*(?:\([^()]{0,60}\)\s*)?(?:[a-zA-Z]+\s)?"
    # A power of a unit (`25 cm^2`, `25 m/s^2`) is no operation, one of a variable is.
    r"(?:\+|(?<![a-zA-Z])\^|(?<=\W[xyz])\^|[*/]\s*[\d$(]|x\s*\$?\d|-\s*\$?\d|-\s|\\times|\\div|\\cdot|(?P<equals>=))"
)
_TIMES = re.compile(r"\$?\s*(?:[a-z]{3,}\s)?\s*[*+/]")
_TIMED = re.compile(r"\d(?:\s[a-z]{3,})?\s*[*+/]\Z")
_ROUGHLY = re.compile(r"\bor (?:approximately|about|roughly)\Z")
_AS_THE = re.compile(r"\$?\s*(?:as|for) the\b")
_COMPARED = re.compile(r"\s*(?:\w+\s)?(?:more|less|fewer|times) (?:than|as)\b")
_COINS = re.compile(r"\s*(?:dollars|cents)\b")
_RESULT = 0.3
_NAMED = re.compile(r"(?<![A-Za-z])[a-zA-Z]\s?=\Z")
_ROUNDED = re.compile(r"\bround(?:s|ed|ing)?(?: (?:up|down|off))?(?: \w+){0,2} to\Z")
_AFTER_NUMBER = re.compile(r"[\d)](?:\s?[a-z%]+){0,3}\s?[*x-]\Z")
# An operand of something not worked out, such as `3 * 4`, is no answer.
_UNEVALUATED = -5.0
_UNIT = re.compile(r"[$`\s]*((?:[a-z'-]+[ ]?){1,3})")
_CLAUSE = re.compile(r"[,;:]\s|\band\b|\bor\b")
_WORDS = re.compile(r"[A-Za-z']{3,}")
_COMMAND = re.compile(r"\\[a-zA-Z]+(?:\{[a-z ]*\})?|(?<=\d) ?[a-z]+$")
_INTERVAL = re.compile(r"[(\[].*,.*[)\]]|\\le|\\ge|[<>≤≥]")


def number_weight(text: str, one: Number, index: int, want: QuestionForm) -> float | None:
    """Weigh the index-th number of a sentence; None where it only labels, as in `step 4`.

    Of several statements the first is the likelier answer, of several results of a calculation the last.
    """
    before, after = text[max(0, one.start - 40) : one.start], text[one.end : one.end + 60]
    head = before.rstrip(" $(")
    word, of = _last_word(head)
    counted, operand, stated = _counts(after, want), _operand(head, after), _stated(head, word, of)
    if word in _LABELS or operand <= _UNEVALUATED:
        return None
    weight = 4.0 * counted + operand + 0.5 * _shared(text, one.start, one.end, want)
    weight += stated if stated < 4 or not operand else 0
    weight += 4 if want.letter and _NAMED.search(head) and head.rstrip(" =").endswith(want.letter) else 0
    weight += index * _RESULT if stated == 4 and not operand else -index / 10
    weight += 4 if word == "to" and _ROUNDED.search(head) else 0
    if not counted and (word in _OBJECT or (of and word in ("age", "out"))):
        weight -= 2
    return weight + _suited(one, before, after, counted, want)


def formula_weight(text: str, one: Formula, want: QuestionForm) -> float | None:
    """Weigh a formula of a sentence; None where it only labels."""
    before, after = text[max(0, one.start - 40) : one.start], text[one.end : one.end + 60]
    head = before.rstrip("$`({ *\\")
    word, of = _last_word(head)
    if word in _LABELS:
        return None
    counted = _counts(after, want)
    weight = 4.0 * counted + (3 if one.equation else 0) - (2 if one.word else 0)
    weight -= 4 if _TIMES.match(after) and not one.equation else 0
    weight -= 4 if head[-1:] in ("*", "+", "/") and _TIMED.search(head) else 0
    weight += 2 if _stated(head, word, of) else 0
    weight -= 2 if not counted and (word in _OBJECT or (of and word in ("age", "out"))) else 0
    weight -= 3 if not want.rounded and _ROUGHLY.search(head) else 0
    weight += 3 if one.equation and key(one.first) in want.targets else 0
    weight += 2 if _AS_THE.match(after) else 0
    weight -= 0 if key(one.text) not in want.formulas else 8 if one.equation else 4
    return weight + _shaped(one.value, want)


def _last_word(head: str) -> tuple[str, bool]:
    match = _LAST_WORD.search(head, max(0, len(head) - 24))
    return (match[1].lower(), match.end(1) < len(head)) if match else ("", False)


def _stated(head: str, word: str, of: bool) -> int:
    if head.endswith(("=", "≈", "\\approx", "equals")):
        return 4
    if _GIVING.search(head, max(0, len(head) - 24)):
        return 3
    return 2 if head.endswith(":") or (word in _MEASURES if of else word in _STATING) else 0


def _operand(head: str, after: str) -> float:
    weight = 0.0
    if match := _OPERAND_AFTER.match(after):
        weight -= 4 if match["equals"] else 5
    if head.endswith(("+", "/", "^", *_OPERATORS)) or (head.endswith(("*", "x", "-")) and _AFTER_NUMBER.search(head)):
        weight -= 5
    elif (
        _OPERATING.search(head)
        or _OPERATION.match(after)
        or (head.endswith("-") and head[-2:-1].isspace() and len(head) > 2)
    ):
        weight -= 4
    return weight


def _suited(one: Number, before: str, after: str, counted: bool, want: QuestionForm) -> float:
    money = one.money or (want.money and _COINS.match(after) is not None)
    weight = 3.0 * money if want.money else -2.0 * one.money
    weight += 3 if want.percent and one.percent else 0
    weight -= 0 if one.value not in want.given else 2 if counted else 3
    weight -= 2 if one.word else 0
    weight -= 3 if after[:1] == "-" and after[1:2].isalpha() else 0
    weight -= 3 if _COMPARED.match(after) else 0
    return weight - (2 if before.count("(") > before.count(")") else 0)


def _counts(after: str, want: QuestionForm) -> bool:
    """Tell whether the words after a number are what the question counts."""
    match = _UNIT.match(after.lower()) if want.nouns else None
    return match is not None and not want.nouns.isdisjoint(stem(word) for word in match[1].split())


def _shared(text: str, start: int, end: int, want: QuestionForm) -> int:
    """Count the words of the question, four at most, in the clause around a number."""
    begin = max(0, start - 100)
    for match in _CLAUSE.finditer(text, begin, start):
        begin = match.end()
    following = _CLAUSE.search(text, end, end + 60)
    stop = following.start() if following else end + 60
    words = {stem(word) for word in _WORDS.findall(text, begin, stop)}
    return min(4, len(words & want.words))


def _shaped(value: str, want: QuestionForm) -> float:
    """Weigh whether a value has the shape the question asks for: an interval, an expression, a plain number."""
    if want.interval:
        return 4.0 if _INTERVAL.search(value) else -8.0
    if want.names or want.expressive:
        return 0.0
    if len(value) == 1 and value.isalpha():
        return -5.0
    return -2.0 if re.search(r"[a-hj-zA-Z]", _COMMAND.sub("", value)) else 0.0
