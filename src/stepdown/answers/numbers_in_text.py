"""Texts that state one number: read whole, or not at all."""

import re
from fractions import Fraction
from itertools import pairwise

from stepdown.answers.figures import Number, Unread, figures, numbers, spelled
from stepdown.answers.measures import unit_name
from stepdown.answers.numerals import han
from stepdown.answers.unwrapping import sweep, unwrapped_span
from stepdown.answers.words import stem

__all__ = ["Number", "Unread", "number", "numbers", "spelled", "stated"]

_LONGEST = 4_000
_EQUALS = re.compile(r"(?<![<>!≠\\])=|≈|≡|→|⇒|\\(?:approx|equiv|to|rightarrow|Rightarrow|implies|doteq)(?![a-z])")
_ASSIGNED = re.compile(
    r"(?<![A-Za-z])[A-Za-z](?:_\{?\w\}?)?\s?(?:=|is)\s?[^=,;]{1,30}?(?:,|;|\band\b|\bor\b|&)\s?(?:and\s|or\s)?"
    r"[A-Za-z](?:_\{?\w\}?)?\s?(?:=|is)(?![a-z])"
)
# What stands before a number that is denied, or that only bounds the answer.
DENIED = re.compile(
    r"(?:\b(?:not|never|neither|nor|rather than|instead of|except|excluding|without|unlike|nicht|kein|pas)|n't"
    r"|不是|≠|\\neq?"
    r"|!=)\s*(?:(?:be|been|exactly|equal to|the|simply|just|only|a|an|that)\s+){0,2}[\"'(*$`\\]*\Z",
    re.IGNORECASE | re.ASCII,
)
COMPARED = re.compile(
    r"(?:\b(?:(?<!no )(?:more|less|greater|fewer|larger|smaller|higher|lower|bigger|longer|shorter|older|younger"
    r"|other) than"
    r"|over|under|above|below|beyond|exceed(?:s|ing)?|between(?:\s[^\s.]{1,15}){1,2}\sand|between"
    r"|times as [a-z]+ as)|[<>≤≥±]|\+/-"
    r"|\\(?:pm|mp)|\\(?:l|g)(?:eq?|t)(?:slant)?)"
    r"\s*(?:or equal to\s+)?[\"'(*$`\\]*\Z",
    re.IGNORECASE | re.ASCII,
)
# What takes a number back right after it: `25 is wrong`, `18? No`, `7, but actually it is 8`.
REFUTED = re.compile(
    r"[\"'*)$`}]{0,4}(?:\s(?:(?:is|was|are|were|seems|would be)\s(?:\w+ly\s)?(?:wrong|incorrect|false)\b"
    r"|(?:(?:is|was|are|were|could|would)(?:n't| not)|can(?:'t|not| not))\s(?:be\s)?"
    r"(?:right|correct|possible|it|the (?:\w+ )?(?:answer|solution|result))\b)|\?\s{1,2}(?:no|nope|wrong|not)\b"
    r"|(?:\s[a-z]{1,15})?(?:[,;.…—–]|\.\.\.){0,2}\s(?:but\s)?(?:no,?\s(?:wait|sorry|actually)|wait,?\sno|scratch that"
    r"|(?<=but\s)(?:actually|really|in fact)(?=,?\s\w)))",
    re.IGNORECASE | re.ASCII,
)
BOUNDED = re.compile(
    r"\b(?:at least|at most|up to|no more than|no less than|no fewer than)\s*[\"'(*$`\\]*\Z", re.I | re.A
)
_BOUNDED_AFTER = re.compile(
    r"\s?(?:[A-Za-z]+\s){0,2}(?:or (?:more|less|fewer|higher|lower|so|above|below|greater)|and (?:up|above|below"
    r"|more))\b"
    r"|\+(?!\s?\d)",
    re.IGNORECASE | re.ASCII,
)
# `the first one`, `this one`: a pronoun.
_LABEL = re.compile(
    r"\b(?:steps?|parts?|equations?|questions?|problems?|lines?|options?|cases?|figure|table)\s?\(?\#?\Z", re.I
)
_PRONOUN = re.compile(
    r"\b(?!only|just|exactly|is|are|was|about|answer|there|has|have|needs|gets|the)[a-z]+\s\Z", re.I | re.A
)
_OPERATED = re.compile(
    r"(?:[+*^√∛]|\\(?:times|cdot|div|sqrt|pm|mp|log|ln|sin|cos|tan)|(?<![A-Za-z])(?:sqrt|log|ln|sin|cos|tan)|"
    r"(?:[\d)}]|(?<![A-Za-z])[a-z])\s?[-/]|\b[a-z]\()[\s{(\[$]*\Z"
)
_OPERATOR = re.compile(
    r"[\s})\]$]*(?:(?!\^\{?\\circ)[+*^](?=\s?[\w({\\$.])|\\(?:times|cdot|div|pm|mp|sqrt|pi)|-\s?[a-z](?![a-z])"
    r"|/\s?(?![A-Za-z]{2}|[hsmdgL]\b|person)"
    r"|(?:\s?|\\,)[xyznabkpqrt](?![A-Za-z.'])|x\s?\d)"
)
_REASON = re.compile(
    r"[,;(]?\s(?:because|since|as|for|which|after|by|when|if|given|where|so|from|out of|instead|rather|not|while|but"
    r"|or about|or approximately|or roughly)\b|[,;:]\s|\s-\s|[.!?]\s",
    re.IGNORECASE | re.ASCII,
)
_WORD = re.compile(r"[A-Za-z]{2,}")
_SPACED_SIGN = re.compile(r"- (?=[\d.])")
_GROUPED = re.compile(r"[^\d]*\d{1,3}(?: \d{3})+(?:\.\d{1,20})?[^\d]*")
_LINK = re.compile(
    r"\W*(?:(?:and|or|to|through|nor|vs|und|oder|bis|y|o|et|ou|à|a|и|或|和|と|か)\W*)?", re.IGNORECASE
)  # fmt: skip
_UNIT = re.compile(r"[\s$]*(?P<unit>[A-Za-z]*)(?P<link>\W*\b(?:and|or|to|nor|und|oder|y|o|et|ou)\b\W*|\s?[,;/&]\s?)")
_FOLLOWING = re.compile(r"[\s$]*([A-Za-z]*)")


def number(text: str) -> Fraction | None:
    """Return the exact value of a text that states one number, such as `$2,125.50` or `x = 3/4`; else None."""
    one = stated(text)
    return one.value if isinstance(one, Number) else None


def stated(
    text: str, *, bounds: bool = False, percent: bool = False, nouns: frozenset[str] = frozenset()
) -> Number | Unread | None:
    """Return the one number a text states.

    `Unread` is a text whose figures are no answer: several, denied, compared with, or part of a formula. None is a
    text that has no figure, or whose numbers have to be weighed. `bounds` takes `at least 7` for 7; `percent` prefers
    40 in `0.4, or 40%`, and `nouns` are what the question counts: of `5 dogs and 3 cats` the dogs.
    """
    if len(text) <= 40 and text.isascii() and text.isdigit():
        return Number(Fraction(int(text)), 0, len(text))
    text = sweep(text[:_LONGEST])
    begin, end = unwrapped_span(text, 0, len(text))
    begin += text.startswith("+", begin, end)
    if _SPACED_SIGN.match(text, begin, end) and "\n" not in text[:begin]:
        text, begin = f"{text[:begin]} -{text[begin + 2 :]}", begin + 1
    if _ASSIGNED.search(text):
        return Unread(begin, end)
    if _GROUPED.fullmatch(text, begin, end):
        text = re.sub(r"(?<=\d) (?=\d{3})", "'", text)
    signs = list(_EQUALS.finditer(text, begin, end))
    sides = list(zip([begin, *(sign.end() for sign in signs)], [*(sign.start() for sign in signs), end], strict=True))
    last = _side(text, sides[-1], bounds, percent, nouns)
    if len(sides) > 1 and not isinstance(last, Number):
        first = _side(text, sides[0], bounds, percent, nouns)
        return first if isinstance(first, Number) or last is None else last
    return last


def _side(
    text: str, side: tuple[int, int], bounds: bool, percent: bool, nouns: frozenset[str]
) -> Number | Unread | None:
    """Read one side of an equation, or a text that has none."""
    start, end = side
    text = " " * start + text[start:end]
    every = figures(text, words=True)
    every = [one for one in every if not _LABEL.search(text, max(start, one.start - 20), one.start)]
    candidates = [one for one in every if isinstance(one, Unread) or not one.word] or every
    if not candidates:
        return _han(text, start, end)
    if len(candidates) > 1:
        candidates = _reduced(text, candidates, start)
    if len(candidates) == 1:
        return _alone(text, candidates[0], start, end, bounds)
    values = {_share(one) for one in candidates if isinstance(one, Number)}
    named = set(map(unit_name, nouns))
    worked = any(_OPERATED.search(text[one.end : other.start]) for one, other in pairwise(candidates))
    if len(values) == 1 and not worked and all(isinstance(one, Number) for one in candidates):
        fit = [
            one
            for one in candidates
            if isinstance(one, Number) and (one.unit in named or _counts(text, one.end, nouns))
        ]
        same = [one for one in candidates if isinstance(one, Number) and one.percent == percent]
        return next(iter(fit or same or candidates))
    if not _listed(text, candidates):
        return None
    counted = [one for one in candidates if _counts(text, one.end, nouns)]
    return counted[0] if len(counted) == 1 else Unread(candidates[0].start, candidates[-1].end)


def _counts(text: str, end: int, nouns: frozenset[str]) -> bool:
    unit = _FOLLOWING.match(text, end)
    return unit is not None and bool({unit_name(unit[1]), stem(unit[1])} & nouns)


def _share(one: Number) -> Fraction:
    return one.value / 100 if one.percent else one.value


def _han(text: str, start: int, end: int) -> Number | None:
    start, end = unwrapped_span(text, start, end, brackets=True)
    value = han(text[start:end].rstrip("个個元円人只本枚つ名岁歳年天日米次条"))
    return None if value is None else Number(value, start, end, word=True)


def _reduced(text: str, candidates: list[Number | Unread], start: int) -> list[Number | Unread]:
    """Leave out what is denied, in brackets after the answer, or part of its reason."""
    kept = [one for one in candidates if not DENIED.search(text, max(start, one.start - 40), one.start)] or candidates
    outer = [one for one in kept if text.count("(", start, one.start) <= text.count(")", start, one.start)]
    kept = outer if outer and outer[0] is kept[0] else kept
    reason = _REASON.search(text, kept[0].end)
    if reason is None or kept[-1].start < reason.end() or len(_WORD.findall(text, start, kept[0].start)) > 3:
        return kept
    stands = [one for one in kept if one.start < reason.start()]
    linked = _LINK.fullmatch(text, stands[-1].end, kept[len(stands)].start)
    return kept if linked else stands


def _alone(text: str, one: Number | Unread, start: int, end: int, bounds: bool) -> Number | Unread:
    """Read the only figure: what stands around it may be units and words, but no denial, bound or formula."""
    if isinstance(one, Unread):
        return one
    begin = max(start, one.start - 60)
    wrong = (
        DENIED.search(text, begin, one.start)
        or COMPARED.search(text, begin, one.start)
        or (not bounds and (BOUNDED.search(text, begin, one.start) or _BOUNDED_AFTER.match(text, one.end, end)))
        or _OPERATED.search(text, begin, one.start)
        or _OPERATOR.match(text, one.end, end)
        or (one.word and one.value == 1 and _PRONOUN.search(text, begin, one.start))
    )
    return Unread(one.start, one.end) if wrong else one


def _listed(text: str, candidates: list[Number | Unread]) -> bool:
    """Tell whether figures stand as a list, a range or alternatives of one kind, or make up a formula."""
    for one, other in pairwise(candidates):
        between = text[one.end : other.start]
        if not (_LINK.fullmatch(between) or _UNIT.fullmatch(between) or _OPERATED.search(between)):
            return False
    return True
