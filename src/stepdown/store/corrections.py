"""Verdicts that people correct, also in the copies of a trace that derived runs hold."""

from collections.abc import Sequence

from stepdown.errors import UsageError
from stepdown.store.run import Run
from stepdown.types import Grade, Verdict

BY_PERSON = "+person"
# What the plans of a run are, before the id of the run whose plans were edited.
SOURCE = "edited/"
_COPIED = """traces as old cross join runs on json_extract(settings, '$.plans') = ?
             cross join traces as new on new.run = runs.id and new.ordinal = old.ordinal and new.sample = old.sample
             and new.calls = old.calls and new.plan is old.plan and new.solution is old.solution"""


def correct(
    run: Run, trace_key: tuple[int, int], *, verdict: Verdict, author: str, why: str = "", found: str | None = None
) -> str:
    """Keep a person's verdict on the trace at (ordinal, sample) and return the grader it is kept under.

    A person's verdicts are a grader of their own, `GRADER+person`: a copy of the run's grades in which the corrected
    ones are replaced, and from then on the run's current grader. The first grader's grades stay. A later resume of the
    run grades its new traces by the first grader and shows that one again; the next correction (or any that is made
    again) copies the new grades and brings `GRADER+person` back. The verdict is kept in the same transaction for the
    `copies_of` of the trace that no person has ruled otherwise. Raises `UsageError` for a trace without a grade.
    """
    ruled = Grade(verdict, found, f"{author}: {why}" if why else author)
    with run.store.writing():
        earlier = _ruling(run, trace_key)
        if not _rule(run, trace_key, ruled):
            raise UsageError(f"run `{run.id}` has no graded trace at place {trace_key[0]}", "grade the run first")
        for copy in map(run.store.run, copies_of(run, trace_key)):
            if _ruling(copy, trace_key) in (None, earlier):
                _rule(copy, trace_key, ruled)
    return run.grader


def _ruling(run: Run, trace_key: tuple[int, int]) -> tuple[object, ...] | None:
    """Return a person's verdict on a trace: what `GRADER+person` says otherwise than its first grader."""
    first = run.grader.removesuffix(BY_PERSON)
    row: tuple[object, ...] | None = run.store.db.execute(
        """select verdict, found, why from grades where run = ? and ordinal = ? and sample = ? and grader = ?
           except
           select verdict, found, why from grades where run = ? and ordinal = ? and sample = ? and grader = ?""",
        (run.id, *trace_key, first + BY_PERSON, run.id, *trace_key, first),
    ).fetchone()
    return tuple(row) if row else None


def _rule(run: Run, trace_key: tuple[int, int], ruled: Grade) -> bool:
    """Replace one grade of `GRADER+person` and make that the run's grader; False where there is none to replace."""
    first = run.grader.removesuffix(BY_PERSON)
    name = first + BY_PERSON
    spread(run, first, name)
    changed = run.store.db.execute(
        """update grades set verdict = ?, found = ?, why = ?
           where run = ? and ordinal = ? and sample = ? and grader = ?""",
        (ruled.verdict, ruled.found, ruled.why, run.id, *trace_key, name),
    )
    if changed.rowcount:
        run.grader = name
        run.store.open_blocks.touch(run.id, trace_key[:1])
    return changed.rowcount == 1


def spread(run: Run, first: str, name: str) -> None:
    """Copy a grader's grades under another name, but for traces that name has graded."""
    counted = "select count(*) from grades where run = ? and grader = ?"
    if run.store.value(counted, run.id, first) > run.store.value(counted, run.id, name):
        run.store.db.execute(
            """insert or ignore into grades (run, ordinal, sample, grader, verdict, found, why)
               select run, ordinal, sample, ?, verdict, found, why from grades where run = ? and grader = ?""",
            (name, run.id, first),
        )


def put_solved_again(run: Run, grades: Sequence[tuple[int, int, Grade]]) -> None:
    """Keep the grades of traces that were solved again, for the run's current view as well as for their grader."""
    with run.store.writing():
        run.put_grades(grades)
        if run.grader.endswith(BY_PERSON):
            spread(run, run.grader.removesuffix(BY_PERSON), run.grader)


# -- runs derived from runs


def copies_of(run: Run, trace_key: tuple[int, int]) -> list[str]:
    """Return the runs in which the trace at (ordinal, sample) was copied when something else was solved again.

    A copy has the same calls, plan and solution; what was solved again has calls of its own. Copies of copies count.
    """
    rows = run.store.db.execute(
        f"select runs.id from {_COPIED} where old.run = ? and old.ordinal = ? and old.sample = ? order by created, id",
        (SOURCE + run.id, run.id, *trace_key),
    ).fetchall()
    return [one for (near,) in rows for one in (near, *copies_of(run.store.run(near), trace_key))]


def copied_from(run: Run, trace_key: tuple[int, int]) -> str:
    """Return the run whose trace at (ordinal, sample) this run has a copy of; empty where the trace is its own."""
    plans = run.settings.plans
    row = run.store.db.execute(
        f"select old.run from {_COPIED} where runs.id = ? and old.run = ? and old.ordinal = ? and old.sample = ?",
        (plans, run.id, plans.removeprefix(SOURCE), *trace_key),
    ).fetchone()
    return str(row[0]) if row and plans.startswith(SOURCE) else ""
