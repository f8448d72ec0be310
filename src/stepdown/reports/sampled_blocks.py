"""The samples of each problem from the store's summaries, as what a vote needs; texts are read where it needs them."""

from collections.abc import Callable, Iterator
from functools import cache
from itertools import groupby
from operator import eq, itemgetter
from typing import Any

import msgspec

from stepdown.graders import Attempts
from stepdown.store import GradeBlock, Run, Shape, TraceBlock, answers_of, trace_keys, unpacked, verdicts_of
from stepdown.types import GREEDY, Call, Grade, Problem, Reply, Trace, Verdict

TraceKey = tuple[int, int]
_FEW = 16  # rows read at once where one problem is looked for


class Sampled(msgspec.Struct, frozen=True):
    """A problem's samples: `attempts` say of each what a vote asks, `shape` is the first one's, `tokens` are of all."""

    trace_key: TraceKey
    question: int
    shape: Shape
    tokens: int
    attempts: Attempts


def problems_of(run: Run, grader: str, *, each: Callable[[TraceBlock], None] | None = None) -> Iterator[Sampled]:
    """Stream the problems of a run in its order; `each` block is given away as it comes."""
    samples = (sample for columns in run.columns(grader) for sample in _samples(*columns, each=each))
    for _, some in groupby(samples, key=itemgetter(0)):
        rows = list(some)
        attempts: Attempts = [
            (_light(shape, key[1]), _grade(verdict, found)) for *_, key, shape, _, verdict, found in rows
        ]
        _, question, trace_key, shape, *_ = rows[0]
        if len(rows) > 1 and _asks_texts(attempts):
            attempts = full_attempts(run, grader, trace_key)
        yield Sampled(trace_key, question, shape, sum(row[4] for row in rows), attempts)


def full_attempts(run: Run, grader: str, trace_key: TraceKey) -> Attempts:
    """Return the samples of the problem whose first trace is at (ordinal, sample), read whole."""
    found: list[tuple[Trace, Grade]] = []
    for ordinal, trace, grade in run.rows(grader, first=trace_key[0], page=_FEW):
        if (ordinal, trace.sample) < trace_key:
            continue
        if found and trace.problem.id != found[0][0].problem.id:
            break
        found.append((trace, grade))
    return found


def all_single(run: Run) -> bool:
    """Whether no trace has the problem of the one before it, so that none is another sample."""
    last = None
    for block, _ in run.columns():
        ids = unpacked("q", block.ids)
        if (ids and ids[0] == last) or any(map(eq, ids, ids[1:])):
            return False
        last = ids[-1] if ids else last
    return True


def _samples(
    block: TraceBlock, grades: GradeBlock, *, each: Callable[[TraceBlock], None] | None
) -> Iterator[tuple[Any, ...]]:
    """Stream (id, question, trace key, shape, tokens, verdict, found)."""
    if each is not None:
        each(block)
    yield from zip(
        unpacked("q", block.ids),
        unpacked("q", block.questions),
        trace_keys(block),
        [block.shapes[place] for place in unpacked("I", block.shape)],
        unpacked("q", block.tokens),
        verdicts_of(block, grades),
        answers_of(block, grades),
        strict=True,
    )


def _asks_texts(attempts: Attempts) -> bool:
    """Whether a vote would read solutions: no grade of a trace that did not fail names an answer."""
    tried = [(trace, grade) for trace, grade in attempts if trace.error is None]
    return not any(grade.found for _, grade in tried) and not all(trace.cut for trace, _ in tried)


@cache
def _cut_or_whole(cut: bool) -> tuple[Call, ...]:
    return (Call("student", "", (), GREEDY, Reply("", "", finish="length" if cut else "stop")),)


def _light(shape: Shape, sample: int) -> Trace:
    """Return a trace of which only what a vote asks is so: its sample, its problem's kind, if it failed or was cut."""
    problem = Problem("", "", "", kind=shape.kind)
    return Trace(problem, "", None, _cut_or_whole(shape.cut), None, "failed" if shape.failed else None, sample)


def _grade(verdict: Verdict, found: str | None) -> Grade:
    return Grade(verdict, found)
