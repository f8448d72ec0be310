"""Choices and their letters: lists in the shapes benchmarks publish, and choices written into a question."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from stepdown.tabular import Row, clip_value, plain
from stepdown.types import LETTERS

_LINE = re.compile(r"^[ \t]*\(?([A-Z])[.):][ \t]+", re.MULTILINE)
_HEADING = re.compile(r"\n(?:Options|Choices|Answer choices):\s*\Z", re.IGNORECASE)


def read_choices(row: Row, column: str, value: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the texts and the labels of choices given as a list, or as labels and texts in either nesting.

    Accepts `["x", "y"]`, `[{"label": "A", "text": "x"}, ...]`, `{"label": [...], "text": [...]}`, `{"A": "x", ...}`.
    """
    listed: list[Any] | None = None
    labels: list[Any] | None = None
    if isinstance(value, dict):
        keyed = len(value) > 1 and "".join(value) == LETTERS[: len(value)]
        listed, labels = (list(value.values()), list(value)) if keyed else (value.get("text"), value.get("label"))
    elif isinstance(value, list | tuple):
        listed = [one.get("text") if isinstance(one, dict) else one for one in value]
        labels = [one.get("label") for one in value] if all(isinstance(one, dict) for one in value) else None
    texts = tuple(plain(one) or "" for one in listed or ())
    if not 2 <= len(texts) <= len(LETTERS) or not all(texts):
        raise row.bad(column, f"2 to 26 choices, each with a text, found {clip_value(value)}")
    names = tuple(plain(label) or "" for label in labels or LETTERS[: len(texts)])
    if len(names) != len(texts) or len(set(names)) < len(names):
        raise row.bad(column, f"one label for each choice, found {clip_value(names)}")
    return texts, names


def cell_choices(cell: str) -> list[Any]:
    """Return the choices written in one CSV cell: a JSON list, or texts with `|` between them."""
    if cell.startswith("["):
        try:
            value = msgspec.json.decode(cell)
        except (msgspec.DecodeError, RecursionError):
            return cell.split("|")
        return value if isinstance(value, list) else [value]
    return cell.split("|")


def gold_letter(row: Row, column: str, choices: Sequence[str], labels: Sequence[str] = ()) -> str:
    """Return the gold's letter, given as a label (`B`, `(b)`, `b.`), as the text of one choice, or counted from 0."""
    gold = row.text(column, "the gold's letter")
    names = [label.upper() for label in labels or LETTERS[: len(choices)]]
    bare = gold.strip("().: ").upper()
    by_label = names.index(bare) if bare in names else None
    same = [index for index, choice in enumerate(choices) if choice.casefold() == gold.casefold()]
    by_text = same[0] if len(same) == 1 else None
    if by_label is None and not labels and (isinstance(row.value(column), int) or by_text is None):
        by_label = counted(gold, len(choices))
    if by_label is not None and by_text is not None and by_label != by_text:
        raise row.bad(
            column, f"a gold that is not both a letter or place and another choice's text, found {clip_value(gold)}"
        )
    index = by_label if by_label is not None else by_text
    if index is None:
        raise row.bad(column, f"one of {', '.join(names)}, or the text of a choice, found {clip_value(gold)}")
    return LETTERS[index]


def counted(gold: str, count: int) -> int | None:
    """Return the place that a gold counts from 0, as most published files do; a file that counts from 1 is refused."""
    return int(gold) if gold.isascii() and gold.isdecimal() and len(gold) < 3 and int(gold) < count else None


def split_inline(text: str) -> tuple[str, tuple[str, ...]] | None:
    """Return a question and the choices written into it as `(A) x (B) y` or `(a) x (b) y`, None without any."""
    for letters in (LETTERS, LETTERS.lower()):
        marks = [f"({letter})" for letter in letters]
        starts = mark_starts(text, marks)
        if len(starts) >= 2:
            ends = [*starts[1:], len(text)]
            pieces = [text[start + 3 : end] for start, end in zip(starts, ends, strict=True)]
            return _HEADING.sub("", text[: starts[0]]).strip(), tuple(bare_choice(piece) for piece in pieces)
    return None


def split_lines(text: str) -> tuple[str, tuple[str, ...]] | None:
    """Return a question and the choices that follow it on lines of their own, `A. x` or `B) y`, None without any."""
    matches: list[re.Match[str]] = []
    for match in _LINE.finditer(text):
        if match[1].upper() == LETTERS[len(matches)]:
            matches.append(match)
    if len(matches) < 2:
        return None
    ends = [*(match.start() for match in matches[1:]), len(text)]
    choices = tuple(text[match.end() : end].strip() for match, end in zip(matches, ends, strict=True))
    return _HEADING.sub("", text[: matches[0].start()]).strip(), tuple(
        choice.removesuffix("Answer:").strip() for choice in choices
    )


def mark_starts(text: str, marks: Sequence[str]) -> list[int]:
    """Return where the marks stand, each after the one before; of a mark that repeats, the last that fits."""
    count, after = 0, 0
    while count < len(marks) and (start := text.find(marks[count], after)) >= 0:
        count, after = count + 1, start + 3
    starts: list[int] = []
    before = len(text)
    for mark in reversed(marks[:count]):
        before = text.rfind(mark, 0, before)
        starts.append(before)
    return starts[::-1]


def bare_choice(piece: str) -> str:
    """Return a choice without the `or`, comma or full stop that tied it to its sentence."""
    bare = piece.strip().rstrip(".,;?").strip()
    return bare.removesuffix(" or").rstrip(".,; ")
