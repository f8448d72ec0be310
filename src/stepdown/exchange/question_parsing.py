"""Questions as files of chains hold them: choices listed below, written into the sentence, or given beside it."""

import re
from collections.abc import Sequence
from typing import Any

from stepdown.problems import gold_letter, plain_number, read_choices, split_inline
from stepdown.tabular import Row, plain
from stepdown.types import LETTERS, Problem

_LETTER = re.compile(r"\(?([A-Za-z])[).:]?")
_LISTED = re.compile(r"([A-Z])\. (\S.*)")
_HEADING = re.compile(r"\s*Answer Choices:\s*\Z")


def read_problem(row: Row, question: str, gold: str) -> Problem:
    """Return the problem a row asks, without an id; `gold` is its answer as the file has it, empty where it has none.

    Choices are those of the column `choices`, those the question lists in lines `A. ...`, or, where the gold is a
    letter, those written into it as `(A) ... (B) ...`. Raises `BadRow` for a gold that is none of the choices.
    """
    given = row.fields.get("choices")
    choices, labels = beside(row, given) if given else ((), ())
    if not choices:
        question, choices = listed(question) or inline(question, gold) or (question, ())
    if choices:
        letter = gold_letter(row, "answer", choices, labels) if gold else ""
        return Problem("", question, letter, choices, "choice")
    number = plain_number(gold)
    return Problem("", question, number or gold, kind="text" if number is None else "number")


def beside(row: Row, given: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return choices and their labels from their own column: also `{"A": ..., "B": ...}`, as the pools have it."""
    if isinstance(given, dict) and not {"text", "label"} <= given.keys():
        given = [{"label": label, "text": text} for label, text in given.items()]
    return read_choices(row, "choices", given)


def listed(question: str) -> tuple[str, tuple[str, ...]] | None:
    """Return a question and the choices in its last lines, `A. ...` and on, as prompts list them; None without."""
    lines = question.split("\n")
    starts = [at for at, line in enumerate(lines) if line.startswith("A. ")]
    if not starts or not 2 <= len(lines) - starts[-1] <= len(LETTERS):
        return None
    matches = [_LISTED.fullmatch(line) for line in lines[starts[-1] :]]
    letters = "".join(match[1] for match in matches if match)
    if letters != LETTERS[: len(matches)]:
        return None
    return "\n".join(lines[: starts[-1]]), tuple(match[2] for match in matches if match)


def inline(question: str, gold: str = "(A)") -> tuple[str, tuple[str, ...]] | None:
    """Return a question and the choices written into it, None without any or where the gold is no letter."""
    parts = split_inline(question) if _LETTER.fullmatch(gold) else None
    if parts is None or not parts[0] or not all(parts[1]):
        return None
    return _HEADING.sub("", parts[0]), parts[1]


def label_of(text: str, choices: Sequence[str]) -> str | None:
    """Return the letter of a choice that a label such as `(b)`, or the choice's own words, stands for; None if none."""
    match = _LETTER.fullmatch(text.strip())
    if match and (index := LETTERS.index(match[1].upper())) < len(choices):
        return LETTERS[index]
    same = [index for index, one in enumerate(choices) if one.casefold() == text.strip(" .").casefold()]
    return LETTERS[same[0]] if len(same) == 1 else None


def gold_in(row: Row, column: str = "answer") -> str:
    """Return a row's gold as text, empty where the row has none; raise `BadRow` where it is neither text nor number."""
    value = plain(row.fields.get(column))
    if value is None:
        raise row.bad(column, "a text or a number")
    return value
