"""Two texts compared word by word with difflib: bounded, so that no pair of texts holds a page up."""

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Literal

import msgspec

LONGEST = 20_000
# A matcher takes at worst the square of its length; longer blocks are first compared line by line.
_MOST_WORDS = 1_000
_MOST_LINES = 2_000
_WORD = re.compile(r"(?:\d[\d.,]*\d|[^\W\d_]+(?:['’][^\W\d_]+)*|\d|\S|^)\s*|\s+")


class Piece(msgspec.Struct, frozen=True):
    """Some of a text's words: in both texts, only in the first, or only in the second."""

    kind: Literal["same", "gone", "new"]
    text: str


class WordDiff(msgspec.Struct, frozen=True):
    """Both texts in pieces; `shared` is the share of the first's and the second's words that both have in order.

    `left_out` characters of the two are beyond what is compared.
    """

    before: tuple[Piece, ...]
    after: tuple[Piece, ...]
    shared: float
    left_out: int = 0


def word_diff(before: str, after: str) -> WordDiff:
    """Return what the first text has that the second has not, and the other way round; blanks do not count."""
    left_out = max(0, len(before) - LONGEST) + max(0, len(after) - LONGEST)
    one, other = before[:LONGEST], after[:LONGEST]
    pieces = list(_compared(_WORD.findall(one), _WORD.findall(other), one, other))
    sides = tuple(tuple(_joined(piece for piece in pieces if piece[0] in kinds)) for kinds in (_BEFORE, _AFTER))
    same = sum(len(text) for kind, text in pieces if kind == "same-before")
    return WordDiff(sides[0], sides[1], 2 * same / ((len(one) + len(other)) or 1), left_out)


_BEFORE, _AFTER = ("same-before", "gone"), ("same-after", "new")
_Raw = tuple[str, str]


def _compared(one: Sequence[str], other: Sequence[str], before: str, after: str) -> Iterator[_Raw]:
    if max(len(one), len(other)) <= _MOST_WORDS:
        yield from _by(one, other)
        return
    lines = before.splitlines(keepends=True), after.splitlines(keepends=True)
    if max(map(len, lines)) > _MOST_LINES:
        yield from (("gone", before), ("new", after))
        return
    for kind, first, second in _blocks(*lines):
        if kind == "equal":
            yield from (("same-before", "".join(first)), ("same-after", "".join(second)))
            continue
        words = [_WORD.findall("".join(some)) for some in (first, second)]
        if max(map(len, words)) <= _MOST_WORDS:
            yield from _by(*words)
        else:
            yield from (("gone", "".join(first)), ("new", "".join(second)))


def _by(one: Sequence[str], other: Sequence[str]) -> Iterator[_Raw]:
    for kind, first, second in _blocks(one, other):
        kinds = ("same-before", "same-after") if kind == "equal" else ("gone", "new")
        yield from zip(kinds, ("".join(first), "".join(second)), strict=True)


def _blocks(one: Sequence[str], other: Sequence[str]) -> Iterator[tuple[str, Sequence[str], Sequence[str]]]:
    stripped = [[word.strip() for word in words] for words in (one, other)]
    for kind, first, last, start, end in SequenceMatcher(None, stripped[0], stripped[1], autojunk=False).get_opcodes():
        yield kind, one[first:last], other[start:end]


def _joined(pieces: Iterator[_Raw]) -> Iterator[Piece]:
    """Yield pieces of one kind that follow each other as one; the blank between them is in the earlier."""
    kind, text = "", ""
    for own, words in pieces:
        named = own.partition("-")[0]
        if named != kind and text:
            yield _piece(kind, text)
            text = ""
        kind, text = named, text + words
    if text:
        yield _piece(kind, text)


def _piece(kind: str, text: str) -> Piece:
    return Piece("gone" if kind == "gone" else "new" if kind == "new" else "same", text)
