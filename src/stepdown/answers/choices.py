"""Which choice a text concludes with: by its letter, its number or the words of the choice itself."""

import re
from functools import lru_cache
from itertools import pairwise

import msgspec

from stepdown.answers.sentences import Sentence, closing
from stepdown.answers.texts import plain_text
from stepdown.answers.unwrapping import sweep, unwrapped_span
from stepdown.answers.words import stem
from stepdown.types import LETTERS

_LETTERS = LETTERS[:10]
# `A case` has no letter in it: a bare A before a word in small letters is one only where that word goes on from it.
_ON = (
    r"(?:is|was|because|since|as|for|and|or|with|which|would|will|could|seems|appears|must|should|makes|due|by"
    r"|not|but|if|"
    r"nor|on|has|can|does|und|oder|y|o|et|ou|es|est|ist)\b"
)
_ALONE = rf"(?:(?![AI]\s+[a-z])[A-J]|[AI](?=\s+{_ON}))(?![\w'-])"
_LABELLED = re.compile(
    rf"""
      [(\[](?P<enclosed>[A-Ja-j1-9])[)\]]
    | (?<![A-Za-z])(?:option|choice|answer|letter|alternative|opción|选项|選項
      |choose|select|pick|go\ with|is|be|ist|est|es)
      \s?:?\s?["'(*`$]{{0,4}}(?:(?P<named>{_ALONE})|(?P<small>[a-j])(?=[.):;!"'*`$\]]|\s*$))
    | (?<![A-Za-z])(?:option|choice|answer|answer\ is|number)\s?:?\s?["'(*`$\#]{{0,4}}(?P<digit>[1-9])(?![\w%]|[.,]\d)
    | (?<![A-Za-z0-9'])(?P<bare>[A-J])(?=[.):,;!?"'*`$\]]|\s*$|选项|選項|が正|是正|正确)
    | \\boxed\{{\s*(?:\\text(?:bf)?\{{)?\(?(?P<boxed>[A-Ja-j])(?=\s*[)}}\].:,])
    | \#{{4}}\s*\(?(?P<marked>[A-Ja-j])(?=\W*$)
    | (?<=[选選是はがも为為])(?P<han>[A-J])(?![A-Za-z])
    | (?<![A-Za-z0-9'])(?P<judged>[A-J])
      (?=\s(?:is|was|seems|must\ be|would\ be)\s(?:\w+\s){{0,2}}(?:correct|right|best|answer|true|better)\b
      |\sit\sis\b|\s(?:remains|fits|wins)\b)
    | ^\s*(?P<alone>[A-Ja-j1-9])\s*$
    """,
    re.VERBOSE,
)
# What denies a choice, right before it or right after it, and what only speaks against it.
_NOT_IT = re.compile(
    r"(?:\b(?:is|are|was|were|be|answer|choice|option|could|would|should|must|may|might)(?: not|n't)"
    r"|\bcan(?:'t| ?not)|\A\W*not|\bnot (?:option|choice)|\bneither"
    r"|\bnor|\brule out|"
    r"\beliminate|\brather than|\binstead of|\bunlike)\s+(?:\w+\s+)?[\"'(*]*\Z",
    re.IGNORECASE,
)
_WRONG = re.compile(
    r"[)\]\"'*.:]{0,4}\s(?:(?:is|are|was|were|can|does|do|would|seems)(?:(?:n't| not)\b(?! only)| incorrect\b"
    r"| wrong\b| eliminated\b)|(?:no|false|incorrect|wrong)\b)",
    re.IGNORECASE,
)
_NEGATED = re.compile(
    r"\b(?:not|isn't|aren't|rather than|instead of|unlike|except|never|neither|nor|rule out|eliminate|than)"
    r"\s+(?:(?!but\b|it\b)\w+\s+){0,2}[\"'(*]*\Z",
    re.IGNORECASE,
)
_REFUTED = re.compile(
    r"(?:(?!\b(?:because|since|as|while|that|which|who)\b)[^.,;!?\n]){0,50}?\s(?:is|are|was|were|can|do|does"
    r"|would|could)"
    r"(?:n't| not| incorrect| wrong| less| unlikely| eliminated)\b",
    re.IGNORECASE,
)
# A reason, up to the clause that follows from it.
_REASON = re.compile(
    r"\b(?:because|since|while|whereas|than|although|unlike|due to|as opposed to)\b"
    r"(?:(?!\b(?:so|but|therefore|thus|hence)\b)[^,;\n]){0,300}",
    re.IGNORECASE,
)
_WORD = re.compile(r"[A-Za-z0-9'-]+")
_EMPTY = frozenset({"a", "an", "the", "of", "to", "in", "on", "at", "and", "or", "is", "are", "be", "it", "its"})
_LATER = 6.0


_LIGHTEST = -30.0
_LEADING = re.compile(
    r"(?:(?P<noun>option|choice|letter|answer|alternative|opción|选项|選項)\s?:?\s?)?[(\[\"'*`$]{0,4}(?:\\text\{\(?)?"
    r"(?P<sign>[A-Ja-j]|[1-9])(?![\w'])(?P<close>\s?[.):,;\]}\"'*`$]{0,5}(?:\s-(?=\s))?)",
    re.IGNORECASE,
)
_BETWEEN = (
    r"[\s)\]\"'*`$.]*(?:[,;]\s?(?:and|or)\b|[,;]|\(or\b|-(?=[A-J]\b)|\band/or\b|/|&|\+|\b(?:and|or|und|oder|y|o|et|ou)\b|[和或与と、及])"
    r"(?:\s(?:maybe|perhaps|possibly|also|else|even|an?|the))?[\s(\[\"'*`$]*(?:option |choice )?[(\[]?"
)
_LINK = re.compile(_BETWEEN, re.IGNORECASE)
_LIST = re.compile(rf"(?:both |either |options |choices )?[(\[]?[A-J](?:{_BETWEEN}|\s+)[A-J](?![\w'])")
_SEVERAL = re.compile(
    rf"(?<![A-Za-z0-9'])[(\[]?[A-J](?:{_BETWEEN}[A-J](?![A-Za-z'])(?!\s(?:is|was|seems|would|must)\b)[)\]]?)+"
)
_LABEL_WEIGHT = 4.0
_SHORT = 80
_FEW = 3
_LISTED = re.compile(rf"{_BETWEEN}[A-J](?![\w'])")


class SeveralChoices(msgspec.Struct, frozen=True):
    """Words that are an answer, but not one of the choices: several, or a denial."""


class Pick(msgspec.Struct, frozen=True):
    """One mention of a choice: `index` from 0, its place, and what speaks for it in points."""

    index: int
    start: int
    end: int
    weight: float


def letter(index: int) -> str:
    """Return the letter of a choice, counted from 0: `A`, `B`..."""
    return _LETTERS[index] if index < len(_LETTERS) else str(index + 1)


def choice_closing(text: str, choices: tuple[str, ...]) -> Pick | None:
    """Return the choice a text closes with, or None where it names none, or several alike."""
    picks: list[Pick] = []
    depth = 0
    for sentence in closing(text, enumerated=False):
        last_picks = _unreasoned(sentence.text, _unlisted(sentence.text, choices))
        doubted = _doubted_of(sentence.text, last_picks)
        picks += [
            _weighed(sentence, one, depth, one in doubted) for one in last_picks if not _denied(sentence.text, one)
        ]
        depth += bool(last_picks)
        if depth >= 6:
            break
    best = max(picks, key=lambda one: one.weight, default=None)
    if best is None or best.weight <= _LIGHTEST or _tied(text, best, picks):
        return None
    return best


def choice_alone(text: str, choices: tuple[str, ...]) -> Pick | None:
    """Return the choice that a text of one short line is, such as `b)`."""
    if len(text) > _SHORT or "\n" in text.strip() or len({one.index for one in _mentions(sweep(text), choices)}) > 1:
        return None
    pick = choice_held(text, choices)
    return pick if isinstance(pick, Pick) and pick.weight >= _LABEL_WEIGHT else None


def choice_held(text: str, choices: tuple[str, ...], *, stated: bool = False) -> Pick | SeveralChoices | None:
    """Return the choice that a mark's words name, `SeveralChoices` for more than one or a denied one, else None.

    The words of one choice come first, then a letter or number that stands alone or leads, then what is mentioned; in a
    mere statement (`stated`) that does not stand among many other words.
    """
    text = sweep(text)
    start, end = unwrapped_span(text, 0, len(text), brackets=True)
    exact = _exactly(text[start:end], choices)
    if exact is not None:
        return Pick(exact, start, end, 0)
    if _LIST.match(text, start, end):
        return SeveralChoices()
    lead = _LEADING.match(text, start, end)
    if lead is not None and (pick := _led(text, lead, end, choices)) is not None:
        return SeveralChoices() if _WRONG.match(text, pick.end) or _LISTED.match(text, pick.end) else pick
    mentions = [one for one in _mentions(text[:end], choices) if one.start >= start]
    if mentions and not _unlisted(text[start:end], choices):
        return SeveralChoices()
    mentions.sort(key=lambda one: one.start)
    kept = _unreasoned(text, [one for one in mentions if not _denied(text, one) and not _doubted(text, one)])
    if len({one.index for one in kept}) == 1:
        others = len(_WORD.findall(text, start, end)) - len(_WORD.findall(text, kept[0].start, kept[0].end))
        letter_alone = kept[0].end - kept[0].start == 1
        return kept[0] if not stated or letter_alone or others <= _FEW else None
    if not mentions:
        return None
    joined = any(_LINK.fullmatch(text, one.end, two.start) for one, two in pairwise(kept))
    best = max(kept, key=lambda one: one.weight, default=None)
    return SeveralChoices() if joined or best is None or _level(best, kept) else best


def _exactly(text: str, choices: tuple[str, ...]) -> int | None:
    """Return the one choice whose words a text is; a letter is that choice's letter before it is another's words."""
    plain = plain_text(text)
    if not plain or (len(text.strip()) == 1 and text.strip().upper() in _LETTERS[: len(choices)]):
        return None
    same = [index for index, choice in enumerate(choices) if plain_text(choice) == plain]
    return same[0] if len(same) == 1 else None


def _led(text: str, lead: re.Match[str], end: int, choices: tuple[str, ...]) -> Pick | None:
    """Return the choice whose letter leads a text, where what follows goes on from it or is the choice's words."""
    sign, close = lead["sign"], lead["close"].strip()
    index = int(sign) - 1 if sign.isdigit() else _LETTERS.find(sign.upper())
    if index < 0 or (choices and index >= len(choices)):
        return None
    rest = text[lead.end() : end].strip(" *_`")
    words = plain_text(rest)
    own = bool(choices) and bool(words) and words.startswith(plain_text(choices[index]))
    ends = not rest or own or (bool(close) and not (sign.isdigit() and rest[:1].isdigit()))
    goes_on = sign.isupper() and re.match(_ON, rest) is not None
    if not (ends or goes_on or lead["noun"]):
        return None
    return Pick(index, lead.start("sign"), lead.end("sign"), 4.0)


def _unlisted(text: str, choices: tuple[str, ...]) -> list[Pick]:
    """Return a sentence's mentions without those of lists, such as `A, B or C`, or of all the choices in order."""
    mentions = _mentions(text, choices)
    lists = [match.span() for match in _SEVERAL.finditer(text)]
    kept = [one for one in mentions if not any(start <= one.start < end for start, end in lists)]
    labels = [one.index for one in sorted(kept, key=lambda one: one.start) if one.weight == _LABEL_WEIGHT]
    return [] if len(choices) > 1 and labels == list(range(len(choices))) else kept


def _denied(text: str, one: Pick) -> bool:
    return bool(_NOT_IT.search(text, max(0, one.start - 40), one.start) or _WRONG.match(text, one.end))


def _doubted(text: str, one: Pick) -> bool:
    return bool(_NEGATED.search(text, max(0, one.start - 40), one.start) or _REFUTED.match(text, one.end))


def _unreasoned(text: str, picks: list[Pick]) -> list[Pick]:
    """Return the mentions outside a sentence's reasons, as in "the wood, because the dirt is bumpier", if any are."""
    reasons = [match.span() for match in _REASON.finditer(text)]
    return [one for one in picks if not any(start <= one.start < end for start, end in reasons)] or picks


def _tied(text: str, best: Pick, picks: list[Pick]) -> bool:
    """Tell whether another choice stands as an alternative right beside the best: `A or B`."""
    beside = [one for one in picks if one.index != best.index and one.weight > best.weight - 2.5]
    return any(_LINK.fullmatch(text, min(one.end, best.end), max(one.start, best.start)) for one in beside)


def _level(best: Pick, kept: list[Pick]) -> bool:
    return any(one.index != best.index and one.weight >= best.weight for one in kept)


def _doubted_of(text: str, picks: list[Pick]) -> set[Pick]:
    """Return the mentions that a sentence speaks against, and those in a list with one: `A, B and C are not`."""
    doubted: set[Pick] = set()
    after: Pick | None = None
    for one in sorted(picks, key=lambda one: -one.start):
        if _doubted(text, one) or (after in doubted and after and _LINK.fullmatch(text, one.end, after.start)):
            doubted.add(one)
        after = one
    return doubted


def _weighed(sentence: Sentence, one: Pick, depth: int, doubted: bool) -> Pick:
    weight = one.weight + sentence.bonus - _LATER * depth
    weight += 3 if sentence.cue is not None and sentence.cue <= one.end else 0
    weight += 6 if sentence.final is not None and sentence.final <= one.end else 0
    weight -= 9 if doubted else 0
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
    return Pick(index, match.start(group), match.end(group), 2.0 if group == "bare" else _LABEL_WEIGHT)


def _quoted(text: str, choices: tuple[str, ...]) -> list[Pick]:
    words = [(stem(match[0].strip("'-")), match.start(), match.end()) for match in _WORD.finditer(text)]
    words = [word for word in words if word[0] not in _EMPTY]
    stems = [word[0] for word in words]
    picks: list[Pick] = []
    for index in sorted(range(len(choices)), key=lambda index: -len(choices[index])):
        wanted = _stems(choices[index])
        for at in _starts(stems, wanted):
            start, end = words[at][1], words[at + len(wanted) - 1][2]
            if not any(one.start <= start and end <= one.end for one in picks):
                picks.append(Pick(index, start, end, 2.0 - at / 1000))
    return picks or _scattered(words, choices)


def _starts(stems: list[str], wanted: tuple[str, ...]) -> list[int]:
    if not wanted:
        return []
    width = len(wanted)
    return [at for at, one in enumerate(stems) if one == wanted[0] and tuple(stems[at : at + width]) == wanted]


def _scattered(words: list[tuple[str, int, int]], choices: tuple[str, ...]) -> list[Pick]:
    """Find the one choice most of whose words occur, in whatever order."""
    first_letters = {word[0] for word in words}
    shares = sorted(((_share(first_letters, choice), index) for index, choice in enumerate(choices)), reverse=True)
    if not shares or shares[0][0] < 0.6 or (len(shares) > 1 and shares[1][0] >= shares[0][0]):
        return []
    index = shares[0][1]
    places = [word for word in words if word[0] in _stems(choices[index])]
    return [Pick(index, places[0][1], places[-1][2], 2.0 * shares[0][0] - 1)]


def _share(text: set[str], choice: str) -> float:
    wanted = _stems(choice)
    return sum(one in text for one in wanted) / len(wanted) if wanted else 0.0


@lru_cache(maxsize=4096)
def _stems(choice: str) -> tuple[str, ...]:
    words = [stem(word.strip("'-")) for word in _WORD.findall(choice)]
    return tuple(word for word in words if word not in _EMPTY) or tuple(words)
