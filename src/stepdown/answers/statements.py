"""How a text speaks of a value: tells it as a result, or calculates with it, converts by it, counts it off."""

import re
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import islice
from typing import Literal

import msgspec

from stepdown.answers.figures import Number, numbers_of
from stepdown.answers.instructions import MARK
from stepdown.types import LETTERS, Problem

_NEAR, _AFTER, _MOST = 160, 48, 500
_OPEN = r"[\s$\\(\[*_`\"'“{:]{0,12}(?:(?:boxed|text|textbf|mathbf)\{)?[\s$£€\\{]{0,6}\Z"
_LINK = r"(?:\b(?:is|are|was|be|equals?|becomes?)\b(?: equal)?(?: to)?|[=:≈])"
_VAGUE = r"(?:\s{0,3}\b(?:simply|just|only|exactly|about|approximately|therefore|thus|then|indeed|a total of)\b){0,2}"
# "The answer is", "final answer:", "####", a box: what follows is meant as the answer wherever it stands.
_ANSWER = re.compile(
    rf"(?:\b(?:answers?|solution)\b[^.\n:={MARK}]{{0,30}}?{_LINK}{_VAGUE}|\#{{4}}|\\boxed\{{){_OPEN}", re.IGNORECASE
)
_FINAL = re.compile(r"\b(?:final|correct|your|the) (?:answer|solution)|boxed|#", re.IGNORECASE)
_RESULT = re.compile(
    r"(?:[=:≈→]|\b(?:is|are|was|were|be|equals?|equal to|gets?|gives?|giving|obtain(?:ing)?|yields?|makes?|leaves?"
    r"|leaving|results? in|resulting in|comes? (?:out )?to|amounts? to|total(?:s|ing)?|have|has|had|find|that's|it's"
    r"|costs?|earns?|pays?|needs?|takes?|spends?|saves?|answer|say|write)\b)"
    r"(?:\s(?:equal|to|us|you|him|her|them|it|a|an|the|of|only|just|exactly|about|approximately|total|sum|difference"
    r"|product|quotient|result|value|answer|final|new|remaining|number|grand|cost|as|integer)\b){0,6}"
    rf"(?:[A-Z][\w \t]{{0,40}}:)?{_OPEN}",
    re.IGNORECASE,
)
_OPERATOR = r"[-+*/×÷·^_<>≤≥%]|\\(?:times|cdot|div|pm|le|ge|leq|geq|sqrt|frac)\b"
_OPERAND_BEFORE = re.compile(
    rf"(?:(?:{_OPERATOR})[\s$(\\{{]{{0,6}}|[A-Za-z]\(|[A-Za-z\\^_]|[\^_]\{{|\d,\s?"
    r"|\b(?:by|plus|minus|times|over|from|add(?:ing)?|subtract(?:ing)?|multiply(?:ing)?|divid(?:e|ing)|tak(?:e|ing)"
    r"|than|least|most|between|under|above|below|until|nearest|of|base|power|degree|root|first|last|each|every|per"
    r"|substitut(?:e|ing)|insert(?:ing)?|plug(?:ging)?(?: in)?|use|using)(?: the)?[\s$(\\]{1,4})\Z",
    re.IGNORECASE,
)
_OPERAND_AFTER = re.compile(
    r"\s{0,2}[$}\])]{0,3}\s?(?:[+*/×÷·^<>≤≥]|-\s?(?:[\d$\\(]|[A-Za-z]\b)|\\(?:times|cdot|div|pm|leq?|geq?)\b|x \d"
    r"|(?:plus|minus|times|divided|multiplied)\b)"
    r"|\s?(?:\w{1,20}\s){1,2}[+*/×÷·]|,\s?(?:and\s)?-?\d|[A-Za-z\\](?!text|mbox|mathrm|\))",
)
_IDENTITY = re.compile(r"\s{0,2}(?:[*×·x]|times|\\times|\\cdot|multiplied by)\s?1(?![\d.])")
_ZERO = re.compile(r"\b(?:set|sets|setting|let|when|where|if|equate|equating|solve|roots?|zeros?)\b", re.IGNORECASE)
_SUPPOSED = re.compile(r"\b(?:let|set|suppose|if|when|assume|try|for|plug|substitut\w{1,4}|at)\b[^.\n]{0,25}\Z", re.I)
_VARIABLE = re.compile(
    r"(?:what is|find|determine|compute|evaluate|solve for|values? of|express)\s(?:the values? of\s)?"
    r"\$?([A-Za-z])\$?(?![\w'])",
    re.IGNORECASE,
)
# What is counted by a constant, beside what it makes up: twelve months are a year.
_CONVERSIONS: dict[int, str] = {
    2: r"pairs?|twins?|half|halves|sides|both|double",
    3: r"feet|yards?|triangle|thirds?",
    4: r"quarters?|weeks?|quarts?|sides|square|seasons?",
    5: r"nickels?|weekdays?|work\w*|school",
    7: r"days?|weeks?",
    8: r"hours?|ounces?|cups?|pints?|furlongs?",
    10: r"dimes?|decades?|millimet\w+|tens?|percent",
    12: r"months?|years?|dozens?|inch(?:es)?|foot|feet|eggs",
    14: r"days?|fortnight",
    16: r"ounces?|pounds?",
    20: r"scores?|nickels?",
    24: r"hours?|days?",
    25: r"quarters?|cents?",
    28: r"days?|february",
    29: r"days?|february",
    30: r"days?|months?|half",
    31: r"days?|months?",
    36: r"inch(?:es)?|yards?",
    50: r"percent|%|half|states",
    52: r"weeks?|cards?|deck",
    60: r"minutes?|seconds?|hours?",
    90: r"degrees?|right|°|minutes",
    100: r"percent\w*|%|cents?|dollars?|centimet\w+|hundred|century|yards",
    144: r"gross|square",
    180: r"degrees?|triangles?|°|straight|half",
    360: r"degrees?|circles?|°|quadrilaterals?|full",
    365: r"days?|years?",
    366: r"days?|years?|leap",
    1000: r"grams?|met\w+|millilit\w+|thousand|kilo\w+|lit\w+|kilos?",
    1760: r"yards?|miles?",
    2000: r"pounds?|tons?",
    3600: r"seconds?|hours?",
    5280: r"feet|miles?",
}  # fmt: skip
_PAIRED = re.compile(
    r"\b(?:in|per|each|every|an?|one|1|since|because|there are|convert\w*|equals?|=|is|long)\b|=", re.I
)
_POWER = re.compile(r"\b(?:power|exponent|raised)\b(?: (?:of|to|the|power)){0,4}\s?[$\\{(]{0,4}\Z", re.IGNORECASE)
_GIVING = re.compile(
    r"[^.\n]{0,40}?(?:\b(?:is|gives?|equals?|be|yields?|results? in|get)\b(?: us| you)?|=)\D{0,12}?(\d{1,12}|\bone\b)"
)
_EQUATION = re.compile(
    r"(?<![\w.^])(\d{1,12}|[A-Za-z](?=\^))[\s$]{0,3}(?P<sign>[-+*/×÷^x]|\\times|\\cdot|times|plus|minus)[\s${]{0,3}"
    r"(\d{1,12})[\s$}]{0,3}(?:=|equals|is|gives)[\s$]{0,3}(\d{1,12})(?!\w|\.\d)"
)
_CONDITION = re.compile(
    r"(?:\b(?:must|should|has to|have to|needs? to)\b[^.\n]{0,20}|\b(?:either|or|and|not) [$\\(]{0,3})\Z", re.IGNORECASE
)
# Whoever writes `5^5` leaves it to the student; `3 x 10^6` is a way to write a number.
_POWERED = re.compile(r"(?<!10)(?<!10 )\^")
_SHARE = re.compile(r"\s{0,2}[$}]{0,2}\s?of\b")
_CLOSING = re.compile(
    r"\n\s{0,9}\n[\s*_#]{0,6}(?:remember|note|now|hint|tip|your turn|these|by following|good luck|let me|also|this)\b",
    re.I,
)
_OPPOSITES = ({"yes", "no"}, {"true", "false"}, {"positive", "negative"}, {"correct", "incorrect"}, {"heads", "tails"})
_CHOSEN = re.compile(
    r"\b(?:answer|choice|option|choose|select|pick)\b(?:\s(?:is|should be|must be|would be|option|choice|answer)){0,2}"
    r":?[\s(*\"'“$\[]{0,6}\Z",
    re.IGNORECASE,
)


class StatedAnswer(msgspec.Struct, frozen=True):
    """Where a text tells a value: the words, and whether they stand in its last step."""

    quote: str
    last: bool


Standing = Literal["final", "answer", "result", "operand", "other"]


def states_number(
    text: str, value: Fraction, question: str, *, is_known: Callable[[Fraction], bool], common: bool, surely: bool
) -> StatedAnswer | None:
    """Return where a text tells a value as a result, None where it does not.

    A `common` value, such as 1 or 12, must be the result that the steps end with; `surely` asks for words that call it
    the answer. `is_known` says of a value whether the question gives it or everybody knows it.
    """
    plain = text.replace(MARK, " ")
    every = numbers_of(plain, words=True)
    occurrences = [one for one in every if one.value == value and not _POWERED.search(plain, one.start, one.end)][
        :_MOST
    ]
    standings = [(one, _standing(text, one, question, value)) for one in occurrences]
    ends = _last_step(text)
    final = _last_calculated(text, every, is_known, ends[1]) if occurrences else 0
    for one, standing in standings:
        if standing == "final" or (standing == "answer" and one.start >= ends[0]):
            return _stated_at(text, one.start, one.end, ends)
    if surely:
        return None
    worked_on = max((one.start for one, standing in standings if standing == "operand"), default=-1)
    for one, standing in standings:
        tells = standing == "answer" or (standing == "result" if common or one.word else True)
        tells = tells and not (one.word and common)
        tells = tells and standing != "operand"
        if not tells or one.start < worked_on or _converts(text, one, value):
            continue
        if not common or abs(value) > 12 or final <= one.start < ends[1]:
            return _stated_at(text, one.start, one.end, ends)
    return next((_stated_at(text, *span, ends) for span in _inverted(plain, value, question)), None)


def states_formula(text: str, gold: str, *, surely: bool) -> StatedAnswer | None:
    """Return where a text tells a formula or a text, both without wrapping; blanks do not count."""
    tokens = re.findall(r"[^\W\d_]+|\d+|[^\w\s]|_", gold)
    if not tokens:
        return None
    before = r"(?<!\w)" if gold[0].isalnum() else ""
    after = r"(?!\w)" if gold[-1].isalnum() else ""
    bound = surely or len(gold) < 2 or any(gold in pair for pair in _OPPOSITES)
    part = gold[0] not in "([{\\" and len(tokens) > 1 and len(gold) < 12
    for match in re.finditer(before + r"\s{0,3}".join(map(re.escape, tokens)) + after, text):
        ahead, behind = text[max(0, match.start() - _NEAR) : match.start()], text[match.end() : match.end() + 4]
        if bound and not (_ANSWER.search(ahead) or re.search(r"boxed\{\s{0,3}\Z", ahead)):
            continue
        if part and (re.search(r"[-+*/^_(]\s?\Z", ahead) or re.match(r"\s?[-+*/^(]|\)\s?[-+*/^(]", behind)):
            continue
        return _stated_at(text, *match.span(), _last_step(text))
    return None


def states_choice(text: str, problem: Problem, *, surely: bool) -> StatedAnswer | None:
    """Return where a text tells a choice: by its letter as the answer, or by its words and no other choice's."""
    index, ends = LETTERS.find(problem.answer[:1].upper()), _last_step(text)
    if not 0 <= index < len(problem.choices):
        return None
    choices = [choice.casefold() for choice in problem.choices]
    shown_text = text.casefold()
    letter = re.compile(rf"(?<![\w(]){LETTERS[index]}(?=[\s).,:;*\]]|\Z)|\({LETTERS[index]}\)")
    spans = [match.span() for match in letter.finditer(text)]
    words = re.compile(rf"(?<!\w){re.escape(choices[index])}(?!\w)") if choices[index] else None
    stated = [match.span() for match in words.finditer(shown_text)] if words else []
    for start, end in (*spans, *stated):
        if _CHOSEN.search(text[max(0, start - _NEAR) : start].replace(MARK, "\n")) or _ANSWER.search(
            _before(text, start)
        ):
            return _stated_at(text, start, end, ends)
    others = [one for at, one in enumerate(choices) if at != index and one]
    alone = not any(re.search(rf"(?<!\w){re.escape(one)}(?!\w)", shown_text) for one in others)
    bound = surely or any(choices[index] in pair for pair in _OPPOSITES)
    return _stated_at(text, *stated[-1], ends) if stated and alone and not bound else None


def _standing(text: str, one: Number, question: str, value: Fraction) -> Standing:
    """Return how a number stands in its sentence."""
    before, after = _before(text, one.start), text[one.end : one.end + _AFTER].split(MARK)[0]
    goes_on = _OPERAND_AFTER.match(after) is not None and _IDENTITY.match(after) is None
    goes_on = goes_on or (value.denominator != 1 and _SHARE.match(after) is not None)
    called = _ANSWER.search(before)
    if not goes_on and (called or _names(before, question)):
        return "answer" if called and not _FINAL.search(called[0]) else "final"
    if goes_on or _OPERAND_BEFORE.search(before):
        return "operand"
    if value == 0 and _ZERO.search(_sentence(before)):
        return "operand"
    if _SUPPOSED.search(before) or _CONDITION.search(before):
        return "other"
    return "result" if _RESULT.search(before) else "other"


def _names(before: str, question: str) -> bool:
    """Whether what leads to a number is the asked variable, or the asked expression, and a sign of equality."""
    head = re.search(rf"(?P<head>[^=\n]{{0,80}})(?P<link>{_LINK}){_VAGUE}{_OPEN}", before, re.IGNORECASE)
    if head is None or _SUPPOSED.search(head["head"]):
        return False
    left = re.sub(r"[\s$*\\(),;:]|\bmust\b|\bshould\b|\bwill\b|\bhas to\b", "", head["head"])
    bare_question = re.sub(r"[\s$*\\(),;:]", "", question).rstrip(".?!]}")
    variables = {match[1] for match in _VARIABLE.finditer(question)}
    last = re.search(r"(?<![A-Za-z\\^])([A-Za-z])\$?\s?(?:must|should|will|has to)?\s?\Z", head["head"])
    if last is not None and last[1] in variables:
        return True
    tail = re.search(r"[\\\w^{}+*/-]+\Z", left[-60:])
    return "=" in head["link"] and tail is not None and len(tail[0]) > 3 and bare_question.endswith(tail[0])


def _converts(text: str, one: Number, value: Fraction) -> bool:
    """Whether a number converts units or is one's share of a whole: 7 days in a week, 100 percent."""
    units = _CONVERSIONS.get(int(value)) if value.denominator == 1 else None
    if units is None:
        return False
    after = re.split(r"[.\n]", text[one.end : one.end + 60])[0]
    before = _sentence(_before(text, one.start))[-60:]
    beside = re.match(rf"[\s)*}}-]{{0,4}}(?:\w+\s)?(?:{units})\b|\s?[%°]", after, re.IGNORECASE)
    around = [*re.findall(rf"\b(?:{units})\b", before + " \n " + after, re.IGNORECASE)]
    kinds = {re.sub(r"(?:es|s)\Z", "", unit.casefold()) for unit in around}
    return len(kinds) > 1 or (beside is not None and _PAIRED.search(after[:40]) is not None and len(kinds) > 0)


def _last_calculated(text: str, every: Sequence[Number], is_known: Callable[[Fraction], bool], end: int) -> int:
    """Return where the last result stands that nobody gave, outside of a closing remark; 0 where there is none."""
    news = (one for one in reversed(every) if one.start < end and not one.word and not is_known(one.value))
    made = (one.start for one in islice(news, _MOST) if _RESULT.search(_before(text, one.start)))
    return next(made, 0)


def _inverted(plain: str, value: Fraction, question: str) -> Iterator[tuple[int, int]]:
    """Stream the places where a value makes, with what the question gives, what the question gives.

    Whoever is asked for the logarithm of 1 is told by "any number to the power of 0 gives 1".
    """
    if value.denominator != 1 or value < 0:
        return
    gold = int(value)
    powered = re.search(r"log|power|exponent|\^", question)
    if not powered and plain.isascii() and str(gold) not in plain:
        return
    question_numbers = {int(digits) for digits in (*re.findall(r"\d{1,12}", question), *re.findall(r"\d", question))}
    for match in _EQUATION.finditer(plain):
        right, made = int(match[3]), int(match[4])
        left = int(match[1]) if match[1].isdigit() else made
        others = {left, right, made} - {gold}
        trivial = gold in (0, 1) and match["sign"] != "^"
        if gold in (left, right) and gold != made and others <= question_numbers and not trivial:
            yield match.span()
    if not powered:
        return
    for one in numbers_of(plain, words=True):
        giving = _GIVING.match(plain, one.end) if one.value == value else None
        made = int(giving[1].replace("one", "1")) if giving else gold
        if giving and made in question_numbers - {gold} and _POWER.search(plain[max(0, one.start - _NEAR) : one.start]):
            yield one.start, giving.end(1)


def _last_step(text: str) -> tuple[int, int]:
    """Return where the last step begins, and where a closing remark after all steps does."""
    start = max(text.rfind(MARK), text.rstrip().rfind("\n") if MARK not in text else 0, 0)
    closing = _CLOSING.search(text, start)
    return start, closing.start() if closing else len(text)


def _stated_at(text: str, start: int, end: int, ends: tuple[int, int]) -> StatedAnswer:
    line = text[text.rfind("\n", 0, start) + 1 : end].replace(MARK, "").strip()
    return StatedAnswer(line[-120:], start >= ends[0])


def _before(text: str, start: int) -> str:
    """Return what stands before a place in its step."""
    return text[max(0, start - _NEAR) : start].rpartition(MARK)[2]


def _sentence(before: str) -> str:
    return re.split(r"[.!?]\s|\n", before)[-1]
