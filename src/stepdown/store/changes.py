"""Problems whose verdict differs between two runs, found in the store without loading a trace."""

from typing import Any, Literal

import msgspec

from stepdown.errors import UsageError
from stepdown.store.run import Run
from stepdown.types import Verdict

ChangeKind = Literal["won", "lost", "any"]
_TURNS: dict[ChangeKind, str] = {
    "won": "a.verdict = 'wrong' and b.verdict = 'right'",
    "lost": "a.verdict = 'right' and b.verdict = 'wrong'",
    "any": "a.verdict != b.verdict and a.verdict != 'ungraded' and b.verdict != 'ungraded'",
}
_KEYED = "b_trace.problem = a_trace.problem"
_NAMED = """b_trace.problem in (select other.key from problems as mine
            join problems as other on other.id = mine.id where mine.key = a_trace.problem)"""


class VerdictChange(msgspec.Struct, frozen=True, kw_only=True):
    """A problem by its id in either run, with what each found and whether it was right."""

    problem: str
    other: str
    question: str
    gold: str
    before: Verdict
    after: Verdict
    found_before: str | None
    found_after: str | None


class VerdictChanges(msgspec.Struct, frozen=True):
    """Some of the problems whose verdict changed, and how many did.

    `by_id`: problems were matched by id because none matched by content.
    """

    turned: tuple[VerdictChange, ...]
    total: int
    by_id: bool


def verdict_changes(
    before: Run, after: Run, *, kind: ChangeKind = "any", offset: int = 0, count: int = 50
) -> VerdictChanges:
    """Return `count` problems from `offset` on that were won, lost or either, in the order of the first run.

    Problems are paired by their content, or by id where no content is shared. Raises `UsageError` for a run of
    several samples of a problem: they vote, and a vote is no trace of its own.
    """
    for run in (before, after):
        if run.settings.samples > 1:
            raise UsageError(
                f"run `{run.id}` drew {run.settings.samples} samples of each problem, and they vote",
                "the report's table counts what the votes won and lost; open the run to read its samples",
            )
    by_id = not _pairs(before, after, f"select 1 from {_joined(_KEYED)} limit 1")
    both = f"{_graded(_NAMED if by_id else _KEYED)} where {_TURNS[kind]}"
    total = int(_pairs(before, after, f"select count(*) from {both}")[0][0])
    return VerdictChanges(_turned(before, after, both, offset=offset, count=count) if total else (), total, by_id)


def _turned(before: Run, after: Run, both: str, *, offset: int, count: int) -> tuple[VerdictChange, ...]:
    rows = _pairs(
        before,
        after,
        f"""select mine.id, other.id, json_extract(mine.body, '$.question'), json_extract(mine.body, '$.answer'),
                   verdicts.* from (select a.verdict, b.verdict, a.found, b.found, a_trace.ordinal,
                   a_trace.problem as one, b_trace.problem as two
                   from {both} order by a_trace.ordinal limit {count:d} offset {offset:d}) as verdicts
            join problems as mine on mine.key = one join problems as other on other.key = two order by ordinal""",
    )
    return tuple(_one(*row[:8]) for row in rows)


def _one(
    problem: str, other: str, question: str, gold: str, before: Verdict, after: Verdict, *found: str | None
) -> VerdictChange:
    return VerdictChange(
        problem=problem,
        other=other,
        question=question,
        gold=gold,
        before=before,
        after=after,
        found_before=found[0],
        found_after=found[1],
    )


def _joined(paired: str) -> str:
    return f"traces as a_trace join traces as b_trace on a_trace.run = :a and b_trace.run = :b and {paired}"


def _graded(paired: str) -> str:
    return f"""{_joined(paired)}
        join grades as a on a.run = :a and a.ordinal = a_trace.ordinal and a.sample = a_trace.sample
             and a.grader = :a_grader
        join grades as b on b.run = :b and b.ordinal = b_trace.ordinal and b.sample = b_trace.sample
             and b.grader = :b_grader"""


def _pairs(before: Run, after: Run, statement: str) -> list[Any]:
    values = {"a": before.id, "b": after.id, "a_grader": before.grader, "b_grader": after.grader}
    return before.store.db.execute(statement, values).fetchall()
