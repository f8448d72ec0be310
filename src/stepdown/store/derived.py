"""Copies a run into a derived run, in short transactions, so that other writers can write in between."""

import time
from collections.abc import Callable

from stepdown.errors import Interrupted
from stepdown.store.corrections import BY_PERSON
from stepdown.store.run import Run
from stepdown.types import Settings

# Traces of one transaction: some hundredths of a second.
PIECE = 1_000

_PIECE = "old.run = :first and old.ordinal >= :start and old.ordinal < :start + :step"
_SAME = """first.calls = new.calls and first.plan is new.plan and first.solution is new.solution
           and first.error is new.error"""
# What the first run has solved anew since it was copied: failed calls, and whatever an interrupted copy left, which
# belongs to no run yet. What was solved again by an edited plan never failed.
_STALE = f"""delete from traces as new where run = :derived and ordinal >= :start and ordinal < :start + :step
             and (error is not null or not exists (select * from runs where id = :derived))
             and not exists (select * from traces as first where first.run = :first
                 and first.ordinal = new.ordinal and first.sample = new.sample and {_SAME})"""
_WIDOWED = """delete from grades as old where run = :derived and ordinal >= :start and ordinal < :start + :step
              and not exists (select * from traces where run = :derived
                  and ordinal = old.ordinal and sample = old.sample)"""
_TRACES = f"""insert or ignore into traces
              (run, ordinal, sample, problem, plan, calls, solution, error, truncated, usage, extra)
              select :derived, ordinal, sample, problem, plan, calls, solution, error, truncated, usage, extra
              from traces as old where {_PIECE}"""
_GRADES = f"""insert or ignore into grades (run, ordinal, sample, grader, verdict, found, why)
              select new.run, new.ordinal, new.sample, grader, verdict, found, why
              from traces as old join grades using (run, ordinal, sample)
              join traces as new on new.run = :derived and new.ordinal = old.ordinal and new.sample = old.sample
                   and new.solution is old.solution and new.plan is old.plan
              where {_PIECE}"""
# What the first run's current grader has said while the pieces were copied.
_SINCE = f"""insert or replace into grades (run, ordinal, sample, grader, verdict, found, why)
            select :derived, ordinal, sample, grader, verdict, found, why from grades as old
            where run = :first and grader = :grader
            and not exists (select * from grades as new where new.run = :derived and new.ordinal = old.ordinal
                and new.sample = old.sample and new.grader = old.grader and new.verdict = old.verdict
                and new.found is old.found and new.why = old.why)
            and exists (select * from traces as new join traces as first using (ordinal, sample)
                where new.run = :derived and first.run = :first
                and new.ordinal = old.ordinal and new.sample = old.sample and {_SAME})"""


def carry_over(first: Run, settings: Settings, *, stopped: Callable[[], bool] = bool) -> Run:
    """Return the derived run of these settings, with the first one's traces that it does not have, or had failed.

    Grades come with the traces that are still the same. The run shows the first one's current grader. A new run is
    in the store once it is whole: what was copied until then belongs to no run, and the next call goes on from there.
    Between two transactions the file is left alone for half the time the last one took. Where nothing is missing, this
    costs a few counts. Raises `Interrupted` when `stopped`, asked between two transactions, says so.
    """
    store, derived = first.store, first.store.id_of(settings)
    new = not store.value("select count(*) from runs where id = ?", derived)
    if not new and _counts(first, derived) == _counts(first, first.id):
        return store.run(derived)
    _copy(first, derived, stopped)
    with store.writing() as db:
        if new:
            db.execute(_SINCE, {"first": first.id, "derived": derived, "grader": first.grader})
        run = store.open_run(settings)
        if not run.grader or first.grader.endswith(BY_PERSON):
            run.grader = first.grader
    return run


def _counts(first: Run, run: str) -> tuple[int, int, int]:
    value = first.store.value
    return (
        value("select count(*) from traces indexed by traces_cut where run = ?", run),
        value("select count(*) from traces indexed by traces_failed where run = ? and error is not null", run),
        value("select count(*) from grades where run = ? and grader = ?", run, first.grader),
    )


def _copy(first: Run, derived: str, stopped: Callable[[], bool]) -> None:
    store, step = first.store, max(1, PIECE // first.settings.samples)
    following = "select coalesce(min(ordinal), -1) from traces where run = ? and ordinal >= ?"
    start = store.value(following, first.id, 0)
    while start >= 0:
        if stopped():
            raise Interrupted
        began = time.monotonic()
        with store.writing() as db:
            for statement in (_STALE, _WIDOWED, _TRACES, _GRADES):
                db.execute(statement, {"first": first.id, "derived": derived, "start": start, "step": step})
            store.open_blocks.touch(derived, range(start, start + step))
        start = store.value(following, first.id, start + step)
        time.sleep((time.monotonic() - began) / 2)
