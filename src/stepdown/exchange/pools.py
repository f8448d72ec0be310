"""Pools of teachers' chains: one problem on a line with all its chains, each with the label its makers read in it."""

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import msgspec

from stepdown.answers import conclusion, same
from stepdown.corpus import ChainTable, table_of
from stepdown.exchange.json_streams import Progress, read_objects
from stepdown.exchange.line_batches import LineBatch, batches
from stepdown.exchange.question_parsing import gold_in, inline, label_of, read_problem
from stepdown.exchange.source import NONE, ChainSource
from stepdown.problems import plain_number
from stepdown.tabular import Row
from stepdown.types import Chain, Grade, Problem
from stepdown.workers import WorkerPool

GRADER = "pool"
# Problems whose first chain our own reader reads too, to tell on the card how far the two agree.
COMPARED = 1_000
_UNREAD = "{} chains have no label in the pool: they count as wrong"
_CONDITIONED = "{} chains were written by a teacher that was shown the gold answer"
_COMPARED = "{} chains, the first of each of the first 1,000 problems, were read by our own reader too"
_AGREED = "in {} of those chains it reads the pool's label"
_BLIND = "in {} of those chains it finds no answer: the label is not in the text"


class PoolChain(msgspec.Struct, frozen=True, gc=False):
    """A chain of a pool: `pred` is the label its makers read, None where they read none."""

    text: str
    correct: bool
    teacher: str = ""
    variant: str = ""
    gold_conditioned: bool = False
    pred: str | int | float | None = None


def fits(fields: Mapping[str, Any]) -> bool:
    """Tell whether a file's first object is a row of a pool."""
    return {"question", "chains"} <= fields.keys()


def read_pool(source: ChainSource, *, progress: Progress | None = None) -> Iterator[list[Chain]]:
    """Stream the chains of a pool, one problem at a time, graded as the pool grades them.

    Raises `BadRow` for a row without a gold answer, one that repeats an id, and a chain that is none.
    """
    ids: set[int] = set()
    for index, row in enumerate(read_objects(source.path, progress=progress)):
        own = row.optional("id") or str(index)
        if hash(own) in ids:
            raise row.bad("id", _own(own))
        ids.add(hash(own))
        yield _chains_of(row, index, own, source)


class PoolTables(msgspec.Struct, frozen=True):
    """What a worker reads in some lines of a pool: the chains, each row's line and id, and what is to be said of it."""

    table: ChainTable
    ids: list[tuple[int, str]]
    seen: Counter[str]


def read_pool_tables(
    source: ChainSource, workers: WorkerPool, *, progress: Progress | None = None, encoded: bool = True
) -> Iterator[ChainTable]:
    """Stream the chains of a pool that has an object on each line as tables, read by workers; as `read_pool` does."""
    ids: set[int] = set()
    tasks = ((source.fresh, batch) for batch in batches(source.path, progress=progress))
    read = partial(read_lines_of_pool, encoded=encoded)
    for found in workers.map(read, tasks, name=lambda task: str(task[1])):
        for line, own in found.ids:
            if hash(own) in ids:
                raise Row(str(source.path), line, {}).bad("id", _own(own))
            ids.add(hash(own))
        for sentence, count in found.seen.items():
            source.seen[sentence] += count
        yield found.table


def read_lines_of_pool(task: tuple[ChainSource, LineBatch], *, encoded: bool = True) -> PoolTables:
    """Read some lines of a pool; raise `BadRow` at the first that is no row of one."""
    (source, batch), ids, rows = task, list[tuple[int, str]](), list[Chain]()
    for index, row in enumerate(batch.rows(), batch.index):
        own = row.optional("id") or str(index)
        ids.append((row.line, own))
        rows += _chains_of(row, index, own, source)
    return PoolTables(table_of(rows, encoded=encoded), ids, source.seen)


def _own(identity: str) -> str:
    return f"an id of its own, but `{identity}` came before"


def _chains_of(row: Row, index: int, own: str, source: ChainSource) -> list[Chain]:
    problem = msgspec.structs.replace(_problem(row), id=f"{source.dataset}/{own}")
    chains, grades = list[Chain](), dict[tuple[str, bool], Grade]()
    for at, one in enumerate(_chains(row)):
        read = "" if one.pred is None else str(one.pred).strip()
        # Most chains of a problem have one label, and what it stands for takes long to find.
        grade = grades.get((read, one.correct))
        if grade is None:
            grade = grades[read, one.correct] = _grade(problem, read, correct=one.correct)
        teacher = one.teacher or source.teacher
        chains.append(
            Chain(problem, one.text, teacher, at, grade, None, None, "stop", one.variant, one.gold_conditioned)
        )
    if chains:
        source.seen[_UNREAD] += sum(chain.grade.found is None for chain in chains)
        source.seen[_CONDITIONED] += sum(chain.gold_conditioned for chain in chains)
        if index < COMPARED:
            _compare(chains[0], source)
    source.seen[NONE] += not chains
    return chains


def _problem(row: Row) -> Problem:
    question, gold = row.text("question", "a question"), gold_in(row)
    if not gold:
        raise row.bad("answer", "a gold answer")
    problem = read_problem(row, question, gold)
    if problem.kind == "text" and inline(question, gold):
        raise row.bad("answer", "the letter of one of the choices in the question")
    return problem


def _chains(row: Row) -> tuple[PoolChain, ...]:
    try:
        return msgspec.convert(row.value("chains"), tuple[PoolChain, ...])
    except msgspec.ValidationError as error:
        raise row.bad("chains", f"chains with `text` and `correct` ({error})") from error


def _grade(problem: Problem, read: str, *, correct: bool) -> Grade:
    label = _label(problem, read)
    why = "the pool has no label for it" if label is None else f"the pool's label is `{label[:80]}`"
    return Grade("right" if correct else "wrong", label, why, GRADER)


def _label(problem: Problem, text: str) -> str | None:
    if problem.kind == "choice":
        return label_of(text, problem.choices)
    if problem.kind == "number":
        return plain_number(text) or text or None
    return text or None


def _compare(chain: Chain, source: ChainSource) -> None:
    problem, label = chain.problem, chain.grade.found
    if label is None:
        return
    read = conclusion(chain.text, problem.kind, problem.choices, question=problem.question).found
    source.seen[_COMPARED] += 1
    source.seen[_AGREED] += read is not None and bool(same(problem.kind, read, label))
    source.seen[_BLIND] += read is None
