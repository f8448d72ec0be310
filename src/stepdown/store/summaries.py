"""Summaries of a run, block by block: what a look at the traces of 512 ordinals finds, kept until one of them changes.

A block's summary can always be made anew from its rows, which alone are the truth: the store's triggers drop it with
any write to the block, and who reads then looks at the rows again.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple, TypeVar

import msgspec

from stepdown.errors import StoreError
from stepdown.store.database import Database
from stepdown.store.grade_blocks import VERDICTS, GradeBlock, block_of_grades, decode_grades, encode_grades
from stepdown.store.schema import BLOCK_BITS, OF_AUDIT, OF_GRADES, OF_TRACES
from stepdown.store.trace_blocks import TraceBlock, block_of_traces, decode_block, encode_block

# Raised whenever a block's columns are others than before; summaries of another version are made anew.
VERSION = "1"
_SINCE = 6  # the first schema that has the table; an older file is read without it
_MOST_OPEN = 8  # blocks that a run may be writing to at once before the first of them is summarized
_LAST_BLOCK = 1 << 62 - BLOCK_BITS
_PUT = """insert or replace into summaries (run, kind, block, version, traces, rights, wrongs, body)
          values (?, ?, ?, ?, ?, ?, ?, ?)"""


class Tally(NamedTuple):
    """How many traces a run has, and how many of them a grader calls right and wrong."""

    traces: int
    rights: int
    wrongs: int


Made = tuple[Tally, bytes]
Columns = TypeVar("Columns", TraceBlock, GradeBlock)


class Kind(NamedTuple):
    """One thing that is summarized of a run: the table it counts, and how a block's counts and columns are made."""

    name: str
    table: str
    make: Callable[[int], Made]


def tally(store: Database, run: str, grader: str) -> Tally:
    """Count a run's traces and a grader's verdicts without a look at each, or by the store's indexes."""
    traces, grades = (_tally(store, run, kind) for kind in (_of_traces(store, run), _of_grades(store, run, grader)))
    if traces and grades:
        return Tally(traces.traces, grades.rights, grades.wrongs)
    verdicts = "select count(*) from grades where run = ? and grader = ? and verdict = ?"
    return Tally(
        store.value("select count(*) from traces indexed by traces_cut where run = ?", run),
        *(store.value(verdicts, run, grader, verdict) for verdict in ("right", "wrong")),
    )


def columns_of(store: Database, run: str, grader: str) -> Iterator[tuple[TraceBlock, GradeBlock]]:
    """Stream the blocks of a run with a grader's verdicts, a block in memory at a time."""
    traces, grades = _of_traces(store, run), _of_grades(store, run, grader)
    for block in _blocks(store, run, traces.table):
        yield _decoded(decode_block, store, run, traces, block), _decoded(decode_grades, store, run, grades, block)


def refresh(store: Database, run: str, *, only: Iterable[int] | None = None) -> int:
    """Keep a summary of each block of a run that has none, and return how many were made; a damaged block has none.

    `only` names the blocks that are looked at.
    """
    made, chosen = 0, None if only is None else set(only)
    for kind in _kinds(store, run):
        known = _kept(store, run, kind, next(iter(chosen)) if chosen and len(chosen) == 1 else None)
        wanted = _blocks(store, run, kind.table) if chosen is None else _written(store, run, kind.table, chosen)
        made += sum(_keep(store, run, kind, block) for block in [one for one in wanted if one not in known])
    return made


class SummaryCheck(NamedTuple):
    """How many summaries were as their rows are, how many were missing and are made, how many were wrong and are so."""

    sound: int = 0
    made: int = 0
    mended: int = 0


def mend(store: Database, run: str) -> SummaryCheck:
    """Make every summary of a run anew, and keep it where another is kept, or none."""
    found = Counter[str]()
    for kind in _kinds(store, run):
        blocks = set(_blocks(store, run, kind.table))
        for block in sorted(blocks):
            found[_mend(store, run, kind, block)] += 1
        with store.writing() as db:
            groundless = [(run, kind.name, block) for block in _kept(store, run, kind).keys() - blocks]
            db.executemany("delete from summaries where run = ? and kind = ? and block = ?", groundless)
            found["mended"] += len(groundless)
    with store.writing() as db:
        # What an audit kept of blocks that are there only an audit can judge: what it keeps has a hash of its own.
        there = f"(select ordinal >> {BLOCK_BITS} from traces where run = ?1)"
        db.execute(f"delete from summaries where run = ?1 and kind = ?2 and block not in {there}", (run, OF_AUDIT))
    return SummaryCheck(found["sound"], found["made"], found["mended"])


def _mend(store: Database, run: str, kind: Kind, block: int) -> str:
    with store.writing():
        known = _kept(store, run, kind, block).get(block)
        counts, body = kind.make(block)
        if known == counts and _body(store, run, kind, block) == body:
            return "sound"
        _keep(store, run, kind, block)
    return "made" if known is None else "mended"


def blocks_of(store: Database, run: str) -> list[int]:
    """Return the blocks of a run that have traces, in order."""
    return _blocks(store, run, "traces")


def kept_audit(store: Database, run: str, block: int, version: str) -> bytes | None:
    """Return what an audit of this version found in a block, None where it has to be found."""
    chosen = "select body from summaries where run = ? and kind = ? and block = ? and version = ?"
    row = store.db.execute(chosen, (run, OF_AUDIT, block, version)).fetchone() if _has_table(store) else None
    return bytes(row[0]) if row else None


def keep_audit(store: Database, run: str, block: int, *, version: str, found: bytes) -> None:
    """Keep what an audit found in a block, in the transaction of the caller that began before it was looked for."""
    with store.writing() as db:
        db.execute(_PUT, (run, OF_AUDIT, block, version, 0, 0, 0, found))


class OpenBlocks:
    """The blocks that one user of the store has written to and that have no summary since, by run."""

    def __init__(self, store: Database) -> None:
        self._store = store
        self._open: dict[tuple[str, int], None] = {}

    def touch(self, run: str, ordinals: Iterable[int]) -> None:
        """Note that these traces or their grades were written; what was written to longest ago is summarized."""
        if not self._store.summarizes:
            return
        for block in {ordinal >> BLOCK_BITS for ordinal in ordinals}:
            self._open.pop((run, block), None)
            self._open[run, block] = None
        while len(self._open) > _MOST_OPEN:
            self._summarize(next(iter(self._open)))

    def close(self) -> None:
        """Summarize the rest; who reads next can do without, so that nothing that hinders it is said."""
        with suppress(StoreError):
            while self._open:
                self._summarize(next(iter(self._open)))

    def _summarize(self, one: tuple[str, int]) -> None:
        del self._open[one]
        refresh(self._store, one[0], only=(one[1],))


def _keep(store: Database, run: str, kind: Kind, block: int) -> bool:
    with store.writing() as db:
        try:
            counts, body = kind.make(block)
        except StoreError:
            return False
        db.execute(_PUT, (run, kind.name, block, VERSION, *counts, body))
    return True


def _kinds(store: Database, run: str) -> list[Kind]:
    return [_of_traces(store, run), *(_of_grades(store, run, grader) for grader in _graders(store, run))]


def _graders(store: Database, run: str) -> Iterator[str]:
    """Stream the graders of a run by leaps through an index, not grade by grade."""
    following = "select min(grader) from grades where run = ? and grader > ?"
    (grader,) = store.db.execute("select min(grader) from grades where run = ?", (run,)).fetchone()
    while grader is not None:
        yield grader
        (grader,) = store.db.execute(following, (run, grader)).fetchone()


def _of_traces(store: Database, run: str) -> Kind:
    def make(block: int) -> Made:
        columns = block_of_traces(store, run, block)
        return Tally(len(columns.ordinals) // 8, 0, 0), encode_block(columns)

    return Kind(OF_TRACES, "traces", make)


def _of_grades(store: Database, run: str, grader: str) -> Kind:
    def make(block: int) -> Made:
        columns = block_of_grades(store, run, block, grader)
        rights, wrongs = (columns.verdicts.count(VERDICTS.index(one)) for one in ("right", "wrong"))
        return Tally(len(columns.verdicts), rights, wrongs), encode_grades(columns)

    return Kind(OF_GRADES + grader, "grades", make)


def _tally(store: Database, run: str, kind: Kind) -> Tally | None:
    """Add up the counts of a run's blocks; None where many have no summary."""
    known = _kept(store, run, kind)
    missing = _blocks_between(store, run, kind.table, known)
    if len(missing) > _MOST_OPEN:
        return None
    some = [*known.values(), *(kind.make(block)[0] for block in missing)]
    return Tally(*map(sum, zip(*some, strict=True))) if some else Tally(0, 0, 0)


def _kept(store: Database, run: str, kind: Kind, block: int | None = None) -> dict[int, Tally]:
    """Return the counts kept of each block, or of one."""
    if not _has_table(store):
        return {}
    rows = store.db.execute(
        f"""select block, traces, rights, wrongs from summaries
            where run = ? and kind = ? and version = ? {"" if block is None else "and block = ?"}""",
        (run, kind.name, VERSION) if block is None else (run, kind.name, VERSION, block),
    )
    return {block: Tally(*counts) for block, *counts in rows}


def _body(store: Database, run: str, kind: Kind, block: int) -> bytes:
    where = (run, kind.name, block, VERSION)
    chosen = "select body from summaries where run = ? and kind = ? and block = ? and version = ?"
    row = store.db.execute(chosen, where).fetchone() if _has_table(store) else None
    return bytes(row[0]) if row else kind.make(block)[1]


def _decoded(decode: Callable[[bytes], Columns], store: Database, run: str, kind: Kind, block: int) -> Columns:
    """Return a block's columns; a kept body whose bits were flipped counts as none."""
    try:
        return decode(_body(store, run, kind, block))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return decode(kind.make(block)[1])


def _has_table(store: Database) -> bool:
    return store.value("pragma user_version") >= _SINCE


def _blocks_between(store: Database, run: str, table: str, known: Iterable[int]) -> list[int]:
    """Return the blocks in which a table has rows beside some known ones; of these no page is read.

    In a file that is not in memory each look at a block is a page, somewhere.
    """
    found, first = list[int](), 0
    for block in (*sorted(known), _LAST_BLOCK):
        found += _blocks(store, run, table, first=first, end=block) if first < block else []
        first = block + 1
    return found


def _written(store: Database, run: str, table: str, blocks: Iterable[int]) -> list[int]:
    """Return those of some blocks in which a table has rows of a run: a copy may name others."""
    return [one for one in sorted(blocks) if _blocks(store, run, table, first=one, end=one + 1)]


def _blocks(store: Database, run: str, table: str, *, first: int = 0, end: int = _LAST_BLOCK) -> list[int]:
    """Return the blocks from a first one on in which a table has rows of a run, in order, by leaps to the next."""
    rows = store.db.execute(
        f"""with recursive firsts (ordinal) as (
                select min(ordinal) from {table} where run = ?1 and ordinal >= ?2 and ordinal < ?3
                union all
                select (select min({table}.ordinal) from {table} where run = ?1 and {table}.ordinal < ?3
                        and {table}.ordinal >= (firsts.ordinal >> {BLOCK_BITS}) + 1 << {BLOCK_BITS})
                from firsts where firsts.ordinal is not null)
            select ordinal >> {BLOCK_BITS} from firsts where ordinal is not null""",
        (run, first << BLOCK_BITS, end << BLOCK_BITS),
    )
    return [block for (block,) in rows]
