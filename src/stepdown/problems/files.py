"""Anybody's problems: any jsonl, json, csv or parquet file, by the names of its columns or as a known benchmark's."""

from typing import get_args

import msgspec

from stepdown.errors import UnknownName
from stepdown.problems.choices import cell_choices, gold_letter, read_choices, split_inline, split_lines
from stepdown.problems.golds import kind_of, missing, plain_number, there, worked
from stepdown.problems.shapes import known_reader
from stepdown.tabular import Row, clip_value, plain
from stepdown.types import LETTERS, Kind, Problem

QUESTIONS = (
    "question", "problem", "prompt", "input", "query", "instruction", "question_text", "sQuestion", "Question",
    "Problem",
)  # fmt: skip
ANSWERS = (
    "answer", "gold", "target", "label", "final_answer", "final_ans", "ground_truth", "expected_answer",
    "correct_answer", "lSolutions", "solution", "output", "response", "completion", "Answer",
)  # fmt: skip
CHOICES = ("choices", "options")


class Columns(msgspec.Struct, frozen=True):
    """Which columns of a file hold what.

    Where neither `question` nor `answer` is named, a row with a known benchmark's columns is read as its own, and any
    other by `question` and `answer` or, where it has none, by the usual names for them. `choices` names one column (a
    list, or in CSV a JSON list or `x|y|z`) or several with commas between (`A,B,C,D`). None means the columns
    `choices` (or `options`) and `id` where a row has them; an empty string means none. `kind` is inferred row by row
    where it is None: choices -> `choice`, a number as gold -> `number`, a formula -> `expression`, else `text`.
    """

    question: str | None = None
    answer: str | None = None
    choices: str | None = None
    id: str | None = None
    kind: Kind | None = None

    def __post_init__(self) -> None:
        if self.kind is not None and self.kind not in get_args(Kind):
            raise UnknownName("kind of problem", self.kind, get_args(Kind))


def read_problem(row: Row, columns: Columns) -> Problem:
    """Return a row's problem; its id is the row's own, or empty where the columns name none."""
    if columns == Columns():
        read = known_reader(row.fields)
        if read is not None:
            return read(row)
    question = there(row, columns.question or present(row, QUESTIONS), "a question")
    answer = columns.answer or present(row, ANSWERS)
    choices = row_choices(row, columns.choices)
    if choices:
        gold = gold_letter(row, answer, choices)
        return Problem(id=row_id(row, columns.id), question=question, answer=gold, choices=choices, kind="choice")
    gold, solution = gold_of(row, answer, columns.kind)
    if columns.kind in (None, "choice") and (inline := inline_choices(question, gold)):
        question, choices, gold = inline
        return Problem(id=row_id(row, columns.id), question=question, answer=gold, choices=choices, kind="choice")
    kind = columns.kind or kind_of(gold)
    if kind == "choice":
        raise row.bad(columns.choices or "choices", "choices, since the kind is `choice`")
    number = plain_number(gold)
    if kind == "number" and number is None:
        raise row.bad(answer, f"a number, since the kind is `number`, found `{gold[:60]}`")
    gold = number if kind == "number" and number is not None else gold
    return Problem(id=row_id(row, columns.id), question=question, answer=gold, kind=kind, solution=solution)


def present(row: Row, names: tuple[str, ...]) -> str:
    """Return the first of some names that a row has as a column, else the first of them."""
    return next((name for name in names if name in row.fields), names[0])


def gold_of(row: Row, column: str, kind: Kind | None) -> tuple[str, str]:
    """Return a row's gold and its worked solution, if the column holds one."""
    value = row.value(column)
    if column in ("lSolutions", "final_answer") and isinstance(value, list | tuple) and len(value) == 1:
        row = Row(row.file, row.line, {**row.fields, column: value[0]})
    if kind == "text" and isinstance(value, str) and value.strip():
        return value.strip(), ""
    gold, solution = worked(there(row, column, "a gold answer"))
    if missing(gold):
        raise row.bad(column, f"a gold answer, found {clip_value(gold)} at the end of a solution")
    return gold, solution


def inline_choices(question: str, gold: str) -> tuple[str, tuple[str, ...], str] | None:
    """Return question, choices and letter where the gold is a letter of choices written into the question."""
    letter = gold.strip("().: ").upper()
    if len(letter) != 1 or letter not in LETTERS:
        return None
    parts = split_inline(question) or split_lines(question)
    if parts is None or not parts[0] or not all(parts[1]) or LETTERS.index(letter) >= len(parts[1]):
        return None
    return parts[0], parts[1], letter


def row_choices(row: Row, column: str | None) -> tuple[str, ...]:
    """Return a row's choices, none where no column holds any."""
    name = column or next((one for one in CHOICES if row.fields.get(one)), lettered(row) or CHOICES[0])
    if column == "" or (column is None and "," not in name and not row.fields.get(name)):
        return ()
    if name not in row.fields and "," in name:
        return tuple(row.text(one.strip(), "the text of a choice") for one in name.split(","))
    value = row.value(name)
    if value is None or value == "":
        return ()
    return read_choices(row, name, cell_choices(value) if isinstance(value, str) else value)[0]


def lettered(row: Row) -> str:
    """Return the columns `A`, `B`... that a row has, with commas between; nothing where there are not two."""
    names = [letter for letter in LETTERS if letter in row.fields]
    return ",".join(names) if len(names) > 1 and "".join(names) == LETTERS[: len(names)] else ""


def row_id(row: Row, column: str | None) -> str:
    """Return a row's own id, empty where it is known by its place."""
    if column == "" or (column is None and plain(row.fields.get("id")) in (None, "")):
        return ""
    return row.text(column or "id", "an id")
