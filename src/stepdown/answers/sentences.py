"""The closing sentences of a text, last first, with how much each one sounds like a conclusion."""

import re
from collections.abc import Iterator
from itertools import islice

import msgspec

from stepdown.answers.unwrapping import sweep, undrawn

# A text concludes near its end; what lies further up is working. It also keeps every later step linear.
_TAIL = 12_000
_LONGEST = 2_000
_MOST = 40
_BREAK = re.compile(
    r"(?<=[.!?])(?<!\bvs\.)(?<!\b[A-Z]\.)(?<!\b(?:Mr|Ms|Dr|St)\.)(?<!\bMrs\.)(?=(?:[\"')*$]|\\\]){0,4}\s[^a-z])"
    r"|(?<=[a-z\d)][.!?])(?=[A-Z][a-z])"
)
_LEAD = re.compile(
    r"""\s*(?:[-*•+>|]+\s+)*(?:\#{1,6}\s+)?
    (?:(?:step|part|prompt|instruction)\s*\#?\d{1,3}\s*[:.)-]* | \(?\d{1,3}[.)](?=\s|$) | \(?[a-z][.)]\s)?\s*""",
    re.IGNORECASE | re.VERBOSE,
)
_SIGNS = re.compile(
    r"\b(?:(?P<final>final answer|(?:the |correct )?answer is|correct answer)|(?P<answer>answer(?=:))"
    r"|(?P<cue>therefore|thus|hence|so|answer|in total|total of|finally|in conclusion|conclude|altogether|in summary|"
    r"result is|overall)"
    r"|(?P<check>let(?:'s|s| me| us) (?:double-?\s?)?(?:check|verify)|(?:cross-?)?verif(?:ication|ying|ies|y)|"
    r"(?:double-?\s?)?checking|double-?\s?check|(?:to|can) (?:check|verify|confirm)|"
    r"check (?:your|the|our|my|this|that)|"
    r"check(?: it)?(?=\s*:)|alternatively|another way|(?:substitut\w+|plug\w*) [^.]{0,40}?\bback)"
    r"|(?P<remark>check|remember|note that|i hope|hope this|let me know|congratulations|great job|well done|good job|"
    r"makes sense|reasonable|by following|following these|that's how))\b"
    r"|(?P<mark>\#\#\#\#|\\boxed)|(?P<praise>correct!)|(?P<opening>^check\b)"
)
_OPENING = re.compile(
    r"\W{0,4}(?:so|thus|therefore|hence|(?:the |my |our )?(?:final )?answer|finally)\b", re.IGNORECASE
)

# What stands before the comma of an opening `If`, `Since`... restates the question.
_SUBORDINATE = re.compile(
    r"(?:\W|so|therefore|thus|hence|then|and|but|now){0,6}(?:if|when|since|because|given|assuming|with|although|as)\b"
    r".{0,400}?,(?=\s)",
    re.IGNORECASE,
)


class Sentence(msgspec.Struct, frozen=True):
    """One closing sentence: `text` swept of typography, its `start` in the whole text, how conclusive it sounds.

    `cue` is where the first concluding word ends: what stands before it is what the conclusion follows from; `aside`
    is where an opening `if` clause ends.
    """

    text: str
    start: int
    bonus: float
    cue: int | None = None
    final: int | None = None
    checking: bool = False
    line: int = 0
    aside: int = 0


_HINTS = ("check", "verif", "confirm", "lternativ", "another way", " back ")


def last_check(text: str) -> int:
    """Return where the text last hints, cheaply read, at a check of what it concluded; its length where it does not."""
    offset = max(0, len(text) - _TAIL)
    tail = text[offset:].lower()
    last = max(tail.rfind(hint) for hint in _HINTS)
    return offset + last if last >= 0 else len(text)


def closing(text: str, *, enumerated: bool = True) -> Iterator[Sentence]:
    """Yield the sentences of a text from its end backwards, at most 40 of its last 12,000 characters.

    `enumerated` drops what numbers a line, such as `7.` or `Step 3:`.
    """
    offset = max(0, len(text) - _TAIL)
    tail = undrawn(text[offset:])
    return islice(_sentences(tail, offset, enumerated), _MOST)


def _sentences(tail: str, offset: int, enumerated: bool) -> Iterator[Sentence]:
    end = len(tail)
    while end > 0:
        begin = tail.rfind("\n", 0, end) + 1
        line = sweep(tail[begin:end])
        for start, stop in reversed(list(_spans(line))):
            lead = _LEAD.match(line, start, stop) if enumerated else None
            start = max(lead.end() if lead else start, stop - _LONGEST)
            if line[start:stop].strip():
                yield _weighed(line[start:stop], offset + begin + start, begin)
        end = begin - 1


def _spans(text: str) -> Iterator[tuple[int, int]]:
    at = 0
    for match in _BREAK.finditer(text):
        yield at, match.start()
        at = match.end()
    yield at, len(text)


def _weighed(sentence: str, start: int, line: int) -> Sentence:
    low = sentence.lower()
    low = low if len(low) == len(sentence) else sentence
    ends: dict[str, int] = {}
    for match in _SIGNS.finditer(low):
        ends.setdefault(match.lastgroup or "", match.end())
    clause = _SUBORDINATE.match(sentence)
    aside = clause.end() if clause else 0
    checking = ("check" in ends or "opening" in ends) and not _OPENING.match(sentence)
    remark = "remark" in ends or "check" in ends or "praise" in ends
    final = ends.get("final") or ends.get("mark")
    cues = [ends[name] for name in ("final", "answer", "cue", "mark") if name in ends]
    bonus = (
        (3 if final or "answer" in ends else 0)
        - (12 if checking else 0)
        - (6 if remark else 0)
        - {"?": 4, ":": 3}.get(sentence.rstrip(" *_")[-1:], 0)
    )
    return Sentence(
        sentence, start, bonus, cue=min(cues, default=None), final=final, checking=checking, line=line, aside=aside
    )
