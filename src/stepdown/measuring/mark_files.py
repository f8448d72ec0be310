"""People's marks as files: a task of solutions drawn at random, and the filled files that come back."""

import csv
from collections.abc import Iterator, Sequence
from contextlib import closing
from io import StringIO
from pathlib import Path

import msgspec

from stepdown.errors import UsageError
from stepdown.files import replacing
from stepdown.graders import Rubric
from stepdown.measuring.preferences import digest, first_solutions
from stepdown.prompts import YES_NO, known_mark, question_text
from stepdown.store import SKIPPED, PersonMark, Run
from stepdown.tabular import Row, clip_value, find_file, read_rows
from stepdown.types import Trace

RIGHT = "Is the solution right?"
_WORDS = {"right": "yes", "wrong": "no", "true": "yes", "false": "no", SKIPPED: SKIPPED}


class MarkQuestion(msgspec.Struct, frozen=True):
    """What people are asked about each solution: a criterion's name, its key and words, and the scale of its marks."""

    criterion: str
    key: str
    ask: str
    scale: int


class MarkItem(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a task file: a rater writes a mark into `mark` (`marks` says which), and a name into `rater`."""

    problem: str
    sample: int
    question: str
    gold: str
    solution: str
    criterion: str
    key: str
    ask: str
    marks: str
    mark: str = ""
    rater: str = ""


def questions_of(rubric: Rubric | None) -> tuple[MarkQuestion, ...]:
    """Return what people are asked: by each criterion, or without a rubric whether a solution is right."""
    if rubric is None:
        return (MarkQuestion("", "", RIGHT, YES_NO),)
    return tuple(MarkQuestion(one.name, rubric.key(one.name), one.ask, rubric.scale_of(one)) for one in rubric.criteria)


def marks_on(scale: int) -> tuple[str, ...]:
    """Return the marks of a scale, the best first where they are words."""
    return ("yes", "no") if scale == YES_NO else tuple(str(one + 1) for one in range(scale))


def drawn_places(run: Run, limit: int | None = None, seed: int = 0) -> list[str]:
    """Return problems with a solution in a random order; a larger draw of the same seed begins with the smaller one."""
    problems = [trace.problem.id for trace, _ in first_solutions(run)]
    return sorted(problems, key=lambda one: digest(str(seed), "marks", one))[:limit]


def write_marks(
    run: Run, path: str | Path, rubric: Rubric | None, *, limit: int | None = 50, seed: int = 0, force: bool = False
) -> int:
    """Write a task for people, `.csv` or `.jsonl`, and return its number of solutions; nothing of the judge is in it.

    Solutions are drawn at random, the first sample of each problem. Raises `UsageError` where there are none, or the
    file cannot be written.
    """
    path = Path(path)
    if path.suffix not in (".csv", ".jsonl"):
        raise UsageError(f"`{path}` is not a task file", "name a .csv or a .jsonl file")
    drawn = drawn_places(run, limit, seed)
    if not drawn:
        raise UsageError(f"run `{run.id}` has no solutions", "solve its problems first")
    items = (item for problem in drawn for item in _items(run.trace(problem), questions_of(rubric)))
    with replacing(path, force) as part, part.open("xb") as file:
        file.writelines(_csv(items) if path.suffix == ".csv" else (msgspec.json.encode(one) + b"\n" for one in items))
    return len(drawn)


def _items(trace: Trace, questions: Sequence[MarkQuestion]) -> Iterator[MarkItem]:
    problem = trace.problem
    for one in questions:
        yield MarkItem(
            problem=problem.id, sample=trace.sample, question=question_text(problem), gold=problem.answer,
            solution=trace.solution or "", criterion=one.criterion, key=one.key, ask=one.ask,
            marks=" or ".join(marks_on(one.scale)) if one.scale == YES_NO else f"1 to {one.scale}",
        )  # fmt: skip


def _csv(items: Iterator[MarkItem]) -> Iterator[bytes]:
    yield _line(MarkItem.__struct_fields__)
    yield from (_line(msgspec.structs.astuple(one)) for one in items)


def _line(cells: Sequence[object]) -> bytes:
    text = StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue().encode(errors="replace")


def read_marks(run: Run, rubric: Rubric | None, *paths: str | Path) -> list[PersonMark]:
    """Return the marks of filled files (jsonl, json, csv, tsv, parquet); rows without a mark are left out.

    A row has `problem` and `mark`, and may have `sample`, `criterion`, `key` and `rater`; a rater without a name is
    called after the file. Raises `BadRow` for a row that is no mark of this run, `UsageError` for a rater who marks
    the same twice.
    """
    places = {(trace.problem.id, trace.sample) for trace in run.traces() if trace.solution is not None}
    questions = {one.criterion: one for one in questions_of(rubric)}
    marks: dict[tuple[str, int, str, str], PersonMark] = {}
    for path in map(find_file, paths):
        with closing(read_rows(path)) as rows:
            for row in rows:
                one = _mark(row, path.stem, questions, places)
                if one is None:
                    continue
                name = (one.problem, one.sample, one.key, one.rater)
                if name in marks:
                    hint = "give each rater a name in `rater`, or a file of a name of its own"
                    raise UsageError(f"`{one.rater}` marks `{one.problem}` twice by the same criterion", hint)
                marks[name] = one
    return list(marks.values())


def _mark(row: Row, rater: str, questions: dict[str, MarkQuestion], places: set[tuple[str, int]]) -> PersonMark | None:
    problem, given, cell = row.text("problem", "a problem's id"), row.optional("sample"), row.optional("mark")
    sample = int(given) if given.isdecimal() and len(given) < 9 else 0
    if (problem, sample) not in places or (given and not given.isdecimal()):
        raise row.bad("problem", f"a solution of this run, found {clip_value(problem)}, sample {given or 0}")
    asked = questions.get(row.optional("criterion"))
    if asked is None:
        known = ", ".join(f"`{one}`" for one in questions)
        raise row.bad("criterion", f"one of {known}, found {clip_value(row.optional('criterion'))}")
    if row.optional("key") not in ("", asked.key):
        raise row.bad("key", f"`{asked.key}`, found {clip_value(row.optional('key'))}", "the rubric is another by now")
    if not cell:
        return None
    mark = mark_of(cell, asked.scale)
    if mark is None:
        raise row.bad("mark", f"one of {', '.join(marks_on(asked.scale))}, skip or nothing, found {clip_value(cell)}")
    return PersonMark(problem, sample, asked.key, row.optional("rater") or rater, mark)


def mark_of(text: str, scale: int) -> str | None:
    """Return what a person wrote as a mark on a scale; `right` and `wrong` say yes and no. None for anything else."""
    word = text.strip().casefold()
    return SKIPPED if word == SKIPPED else known_mark(_WORDS.get(word, word), scale)
