"""Samples that lm-evaluation-harness logged (`--log_samples`), read as a run with its own verdicts beside.

Source of the form: lm_eval 0.4.13, `evaluator.evaluate` and `loggers/evaluation_tracker.py`. Earlier versions wrote
`arguments` as a list.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from stepdown.errors import BadRow
from stepdown.exchange.imported import ForeignLog, ImportedTrace, plain_name, their_grade
from stepdown.exchange.json_streams import decode_log, row_of_line
from stepdown.methods import DIRECT
from stepdown.problems import Columns, read_problem
from stepdown.tabular import Row, clip_value, plain
from stepdown.types import (
    LETTERS,
    MOST_TOKENS,
    Call,
    Grade,
    Message,
    Messages,
    Problem,
    Reply,
    Sampling,
    Settings,
    Trace,
)

HARNESS = "lm-eval"
# No line is longer (bytes), and no results file.
LARGEST = 1 << 26
_MOST_SAMPLES = 10_000
_NAME = re.compile(r"samples_(?P<task>.+)_(?P<date>\d{4}-\d\d-\d\dT[\d.-]+)\.jsonl")
_KEYS = {"doc_id", "doc", "resps", "arguments", "target"}
_INVALID = "[invalid]"
_messages = msgspec.json.Decoder(tuple[Message, ...]).decode
Verdicts = dict[int, dict[str, Grade]]


class _Results(msgspec.Struct, frozen=True):
    """What is read of the results file beside the samples."""

    model_name: str = ""


def fits(first: Mapping[str, Any]) -> bool:
    """Tell whether a file's first object is a sample of the harness."""
    return first.keys() >= _KEYS


def read(path: Path) -> ForeignLog:
    """Return the log in a file of samples. Raises `BadRow` for a line that is none; the whole file is checked.

    Lines that say the same document by another filter are one trace, with a grade for each metric and filter.
    """
    verdicts: Verdicts = {}
    first: Row | None = None
    for row in _rows(path):
        first = first or row
        _add_grades(row, verdicts.setdefault(_place(row), {}))
        _replies(row)
    match = _NAME.fullmatch(path.name)
    settings = Settings(
        dataset=plain_name(match["task"] if match else path.stem),
        problems="",
        count=0,
        method=DIRECT.name,
        student=_model(path, match["date"] if match else ""),
        prompt_set="recorded",
        sampling=_sampling(first) if first else Sampling(),
        samples=max((len(_replies(row)) for row in _rows(path)), default=1),
    )
    return ForeignLog(settings, partial(_traces, path, settings, verdicts))


def _traces(path: Path, settings: Settings, verdicts: Verdicts) -> Iterator[ImportedTrace]:
    seen = set[int]()
    for row in _rows(path):
        place = _place(row)
        if place in seen:
            continue
        seen.add(place)
        problem = msgspec.structs.replace(_problem(row), id=f"{settings.dataset}/{place}")
        prompt = _prompt(row)
        own = tuple(verdicts[place].values())
        for sample, text in enumerate(_replies(row)):
            grades = own if sample == 0 else ()
            yield _trace(row, place, problem, (prompt, text, sample), settings, grades)


def _trace(
    row: Row, place: int, problem: Problem, reply_to: tuple[Messages, str | None, int], settings: Settings,
    grades: tuple[Grade, ...],
) -> ImportedTrace:  # fmt: skip
    prompt, text, sample = reply_to
    reply = Reply(text or "", settings.student)
    call = Call("student", settings.student, prompt, _sampling(row), reply, sample)
    error = "the log has no reply" if text is None else None
    trace = Trace(problem, settings.method, calls=(call,), solution=text, error=error, sample=sample)
    # A choice by likelihood is no text that could be read again: its verdict is the harness's.
    grader = grades[0].grader if _is_likelihoods(row) and grades else ""
    return ImportedTrace(place, trace, grader, grades)


def _rows(path: Path) -> Iterator[Row]:
    with path.open("rb") as file:
        for number, line in enumerate(iter(partial(file.readline, LARGEST + 1), b""), 1):
            if len(line) > LARGEST:
                raise BadRow(path, number, "the row", f"at most {LARGEST >> 20} MiB on a line")
            if body := line.strip():
                row = row_of_line(path, number, body)
                if not fits(row.fields):
                    lacking = ", ".join(f"`{one}`" for one in sorted(_KEYS - row.fields.keys()))
                    raise BadRow(path, number, "the row", f"a sample that lm_eval logged, which has {lacking}")
                yield row


def _place(row: Row) -> int:
    value = row.value("doc_id")
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 40:
        raise row.bad("doc_id", f"the document's number, found {clip_value(value)}")
    return value


def _add_grades(row: Row, known: dict[str, Grade]) -> None:
    """Add a line's scores by metric and filter. Raises `BadRow` where the same document has one already."""
    metrics = row.fields.get("metrics")
    if not isinstance(metrics, list):
        metrics = [one for one in ("exact_match", "acc") if one in row.fields]
    way = str(row.fields.get("filter") or "none")
    answers = row.fields.get("filtered_resps")
    answer = answers[0] if isinstance(answers, list) and len(answers) == 1 else answers
    found = answer if isinstance(answer, str) and answer != _INVALID and not _is_likelihoods(row) else None
    for metric in metrics:
        name = f"{HARNESS}/{plain_name(str(metric))}/{plain_name(way)}"
        if name in known:
            raise row.bad("doc_id", f"each document once by `{way}`, but {_place(row)} came before")
        if str(metric) in row.fields:
            known[name] = their_grade(name, row.fields[str(metric)], found=found)


def _is_likelihoods(row: Row) -> bool:
    """Whether the model gave no text, but the likelihood of each continuation."""
    replies = row.fields.get("resps")
    first = replies[0] if isinstance(replies, list) and replies else None
    return isinstance(first, list) and bool(first) and isinstance(first[0], list)


def _replies(row: Row) -> list[str | None]:
    """Return the solutions of a line: the model's texts, or the continuation that it found likeliest."""
    replies = row.value("resps")
    if _is_likelihoods(row):
        return [_likeliest(row)]
    texts = replies[0] if isinstance(replies, list) and len(replies) == 1 else replies
    if not isinstance(texts, list) or not texts or not all(isinstance(one, str | None) for one in texts):
        raise row.bad("resps", f"a list of the model's texts, found {clip_value(replies)}")
    if len(texts) > _MOST_SAMPLES:
        raise row.bad("resps", f"at most {_MOST_SAMPLES:,} texts for a document, found {len(texts):,}")
    return texts


def _likeliest(row: Row) -> str:
    arguments = _arguments(row)
    try:
        scores = [float(one[0][0]) for one in row.value("resps")]
    except (TypeError, ValueError, IndexError, KeyError) as error:
        raise row.bad(
            "resps", f"a log-likelihood for each continuation, found {clip_value(row.value('resps'))}"
        ) from error
    if len(arguments) != len(scores) or not all(len(one) > 1 and isinstance(one[1], str) for one in arguments):
        raise row.bad("arguments", "a prompt and a continuation for each log-likelihood")
    return str(arguments[max(range(len(scores)), key=scores.__getitem__)][1])


def _arguments(row: Row) -> list[list[Any]]:
    """Return the arguments of each request: the prompt first."""
    given = row.value("arguments")
    if isinstance(given, dict):
        given = [list(one.values()) if isinstance(one, dict) else one for one in given.values()]
    if not isinstance(given, list) or not given or not all(isinstance(one, list) and one for one in given):
        raise row.bad("arguments", f"the prompt of each request, found {clip_value(given)}")
    return given


def _prompt(row: Row) -> Messages:
    """Return what the model was asked: the turns of a chat, or the prompt as one."""
    text = _arguments(row)[0][0]
    text = text[0] if isinstance(text, list) and len(text) == 1 else text
    if not isinstance(text, str):
        raise row.bad("arguments", f"a prompt, found {clip_value(text)}")
    with suppress(msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
        if turns := _messages(text):
            return turns
    return (Message("user", text),)


def _sampling(row: Row) -> Sampling:
    """Return how a line says that its text was drawn; what it does not say is greedy."""
    first = _arguments(row)[0]
    options = first[1] if len(first) > 1 and isinstance(first[1], dict) else {}
    warm, most, until = options.get("temperature"), options.get("max_gen_toks"), options.get("until")
    stops = tuple(one for one in until if isinstance(one, str))[:64] if isinstance(until, list) else ()
    return Sampling(
        temperature=float(warm) if isinstance(warm, int | float) and 0 <= warm <= 100 else 0.0,
        max_tokens=most if isinstance(most, int) and 0 < most <= MOST_TOKENS else Sampling().max_tokens,
        stop=stops,
    )


def _problem(row: Row) -> Problem:
    """Return the problem of a line, without an id: as our own reader has the document's, else the prompt it made."""
    doc, prompt = row.value("doc"), _prompt(row)[-1].content.strip()
    if _is_likelihoods(row):
        return _chosen(row, _read(row, doc), prompt)
    return problem_of(row, doc, prompt, plain(row.fields.get("target")) or "")


def problem_of(row: Row, doc: object, prompt: str, target: str) -> Problem:
    """Return the problem of a document that makes this prompt, without an id; the task's target is its gold."""
    problem = _read(row, doc)
    if problem is not None and problem.kind == "choice":
        return problem
    question = problem.question if problem else prompt
    if not target:
        return problem or Problem("", question, "", kind="text")
    return _asked(row, question, target)


def _read(row: Row, doc: object) -> Problem | None:
    """Return a document as a row of a file of one's own, None for one that is none."""
    if isinstance(doc, dict):
        with suppress(BadRow):
            return read_problem(Row(row.file, row.line, doc), Columns())
    return None


def _asked(row: Row, question: str, target: str) -> Problem:
    """Return a problem by its target, which counts: a task may grade by another column than we would."""
    with suppress(BadRow):
        fields = {"question": question, "answer": target}
        return read_problem(Row(row.file, row.line, fields), Columns("question", "answer", "", ""))
    return Problem("", question, target, kind="text")


def _chosen(row: Row, problem: Problem | None, prompt: str) -> Problem:
    """Return the problem of likelihoods: its choices are the continuations, its gold the target's."""
    if problem is not None and problem.kind == "choice":
        return problem
    texts = tuple(str(one[1]).strip() for one in _arguments(row))
    target = plain(row.fields.get("target")) or ""
    index = int(target) if target.isdecimal() and len(target) < 3 else -1
    index = index if 0 <= index < len(texts) else texts.index(target) if target in texts else -1
    question = problem.question if problem else prompt
    if index < 0 or len(texts) > len(LETTERS):
        return Problem("", question, target, kind="text")
    return Problem("", question, LETTERS[index], texts, "choice")


def _model(path: Path, date: str) -> str:
    """Return who answered: by the results file beside the samples, else by the folder, which is named for the model."""
    beside = path.with_name(f"results_{date}.json")
    with suppress(OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        if date and beside.stat().st_size <= LARGEST:
            found: _Results = decode_log(beside.read_bytes(), _Results)
            if found.model_name:
                return found.model_name[:200]
    folder = path.resolve().parent.name
    return folder.replace("__", "/")[:200] if "__" in folder else "unknown"
