"""Which choice a text concludes with: by its letter, its number or the words of the choice itself."""

import re
from functools import lru_cache

import msgspec

from stepdown.answers.asked import stem
from stepdown.answers.sentences import Sentence, closing

_LETTERS = "ABCDEFGHIJ"
_LABELLED = re.compile(
    r"\((?P<enclosed>[A-Ja-j1-9])\)"
    r"|\b(?:option|choice|answer|answer is|letter)\s*:?\s*[\"'(*]*(?P<named>[A-Ja-j1-9])\b(?!')"
    r"|(?<![\w'])(?P<bare>[A-J])(?=[.):,;\"'*]|\s*$)|\\boxed\{\s*(?:\\text\{)?\(?(?P<boxed>[A-Ja-j])\b"
    r"|(?<=is )(?P<stated>[A-J])\b(?! [a-z])|(?:\#{4}|:)\s*"
    r"\(?(?P<marked>[A-J](?=\W*$|[.) ])|[a-j](?=\W*$))|^\s*(?P<alone>[A-Ja-j1-9])\s*$"
)
_NEGATED = re.compile(
    r"\b(?:not|isn't|aren't|rather than|instead of|unlike|except|never|neither|nor|rule out|eliminate|than)"
    r"\s+(?:\w+\s+){0,2}[\"'(*]*\Z",
    re.IGNORECASE,
)
_REFUTED = re.compile(
    r"[^.;!?\n]{0,50}?\s(?:is|are|was|were|can|do|does|would|could)(?:n't| not| incorrect| wrong| less| unlikely|"
    r" eliminated)\b",
    re.IGNORECASE,
)
_REASON = re.compile(r"\b(?:because|since|while|whereas|than|although|unlike)\b", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z0-9'-]+")
_EMPTY = frozenset({"a", "an", "the", "of", "to", "in", "on", "at", "and", "or", "is", "are", "be", "it", "its"})
_LATER = 6.0


class Pick(msgspec.Struct, frozen=True):
    """One mention of a choice: `index` from 0, its place, and what speaks for it in points."""

    index: int
    start: int
    end: int
    weight: float


def letter(index: int) -> str:
    """Return the letter of a choice, counted from 0: `A`, `B`..."""
    return _LETTERS[index] if index < len(_LETTERS) else str(index + 1)


def choice_concluded(text: str, choices: tuple[str, ...]) -> Pick | None:
    """Return the choice a text concludes with, or None where it names none (or names all alike)."""
    picks: list[Pick] = []
    depth = 0
    for sentence in closing(text, enumerated=False):
        found = [_weighed(sentence, one, depth) for one in _mentions(sentence.text, choices)]
        picks += found
        depth += bool(found)
        if depth >= 6:
            break
    best = max(picks, key=lambda one: one.weight, default=None)
    return best if best is not None and best.weight > -30 else None


def _weighed(sentence: Sentence, one: Pick, depth: int) -> Pick:
    weight = one.weight + sentence.bonus - _LATER * depth
    weight += 3 if sentence.cue is not None and sentence.cue <= one.end else 0
    weight += 6 if sentence.final is not None and sentence.final <= one.end else 0
    reason = _REASON.search(sentence.text, 8)
    weight -= 3 if reason is not None and reason.end() <= one.start else 0
    before = sentence.text[max(0, one.start - 40) : one.start]
    weight -= 9 if _NEGATED.search(before) or _REFUTED.match(sentence.text, one.end) else 0
    return Pick(one.index, sentence.start + one.start, sentence.start + one.end, weight)


def _mentions(text: str, choices: tuple[str, ...]) -> list[Pick]:
    labels = [pick for match in _LABELLED.finditer(text) if (pick := _label(match, len(choices))) is not None]
    return labels + _quoted(text, choices)


def _label(match: re.Match[str], count: int) -> Pick | None:
    group = match.lastgroup or ""
    sign = match[group].upper()
    index = int(sign) - 1 if sign.isdigit() else _LETTERS.index(sign)
    if count and index >= count:
        return None
    return Pick(index, match.start(group), match.end(group), 2.0 if group == "bare" else 4.0)


def _quoted(text: str, choices: tuple[str, ...]) -> list[Pick]:
    words = [(stem(match[0].strip("'-")), match.start(), match.end()) for match in _WORD.finditer(text)]
    words = [word for word in words if word[0] not in _EMPTY]
    stems = [word[0] for word in words]
    found: list[Pick] = []
    for index in sorted(range(len(choices)), key=lambda index: -len(choices[index])):
        wanted = _stems(choices[index])
        for at in _places(stems, wanted):
            start, end = words[at][1], words[at + len(wanted) - 1][2]
            if not any(one.start <= start and end <= one.end for one in found):
                found.append(Pick(index, start, end, 2.0 - at / 1000))
    return found or _scattered(words, choices)


def _places(stems: list[str], wanted: tuple[str, ...]) -> list[int]:
    if not wanted:
        return []
    width = len(wanted)
    return [at for at, one in enumerate(stems) if one == wanted[0] and tuple(stems[at : at + width]) == wanted]


def _scattered(words: list[tuple[str, int, int]], choices: tuple[str, ...]) -> list[Pick]:
    """Find the one choice most of whose words are said, in whatever order."""
    said = {word[0] for word in words}
    shares = sorted(((_share(said, choice), index) for index, choice in enumerate(choices)), reverse=True)
    if not shares or shares[0][0] < 0.6 or (len(shares) > 1 and shares[1][0] >= shares[0][0]):
        return []
    index = shares[0][1]
    places = [word for word in words if word[0] in _stems(choices[index])]
    return [Pick(index, places[0][1], places[-1][2], 2.0 * shares[0][0] - 1)]


def _share(said: set[str], choice: str) -> float:
    wanted = _stems(choice)
    return sum(one in said for one in wanted) / len(wanted) if wanted else 0.0


@lru_cache(maxsize=4096)
def _stems(choice: str) -> tuple[str, ...]:
    words = [stem(word.strip("'-")) for word in _WORD.findall(choice)]
    return tuple(word for word in words if word not in _EMPTY) or tuple(words)
