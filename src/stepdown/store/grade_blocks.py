"""A grader's verdicts on a block of traces, as columns."""

from collections.abc import Iterator
from typing import Any, get_args

import msgspec

from stepdown.errors import StoreError
from stepdown.store.connection import MEND
from stepdown.store.database import Database
from stepdown.store.schema import BLOCK_BITS
from stepdown.store.trace_blocks import TraceBlock, packed, unpacked
from stepdown.types import Verdict

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
_CODES = {verdict: code for code, verdict in enumerate(VERDICTS)}


class GradeBlock(msgspec.Struct, array_like=True):
    """Verdicts by ordinal and sample, as places in `VERDICTS`; `found` holds places in `answers`, -1 for none."""

    ordinals: bytes
    samples: bytes
    verdicts: bytes
    found: bytes
    answers: bytes


encode_grades = msgspec.msgpack.Encoder().encode
decode_grades = msgspec.msgpack.Decoder(GradeBlock).decode
_decode_answers = msgspec.msgpack.Decoder(list[str]).decode


def block_of_grades(store: Database, run: str, block: int, grader: str) -> GradeBlock:
    """Return the columns of a block, read from its rows."""
    rows = store.db.execute(
        """select ordinal, sample, verdict, found from grades
           where run = ? and ordinal between ? and ? and grader = ? order by ordinal, sample""",
        (run, block << BLOCK_BITS, (block + 1 << BLOCK_BITS) - 1, grader),
    ).fetchall()
    unknown = next((row[2] for row in rows if row[2] not in _CODES), None)
    if unknown is not None:
        raise StoreError(f"the store `{store.path}` is damaged: `{unknown!r:.50}` is not a verdict", MEND)
    answers: dict[str, int] = {}
    found = [-1 if row[3] is None else answers.setdefault(row[3], len(answers)) for row in rows]
    return GradeBlock(
        ordinals=packed("q", (row[0] for row in rows)),
        samples=packed("q", (row[1] for row in rows)),
        verdicts=bytes(_CODES[row[2]] for row in rows),
        found=packed("i", found),
        answers=encode_grades(list(answers)),
    )


def verdicts_of(block: TraceBlock, grades: GradeBlock) -> list[Verdict]:
    """Return the verdict on each trace of a block; one without a grade is ungraded."""
    return _by_trace(block, grades, [VERDICTS[code] for code in grades.verdicts], "ungraded")


def answers_of(block: TraceBlock, grades: GradeBlock) -> list[str | None]:
    """Return the answer that was read in each trace of a block, None for none."""
    answers: list[str | None] = [*_decode_answers(grades.answers), None]
    return _by_trace(block, grades, [answers[place] for place in unpacked("i", grades.found)], None)


def _by_trace(block: TraceBlock, grades: GradeBlock, values: list[Any], default: Any) -> list[Any]:
    if block.ordinals == grades.ordinals and block.samples == grades.samples:
        return values
    known = dict(zip(trace_keys(grades), values, strict=True))
    return [known.get(key, default) for key in trace_keys(block)]


def trace_keys(block: TraceBlock | GradeBlock) -> Iterator[tuple[int, int]]:
    """Stream (ordinal, sample) of each row."""
    return zip(unpacked("q", block.ordinals), unpacked("q", block.samples), strict=True)
