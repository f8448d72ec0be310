"""Anybody's problems: any jsonl, json, csv or parquet file, by the names of its columns."""

import re
from typing import get_args

import msgspec

from stepdown.errors import UnknownName
from stepdown.problems.choices import cell_choices, gold_letter, read_choices
from stepdown.problems.rows import Row
from stepdown.types import Kind, Problem

NUMBER = re.compile(r"-?(\d+|\d{1,3}(,\d{3})+)(\.\d+)?")


class Columns(msgspec.Struct, frozen=True):
    """Which columns of a file hold what.

    `choices` names one column (a list, or in CSV a JSON list or `x|y|z`) or several with commas between (`A,B,C,D`).
    None means the columns `choices` and `id` where a row has them; an empty string means none. `kind` is inferred row
    by row where it is None: choices -> `choice`, a number as gold -> `number`, else `text`.
    """

    question: str = "question"
    answer: str = "answer"
    choices: str | None = None
    id: str | None = None
    kind: Kind | None = None

    def __post_init__(self) -> None:
        if self.kind is not None and self.kind not in get_args(Kind):
            raise UnknownName("kind of problem", self.kind, get_args(Kind))


def read_problem(row: Row, columns: Columns) -> Problem:
    """Return a row's problem; its id is the row's own, or empty where the columns name none."""
    question = row.text(columns.question, "a question")
    choices = row_choices(row, columns.choices)
    kind = columns.kind or ("choice" if choices else None)
    gold = gold_letter(row, columns.answer, choices) if choices else row.text(columns.answer, "a gold answer")
    if kind == "choice" and not choices:
        raise row.bad(columns.choices or "choices", "choices, since the kind is `choice`")
    number = bare_number(gold)
    if kind == "number" and number is None:
        raise row.bad(columns.answer, f"a number, since the kind is `number`, found `{gold[:60]}`")
    if number is not None and kind in (None, "number"):
        gold, kind = number, "number"
    return Problem(id=row_id(row, columns.id), question=question, answer=gold, choices=choices, kind=kind or "text")


def bare_number(gold: str) -> str | None:
    """Return a gold such as `$1,024` or `−3` as a plain number, None where it is none."""
    bare = gold.removeprefix("$").replace("\N{MINUS SIGN}", "-")
    return bare.replace(",", "") if NUMBER.fullmatch(bare) else None


def row_choices(row: Row, column: str | None) -> tuple[str, ...]:
    """Return a row's choices, none where no column holds any."""
    name = column or "choices"
    if column == "" or (column is None and not row.fields.get(name)):
        return ()
    if name not in row.fields and "," in name:
        return tuple(row.text(one.strip(), "the text of a choice") for one in name.split(","))
    value = row.value(name)
    if value is None or value == "":
        return ()
    return read_choices(row, name, cell_choices(value) if isinstance(value, str) else value)[0]


def row_id(row: Row, column: str | None) -> str:
    """Return a row's own id, empty where it is known by its place."""
    if column == "" or (column is None and row.fields.get("id") is None):
        return ""
    return row.text(column or "id", "an id")
