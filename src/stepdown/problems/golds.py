"""Golds as files write them: what kind each is, worked solutions that end in one, and values that say "missing"."""

import re
from math import isnan

from stepdown.answers import boxed, number, numbers
from stepdown.tabular import Row, clip_value, plain
from stepdown.types import Kind

NUMBER = re.compile(r"-?(\d+|\d{1,3}(,\d{3})+)(\.\d+)?")
# Words that tables and libraries write where there is no value. `None` and `-` are no gold either.
MISSING = frozenset(
    {
        "nan", "null", "none", "nil", "na", "n/a", "n.a.", "#n/a", "#na", "<na>", "nat", "-nan", "1.#qnan", "missing",
        "undefined", "-", "--", "---", "?", "??", "...", "tbd", "todo", "[]", "{}", "()",
    }
)  # fmt: skip
_MARKED = re.compile(r"####[ \t]*([^\n#]*?)\s*\Z")
_LATEX = re.compile(r"\\[a-zA-Z]+|\\[{}]|\^")
_FORMULA = re.compile(r"(?=.*\d)(?=.*[-+*/=(\[,<>])[-+*/=()\[\]<>,.\s\da-zA-Z|]+")
_WORD = re.compile(r"[a-zA-Z]{2,}")
_DATE = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}")


def missing(value: object) -> bool:
    """Tell whether a value only says that there is none: nothing, NaN, or a word such as `N/A`."""
    if value is None or (isinstance(value, float) and isnan(value)):
        return True
    return isinstance(value, str) and (not value.strip() or value.strip().casefold() in MISSING)


def there(row: Row, column: str, what: str) -> str:
    """Return a column as text. Raises `BadRow` where the value says that it is missing, or is no text."""
    value = row.value(column)
    if missing(value) and plain(value):
        hint = "leave out rows without one; a gold that is this very word needs `--kind text`"
        raise row.bad(column, f"{what}, found {clip_value(value)}, which says that there is none", hint)
    return row.text(column, what)


def worked(answer: str) -> tuple[str, str]:
    """Return the gold of a worked solution and the solution: what follows `####`, or its last box; else the answer."""
    marked = _MARKED.search(answer)
    if marked and marked[1]:
        return marked[1], answer[: marked.start()].strip()
    if marked:
        return "", answer
    boxes = boxed(answer)
    if boxes and answer[boxes[-1][0] : boxes[-1][1]].strip():
        return answer[boxes[-1][0] : boxes[-1][1]].strip(), answer
    return answer, ""


def kind_of(gold: str) -> Kind:
    """Return what kind of answer a gold is that stands without choices."""
    if plain_number(gold) is not None:
        return "number"
    bare = gold.strip().strip("$").strip()
    if _LATEX.search(bare):
        return "expression"
    if _FORMULA.fullmatch(bare) and not _WORD.search(bare) and not _DATE.fullmatch(bare):
        return "expression"
    return "text"


def plain_number(gold: str) -> str | None:
    """Return a gold that is one number as the grader reads it, None where it is none.

    `$1,024` and a minus sign are written plainly; `50%`, `1/2`, `1e6` and `\\frac{1}{2}` stay as they are.
    """
    bare = gold.strip().removeprefix("$").replace("\N{MINUS SIGN}", "-").replace("-$", "-")
    if NUMBER.fullmatch(bare):
        return bare.replace(",", "")
    whole = gold.strip().strip("$").strip()
    values = numbers(whole)
    one = len(values) == 1 and (values[0].start, values[0].end) == (0, len(whole))
    return whole if one and number(whole) is not None and not _DATE.fullmatch(whole) else None
