"""Chains as rows of a table and back: one flat row per chain, with its problem's columns repeated."""

import math
from collections.abc import Iterable, Iterator, Sequence
from operator import is_not
from pathlib import Path
from typing import Any, get_args

import msgspec

from stepdown.errors import BadRow, UsageError
from stepdown.extras import load_polars
from stepdown.types import Chain, Finish, Grade, Kind, Problem, Verdict

PROBLEM = ("problem", "question", "answer", "choices", "kind", "solution", "plan")
CHAIN = (
    "text", "teacher", "sample", "verdict", "found", "why", "grader", "logprob", "tokens", "finish", "variant",
    "gold_conditioned",
)  # fmt: skip
OPTIONAL = ("found", "logprob", "tokens")
_WIDTH = len(PROBLEM)
Row = tuple[Any, ...]


def schema() -> dict[str, Any]:
    """Return the columns of a part and their polars types."""
    polars = load_polars()
    other = {
        "choices": polars.List(polars.String),
        "sample": polars.Int64,
        "logprob": polars.Float64,
        "tokens": polars.Int64,
        "gold_conditioned": polars.Boolean,
    }
    return {name: other.get(name, polars.String) for name in (*PROBLEM, *CHAIN)}


def row_of(chain: Chain) -> Row:
    """Return a chain as a row, in the order of the schema; raise `UsageError` where no reader could trust it."""
    problem, grade, logprob = chain.problem, chain.grade, chain.logprob
    if logprob is not None and not math.isfinite(logprob):
        raise UsageError(f"the log-probability of a chain for `{problem.id}` is `{logprob}`", "leave it out: None")
    if not problem.id:
        raise UsageError(f"the problem `{problem.question[:60]}` has no id", "each problem of a corpus needs one")
    if not problem.answer and grade.verdict != "ungraded":
        what = f"a chain for `{problem.id}` is graded {grade.verdict}, but its problem has no gold answer"
        raise UsageError(what, "give the problem its answer, or leave the chain ungraded")
    return (
        problem.id, problem.question, problem.answer, problem.choices, problem.kind, problem.solution, problem.plan,
        chain.text, chain.teacher, chain.sample, grade.verdict, grade.found, grade.why, grade.grader, logprob,
        chain.tokens, chain.finish, chain.variant, chain.gold_conditioned,
    )  # fmt: skip


def unicode_row(row: Row) -> Row:
    """Return a row whose texts are Unicode: half of a surrogate pair, which some models write, becomes `?`."""
    return tuple(unicode_value(value) for value in row)


def unicode_value(value: Any) -> Any:
    """Return a plain value, however nested, whose texts are Unicode."""
    if isinstance(value, dict):
        return {name: unicode_value(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(unicode_value, value))
    return value.encode(errors="replace").decode() if isinstance(value, str) else value


def frame_of(rows: Sequence[Row]) -> Any:
    """Return rows as a polars frame."""
    polars = load_polars()
    if not rows:
        return polars.DataFrame(schema=schema())
    # What a problem is stands once in memory and is gathered for its chains; most chains follow one of their problem.
    firsts, at, before = list[Row](), list[int](), rows[0]
    for row in rows:
        if not firsts or any(map(is_not, row[:_WIDTH], before)):
            firsts.append(row)
        at.append(len(firsts) - 1)
        before = row
    problems = polars.DataFrame(_series(PROBLEM, list(zip(*firsts, strict=True))[:_WIDTH]))
    chains = _series(CHAIN, list(zip(*rows, strict=True))[_WIDTH:])
    return polars.DataFrame([*problems[at].get_columns(), *chains])


def _series(names: Sequence[str], columns: Sequence[Sequence[Any]]) -> list[Any]:
    """Return columns as polars series."""
    polars, types = load_polars(), schema()
    return [
        polars.Series(name, map(list, values) if name == "choices" else values, dtype=types[name])
        for name, values in zip(names, columns, strict=True)
    ]


def encode_rows(rows: Iterable[Row]) -> bytes:
    """Return rows as JSON, one after the other, over which a corpus's fingerprint is taken."""
    body, encode = bytearray(), msgspec.json.Encoder().encode_into
    for row in rows:
        encode(row, body, -1)
    return bytes(body)


def chains_of(frame: Any, before: Problem | None = None) -> list[Chain]:
    """Return the chains of a frame; the chains of one problem share its object, `before` too if they go on with it."""
    polars = load_polars()
    changed = [polars.col(name).ne_missing(polars.col(name).shift(1)) for name in PROBLEM]
    starts = frame.select(polars.any_horizontal(changed).alias("starts")).to_series()
    problems = problems_of(frame.filter(starts))
    if problems and before == problems[0] and before is not None:
        problems[0] = before
    at = starts.cast(polars.Int64).cum_sum().to_list()
    columns = (frame.get_column(name).to_list() for name in CHAIN)
    return [
        Chain(
            problems[index - 1], text, teacher, sample, Grade(verdict, found, why, grader), logprob, tokens, finish,
            variant, conditioned,
        )
        for index, text, teacher, sample, verdict, found, why, grader, logprob, tokens, finish, variant, conditioned
        in zip(at, *columns, strict=True)
    ]  # fmt: skip


def problems_of(frame: Any) -> list[Problem]:
    """Return the problem of each row of a frame."""
    return [
        Problem(id, question, answer, tuple(choices), kind, solution, plan)
        for id, question, answer, choices, kind, solution, plan in frame.select(PROBLEM).iter_rows()
    ]


def rows_of(frame: Any) -> Iterator[Row]:
    """Return a frame whose chains of a problem lie together as rows, in the order of the schema."""
    # By columns it takes half the time of polars' own rows, and lists are the slowest.
    columns = [frame[name].to_list() if name != "choices" else _choices(frame) for name in schema()]
    return zip(*columns, strict=True)


def _choices(frame: Any) -> list[list[str]]:
    """Return the choices of each row; those of a problem are one object."""
    polars = load_polars()
    starts = (frame["problem"] != frame["problem"].shift(1)).fill_null(value=True)
    different = frame["choices"].filter(starts).to_list()
    return [different[at - 1] for at in starts.cast(polars.Int64).cum_sum().to_list()]


def check_rows(frame: Any, part: Path, start: int) -> None:
    """Raise `BadRow` at the first row of a frame that is no chain; `start` is the number of its first row, from 1."""
    faults = _faults()
    flags = frame.select(bad.any().alias(str(at)) for at, (_, _, bad) in enumerate(faults)).row(0)
    if not any(flags):
        return
    # To say where is many times dearer than to say whether.
    found = frame.select(bad.arg_max().alias(str(at)) for at, (_, _, bad) in enumerate(faults)).row(0)
    rows = [(row, at) for at, (row, flag) in enumerate(zip(found, flags, strict=True)) if flag]
    if rows:
        row, at = min(rows)
        column, expected, _ = faults[at]
        hint = "mend the row in what the corpus was made from; nothing was written"
        raise BadRow(part, start + row, column, f"{expected}, found `{str(frame[column][row])[:60]}`", hint)


def _faults() -> list[tuple[str, str, Any]]:
    """Return what can be wrong with a row: its column, what is expected there, and the expression that is true then."""
    polars = load_polars()
    col = polars.col
    words = {"kind": get_args(Kind), "verdict": get_args(Verdict), "finish": get_args(Finish)}
    missing = [
        (name, "a gold answer" if name == "answer" else "a value", col(name).is_null())
        for name in (*PROBLEM, *CHAIN)
        if name not in OPTIONAL
    ]
    unknown = [(name, f"one of {', '.join(known)}", ~col(name).is_in(known)) for name, known in words.items()]
    choices = col("choices").list
    no_gold = (col("answer") == "") & (col("verdict") != "ungraded")
    return [
        *missing,
        *unknown,
        ("choices", "choices that are texts", choices.drop_nulls().list.len() < choices.len()),
        ("problem", "the id of a problem", col("problem") == ""),
        ("answer", "a gold answer, since the chain is graded", no_gold),
        ("logprob", "a finite log-probability or none", ~col("logprob").is_finite()),
    ]
