"""A trace as the whole line of JSON that a run is exported as."""

from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated

import msgspec

from stepdown.errors import BadRow
from stepdown.models import Prices
from stepdown.store import (
    Annotation,
    DecidedReview,
    Edit,
    Run,
    TraceLine,
    grades_of,
    stored_annotations,
    stored_reviews,
    trace_line,
)
from stepdown.tabular import decoded_lines
from stepdown.types import Call, Grade, Kind, Plan, Problem, Settings, Trace

# What the store can count, and add up over a million calls.
Count = Annotated[int, msgspec.Meta(ge=0, le=2**40)]
# Seconds since 1970, of a year that calendars know.
Moment = Annotated[float, msgspec.Meta(ge=0, lt=2**37)]


class EditLine(msgspec.Struct, frozen=True):
    """A person's plan for the problem of a line, when they made it (unix seconds), and how many seconds it took."""

    plan: Plan
    created: Moment
    seconds: Moment | None


class RunLine(TraceLine, frozen=True, kw_only=True, omit_defaults=True):
    """A line of an exported run: nothing of the trace, its problem, its grades or its run's settings is left out.

    The grade is the run's current grader's, `grades` are the others'. A problem's `edits` and its `review` (the plan
    that was held for a person) stand in its first line, `remarks` with their trace.
    """

    sample: Count
    method: str
    ordinal: Count
    kind: Kind
    choices: tuple[str, ...]
    worked: str
    gold_plan: str
    plan_author: str
    plan_edited_from: str | None
    plan_why: str
    grade_why: str
    calls: tuple[Call, ...]
    extra: bytes
    settings: Settings
    grades: tuple[Grade, ...] = ()
    edits: tuple[EditLine, ...] = ()
    review: DecidedReview | None = None
    remarks: tuple[Annotation, ...] = ()


_decode = msgspec.json.Decoder(RunLine).decode
_HINT = (
    "mend or remove the row; a file of plans is read by `stepdown run --plans FILE`, "
    "a file of chains by `stepdown import FILE --out CORPUS`"
)


class HumanAdditions:
    """What people added to a run, by where it stands in the lines; each is given once."""

    def __init__(self, run: Run) -> None:
        self.run, self.grader, self.reviews = run, run.grader, stored_reviews(run)
        self.graded = any(one != self.grader for one in run.graders())
        self.edits: dict[str, list[Edit]] = {}
        self.remarks: dict[tuple[str, int], list[Annotation]] = {}
        for edit in run.edits():
            self.edits.setdefault(edit.problem, []).append(edit)
        for problem, sample, remark in stored_annotations(run):
            self.remarks.setdefault((problem, sample), []).append(remark)

    def to(self, line: RunLine) -> RunLine:
        """Return the line with what belongs to it."""
        trace_key, problem = (line.ordinal, line.sample), line.problem
        grades = grades_of(self.run, *trace_key) if self.graded else ()
        edits = self.edits.pop(problem, ())
        return msgspec.structs.replace(
            line,
            grades=tuple(one for one in grades if one.grader != self.grader),
            edits=tuple(EditLine(one.plan, one.created, one.seconds) for one in edits),
            review=self.reviews.pop(problem, None),
            remarks=tuple(self.remarks.pop((problem, line.sample), ())),
        )


def run_lines(run: Run, prices: Prices) -> Iterator[bytes]:
    """Stream a run's traces as lines that `read_lines` reads back, with what people added to them.

    A run that came from such lines goes out as the run it was there, so that the same file comes of it.
    """
    encode, added = msgspec.json.Encoder().encode, HumanAdditions(run)
    imported, settings = bool(run.settings.origin), settings_of(run)
    for ordinal, trace, grade in run.rows():
        extra = run.extra(ordinal, trace.sample) if imported else None
        line = _whole(settings, (ordinal, trace), grade, extra or b"", prices)
        yield encode(added.to(line)) + b"\n"


def origin_of(name: str, settings: Settings) -> str:
    """Return the origin of a run read from lines: the file's `name`, and behind a slash the origin the lines tell."""
    return f"{name}/{settings.origin}"


def settings_of(run: Run) -> Settings:
    """Return the settings of a run, as the lines gave them where it was read from lines."""
    _, slash, before = run.settings.origin.partition("/")
    return msgspec.structs.replace(run.settings, origin=before) if slash else run.settings


def _whole(settings: Settings, at: tuple[int, Trace], grade: Grade, extra: bytes, prices: Prices) -> RunLine:
    ordinal, trace = at
    problem, plan = trace.problem, trace.plan or Plan("", "")
    return RunLine(
        **msgspec.structs.asdict(trace_line(settings.id, trace, grade, prices)),
        method=trace.method,
        ordinal=ordinal,
        kind=problem.kind,
        choices=problem.choices,
        worked=problem.solution,
        gold_plan=problem.plan,
        plan_author=plan.author,
        plan_edited_from=plan.edited_from,
        plan_why=plan.why,
        grade_why=grade.why,
        calls=trace.calls,
        extra=extra,
        settings=settings,
    )


def read_lines(path: Path) -> Generator[tuple[int, RunLine], None, None]:
    """Stream (line number, line) of an exported run. Raises `BadRow` at a line that is not one of the same run."""
    first: Settings | None = None
    with closing(decoded_lines(path)) as texts:
        for number, text in enumerate(texts, 1):
            if not text.strip():
                continue
            line = _read_line(path, number, text)
            first = first or line.settings
            if line.settings != first:
                hint = "split the file by `run` and import each part"
                raise BadRow(path, number, "settings", "the same run's settings as in the lines before", hint)
            yield number, line


def _read_line(path: Path, number: int, text: str) -> RunLine:
    try:
        line = _decode(text)
    except (msgspec.MsgspecError, RecursionError) as error:
        expected = f"a line that `stepdown export --to jsonl` wrote ({error})"
        raise BadRow(path, number, "the row", expected, _HINT) from error
    _check_usage(path, number, line)
    _check_graders(path, number, line)
    return line


def _check_usage(path: Path, number: int, line: RunLine) -> None:
    for usage in (call.reply.usage for call in line.calls):
        try:
            msgspec.convert(() if usage is None else msgspec.structs.astuple(usage), tuple[Count, ...])
        except msgspec.ValidationError as error:
            raise BadRow(path, number, "calls", f"counts of tokens ({error})") from error


def _check_graders(path: Path, number: int, line: RunLine) -> None:
    names = [one.grader for one in line.grades]
    if "" in names or line.grader in names or len(set(names)) < len(names):
        raise BadRow(path, number, "grades", "one grade by each grader, which has a name")


def trace_of(line: RunLine) -> Trace:
    """Return the trace a line tells of, calls verbatim."""
    problem = Problem(
        id=line.problem,
        question=line.question,
        answer=line.gold,
        choices=line.choices,
        kind=line.kind,
        solution=line.worked,
        plan=line.gold_plan,
    )
    plan = None
    if line.plan is not None:
        plan = Plan(line.plan, line.plan_author, line.plan_edited_from, line.plan_why)
    return Trace(
        problem=problem,
        method=line.method,
        plan=plan,
        calls=line.calls,
        solution=line.solution,
        error=line.error,
        sample=line.sample,
    )


def grades_in(line: RunLine) -> tuple[Grade, ...]:
    """Return the grades a line tells of, the current one first; none where nothing was graded."""
    current = Grade(line.verdict, line.found, line.grade_why, line.grader)
    return (current, *line.grades) if line.grader else line.grades


def extra_of(line: RunLine) -> bytes | None:
    """Return what an imported file held beyond the trace."""
    return line.extra or None
