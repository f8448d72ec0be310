"""Does an answer that was found equal the gold? One question per kind of problem, with the reason in one line."""

import re
from functools import lru_cache

from stepdown.answers import around, last_boxes, letter, number, plain_text, same_expression, several
from stepdown.answers import gold_number as marked_gold
from stepdown.graders.workers import OutOfTime, workers
from stepdown.types import Kind, Problem, Verdict

_LONGEST = 2_000
_SECONDS = 5.0
_FACTOR = re.compile(r"\bfactor(?:ed|ize|ise)?\b", re.IGNORECASE)
_ABOUT = re.compile(r"\\approx|≈")
_GROUP = re.compile(r"\([^()]*[a-zA-Z][^()]*\)(?:\^\{?(\d))?")
_YES = ("yes", "true", "はい", "是", "是的", "对", "oui", "ja", "sí", "sim")
_NO = ("no", "false", "いいえ", "否", "不是", "不", "non", "nein", "não", "nej")
_TRUTH = {**dict.fromkeys(_YES, True), **dict.fromkeys(_NO, False)}
_CLAUSE = re.compile(r"[,;:.!?](?=\s)|\s[-–—(]|\s(?:because|since|which|as)\s")
_NEGATION = frozenset({"not", "no", "never", "n't", "neither", "nor"})

Outcome = tuple[Verdict, str]


async def compare(problem: Problem, answer: str, kind: Kind, *, whole: tuple[str, ...] = ()) -> Outcome:
    """Return the verdict on a found answer and why; `ungraded` where the gold cannot be read or time runs out.

    `whole` are longer readings of the same place (see `wholes`), for a gold that is an equation or a list.
    """
    if kind == "number":
        return _numbers(problem, answer)
    if kind == "choice":
        return _choices(problem, answer)
    if kind == "text":
        return _texts(problem.answer, answer)
    outcome = await _expressions(problem, answer)
    if outcome[0] == "wrong" and whole:
        more = several(gold_of(problem, kind) or "")
        for one in (one for one in whole if more or _ABOUT.search(one)):
            again = await _expressions(problem, one)
            outcome = again if again[0] == "right" else outcome
    return outcome


def wholes(solution: str, answer: str, span: tuple[int, int]) -> tuple[str, ...]:
    """Return what an answer was read from where it is more: several boxes, or the whole of an equation or list."""
    boxes = last_boxes(solution)
    inside = len(boxes) > 1 and any(start <= span[0] and span[1] <= end for start, end in boxes)
    joined = ", ".join(solution[start:end] for start, end in boxes) if inside else ""
    return tuple(one for one in (joined, around(solution, span)) if one and one != answer)


def gold_of(problem: Problem, kind: Kind) -> str | None:
    """Return a problem's gold as its kind spells it, also from a worked solution; None where it cannot be read."""
    return _gold(problem.answer, kind, problem.choices if kind == "choice" else ())


# A row asks for its gold before and while it is compared, and so do all samples of one problem.
@lru_cache(maxsize=512)
def _gold(answer: str, kind: Kind, choices: tuple[str, ...]) -> str | None:
    if kind == "number":
        return marked_gold(answer)
    if kind == "expression":
        boxes = [answer[start:end].strip() for start, end in last_boxes(answer)]
        return ", ".join(filter(None, boxes)) or answer.strip() or None
    if kind == "choice":
        return _letter(answer, choices)
    return plain_text(answer) or None


def _numbers(problem: Problem, answer: str) -> Outcome:
    gold = gold_of(problem, "number")
    if gold is None:
        return "ungraded", f"the gold `{problem.answer[:80]}` is not a number"
    # Both are spelled in the one form that a value has.
    return _outcome(gold == answer or number(gold) == number(answer), answer, gold)


def _choices(problem: Problem, answer: str) -> Outcome:
    gold = gold_of(problem, "choice")
    if gold is None:
        return "ungraded", f"the gold `{problem.answer[:80]}` is none of the choices"
    return _outcome(gold == answer, answer, gold)


def _letter(answer: str, choices: tuple[str, ...]) -> str | None:
    sign = answer.strip(" ().:").upper()
    if len(sign) == 1 and sign.isalpha():
        return sign
    plain = plain_text(answer)
    same = [index for index, choice in enumerate(choices) if plain and plain_text(choice) == plain]
    if same:
        return letter(same[0])
    return letter(int(sign) - 1) if sign.isdecimal() and 0 < int(sign[:3]) < 11 else None


def _texts(answer: str, found: str) -> Outcome:
    """Compare words: the gold may follow up to four others, or stand before the first comma or stop."""
    gold, found_words = plain_text(answer).split(), plain_text(found).split()
    if not gold:
        return "ungraded", "the gold is empty"
    if len(gold) == 1 and gold[0] in _TRUTH:
        return _outcome(_truth(found_words) is _TRUTH[gold[0]], found, answer)
    ahead = found_words[: -len(gold)]
    ends = found_words[-len(gold) :] == gold and len(ahead) <= 4 and _NEGATION.isdisjoint(ahead) and "or" not in ahead
    return _outcome(ends or plain_text(_CLAUSE.split(found, maxsplit=1)[0]).split() == gold, found, answer)


def _truth(text: list[str]) -> bool | None:
    """Return whether words say yes or no: the first of them, or the only ones that do; None where they say neither."""
    truths = [_TRUTH[word] for word in text if word in _TRUTH]
    both = text[1:2] in (["or"], ["and"]) and text[2:3] and text[2] in _TRUTH
    if not truths or both or (len(set(truths)) > 1 and text[0] not in _TRUTH):
        return None
    return truths[0] if text[0] in _TRUTH or _NEGATION.isdisjoint(set(text) - {"no"}) else None


async def _expressions(problem: Problem, answer: str) -> Outcome:
    gold = gold_of(problem, "expression")
    if gold is None:
        return "ungraded", "the gold is empty"
    if len(answer) > _LONGEST:
        return "wrong", f"the answer is longer than {_LONGEST} characters"
    equal = same_expression(gold, answer)
    if equal is None:
        try:
            equal = await workers.same(gold[:_LONGEST], answer, seconds=_SECONDS)
        except OutOfTime:
            return "ungraded", f"`{answer[:80]}` could not be compared with `{gold[:80]}` within {_SECONDS:g} s"
    if equal and _FACTOR.search(problem.question) and _groups(answer) < _groups(gold):
        return "wrong", f"found `{answer[:80]}`, which equals the gold `{gold[:80]}` but is not fully factored"
    return _outcome(bool(equal), answer, gold)


def _groups(expression: str) -> int:
    return sum(int(match[1] or 1) for match in _GROUP.finditer(expression.replace("\\left", "").replace("\\right", "")))


def _outcome(equal: bool, answer: str, gold: str) -> Outcome:
    if equal:
        return "right", f"found `{answer[:80]}`, the gold"
    return "wrong", f"found `{answer[:80]}`, the gold is `{gold[:80]}`"
