"""Marks that people give solutions, criterion by criterion, and the rubrics whose criteria they are.

Each mark is a row of its rater's among the run's labels: nobody's is replaced by another's. A final mark, given where
raters differ, stands beside theirs.
"""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from stepdown.store.labels import put_rows
from stepdown.store.records import damage_checked
from stepdown.store.run import Run
from stepdown.store.schema import LABELS_SINCE

_MARK, _FINAL, _RUBRIC = "mark", "final mark", "rubric"
SKIPPED = "skip"


class _Place(msgspec.Struct, frozen=True, array_like=True):
    """What a row is about, as it is written: of a rater's the last is the rater."""

    key: str
    problem: str
    sample: int
    rater: str = ""


_place = damage_checked(msgspec.json.Decoder(_Place).decode)


class PersonMark(msgspec.Struct, frozen=True):
    """What `rater` said of a solution by one criterion, whose `key` is a rubric's, or "" for right or wrong.

    `mark` is `yes`, `no` or a number on the scale, `skip` where the rater would not say. A `final` one decides.
    """

    problem: str
    sample: int
    key: str
    rater: str
    mark: str
    final: bool = False


def put_marks(run: Run, marks: Iterable[PersonMark]) -> None:
    """Keep marks; what the same rater said before of the same is gone, and an empty one takes it back."""
    by_rater: dict[str, list[tuple[str, str, str]]] = {}
    for one in marks:
        place: list[str | int] = [one.key, one.problem, one.sample]
        item = msgspec.json.encode(place if one.final else [*place, one.rater]).decode()
        by_rater.setdefault(one.rater, []).append((_FINAL if one.final else _MARK, item, one.mark))
    with run.store.writing():
        for rater, rows in by_rater.items():
            put_rows(run, rows, rater)


def stored_marks(run: Run) -> list[PersonMark]:
    """Return the marks of a run, those that were skipped included, by criterion, problem, sample and rater."""
    return [*_marks(run, _MARK), *_marks(run, _FINAL)]


def _marks(run: Run, kind: str) -> Iterator[PersonMark]:
    for item, value, author in _rows(run, kind):
        place = _place(item.encode())
        yield PersonMark(place.problem, place.sample, place.key, author, value, kind == _FINAL)


def put_rubric(run: Run, key: str, body: bytes) -> None:
    """Keep the rubric by which a run is marked, as JSON, so that its criteria can be shown to people."""
    put_rows(run, [(_RUBRIC, key, body.decode())], "stepdown")


def stored_rubrics(run: Run) -> Mapping[str, bytes]:
    """Return the rubrics of a run as JSON, by their keys."""
    return {item: value.encode() for item, value, _ in _rows(run, _RUBRIC)}


def _rows(run: Run, kind: str) -> list[tuple[str, str, str]]:
    if run.store.value("pragma user_version") < LABELS_SINCE:
        return []
    rows = run.store.db.execute(
        "select item, value, author from labels where run = ? and kind = ? and value != '' order by item",
        (run.id, kind),
    ).fetchall()
    return [(str(item), str(value), str(author)) for item, value, author in rows]


def judged_traces(run: Run, grader: str) -> Iterator[tuple[str, int, str, str | None]]:
    """Stream (problem, sample, verdict, found) of every trace with a solution that a grader graded."""
    rows = run.store.db.execute(
        """select problems.id, traces.sample, verdict, found from grades join traces using (run, ordinal, sample)
           join problems on problems.key = traces.problem
           where grades.run = ? and grader = ? and solution is not null order by ordinal, sample""",
        (run.id, grader),
    )
    yield from rows
