"""Rows of known benchmarks, recognised by their columns whatever the file is called.

Each reader gives a problem as that benchmark's own does; a row of no known form is read by its columns (`files`).
"""

import re
from collections.abc import Callable, Sequence

from stepdown.problems import commonsenseqa, hendrycks_math, imdb, neqa, openbookqa, quarel, svamp
from stepdown.problems.choices import gold_letter
from stepdown.problems.golds import plain_number
from stepdown.tabular import Fields, Row, clip_value
from stepdown.types import LETTERS, Kind, Problem

Reader = Callable[[Row], Problem]
_LABEL = re.compile(r"\s*\(?([A-Za-z])\s*[).:]\s*")
_COUNTED = re.compile(r"(-?\d[\d,.]*)\s*\([^()]*\)")


def known_reader(fields: Fields) -> Reader | None:
    """Return the reader of the benchmark whose columns these are; None where no known one has them."""
    names = set(fields)
    for needed, read in _SHAPES:
        if needed <= names:
            return read
    if {"problem", "solution"} <= names or {"problem", "answer"} <= names:
        return hendrycks_math.read_problem if _boxed(fields) else None
    if {"question", "answer_index"} <= names and "choices" not in names:
        return quarel.read_problem
    if "instruction" in names and str(fields["instruction"]).startswith(openbookqa.LLM_ADAPTERS):
        return openbookqa.read_problem
    return None


def _boxed(fields: Fields) -> bool:
    solution = fields.get("solution")
    return isinstance(solution, str) and hendrycks_math.last_box(solution) is not None


def read_aqua(row: Row) -> Problem:
    """Return the problem of an AQuA row (Ling et al., ACL 2017): `options` as `A)21`, the letter in `correct`."""
    options = row.value("options")
    if not isinstance(options, list | tuple) or not all(isinstance(one, str) and _LABEL.match(one) for one in options):
        raise row.bad("options", f"choices such as `A)21`, found {clip_value(options)}")
    choices = tuple(_LABEL.sub("", one, count=1).strip() for one in options)
    gold = gold_letter(row, "correct", choices)
    question, why = row.text("question", "a question"), row.optional("rationale")
    return Problem(id=row.optional("id"), question=question, answer=gold, choices=choices, kind="choice", solution=why)


def read_asdiv(row: Row) -> Problem:
    """Return the problem of an ASDiv row (Miao et al., ACL 2020), whose gold is `9 (apples)`; its words are no part."""
    gold = row.text("answer", "a gold answer")
    question = f"{row.text('body', 'a text')} {row.text('question', 'a question')}"
    counted = _COUNTED.fullmatch(gold)
    number = counted[1].replace(",", "") if counted else gold
    kind: Kind = "text" if plain_number(number) is None else "number"
    solution = row.optional("formula")
    return Problem(id=row.optional("id"), question=question, answer=number, kind=kind, solution=solution)


def read_boolq(row: Row) -> Problem:
    """Return the problem of a BoolQ row (Clark et al., NAACL 2019): a passage, a question and a yes or no."""
    question = f"{row.text('passage', 'a passage')}\n\n{row.text('question', 'a question')}"
    return Problem(id=row.optional("id"), question=question, answer=row.text("answer", "true or false"), kind="text")


def named_choices(question: Sequence[str], choices: Sequence[str], gold: str, first: int) -> Reader:
    """Return the reader of rows whose choices stand in columns of their own and whose gold counts them."""

    def read(row: Row) -> Problem:
        texts = tuple(row.text(name, "the text of a choice") for name in choices)
        index = row.text(gold, "the gold's number")
        if not index.isdecimal() or not first <= int(index) < first + len(texts):
            raise row.bad(gold, f"a number from {first} to {first + len(texts) - 1}, found {clip_value(index)}")
        text = " ".join(row.text(name, "a text") for name in question)
        letter = LETTERS[int(index) - first]
        return Problem(id=row.optional("id"), question=text, answer=letter, choices=texts, kind="choice")

    return read


def read_hellaswag(row: Row) -> Problem:
    """Return the problem of a HellaSwag row (Zellers et al., ACL 2019): `endings`, the gold counted from 0."""
    endings = row.value("endings")
    if not isinstance(endings, list | tuple) or not all(isinstance(one, str) for one in endings):
        raise row.bad("endings", f"a list of texts, found {clip_value(endings)}")
    columns = {f"ending{index}": text for index, text in enumerate(endings)}
    widened = Row(row.file, row.line, {**row.fields, **columns})
    return named_choices(("ctx",), tuple(columns), "label", 0)(widened)


_SHAPES: tuple[tuple[set[str], Reader], ...] = (
    ({"prompt", "classes", "answer_index"}, neqa.read_problem),
    ({"question", "choices", "answer", "metadata"}, neqa.read_authors),
    ({"question", "choices", "answer", "subject"}, neqa.read_authors),
    ({"question_stem", "answerKey"}, openbookqa.read_problem),
    ({"question", "answerKey"}, commonsenseqa.read_problem),
    ({"Body", "Question", "Answer"}, svamp.read_problem),
    ({"body", "question", "answer"}, read_asdiv),
    ({"Sentiment", "Text"}, imdb.read_problem),
    ({"question", "options", "correct"}, read_aqua),
    ({"question", "passage", "answer"}, read_boolq),
    ({"goal", "sol1", "sol2", "label"}, named_choices(("goal",), ("sol1", "sol2"), "label", 0)),
    ({"sentence", "option1", "option2", "answer"}, named_choices(("sentence",), ("option1", "option2"), "answer", 1)),
    (
        {"context", "question", "answerA", "answerB", "answerC", "label"},
        named_choices(("context", "question"), ("answerA", "answerB", "answerC"), "label", 1),
    ),
    ({"ctx", "endings", "label"}, read_hellaswag),
)
