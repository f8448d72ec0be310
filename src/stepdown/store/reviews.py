"""Plans that wait for a person before a student gets them, and what the person decided."""

import time
from typing import Literal

import msgspec

from stepdown.store.records import decode_plan, decode_problem, encode
from stepdown.store.run import Run, Store
from stepdown.types import Plan, Problem

Decision = Literal["accepted", "edited", "left"]


class PendingReview(msgspec.Struct, frozen=True):
    """A problem and its plan that waits for a person, since when (unix seconds)."""

    run: str
    problem: Problem
    plan: Plan
    asked: float


class ReviewDecision(msgspec.Struct, frozen=True):
    """What became of a held plan: who decided is the plan's author, but for `accepted`, where it stays as it was."""

    decision: Decision
    plan: Plan


class DecidedReview(msgspec.Struct, frozen=True):
    """A plan that was held from `asked` to `decided` (unix seconds), and what became of it, as in `ReviewDecision`."""

    plan: Plan
    asked: float
    decision: Decision
    changed: Plan
    decided: float


def request_review(run: Run, problem: Problem, plan: Plan) -> None:
    """Hold a plan for a person; one that is held or decided already stays as it is, unless the plan is another."""
    with run.store.writing() as db:
        problem_key = (run.id, problem.id)
        db.execute("delete from reviews where run = ? and problem = ? and plan != ?", (*problem_key, encode(plan)))
        db.execute(
            "insert or ignore into reviews (run, problem, body, plan, asked) values (?, ?, ?, ?, ?)",
            (*problem_key, encode(problem), encode(plan), time.time()),
        )


def pending_reviews(store: Store, run: str = "") -> list[PendingReview]:
    """Return the plans that wait for a person, of one run or of all, oldest first."""
    rows = store.db.execute(
        """select run, body, plan, asked from reviews where decision = '' and (run = ?1 or ?1 = '')
           order by asked, problem""",
        (run,),
    )
    return [PendingReview(name, decode_problem(body), decode_plan(plan), asked) for name, body, plan, asked in rows]


def pending_review_counts(store: Store) -> dict[str, int]:
    """Return how many plans of each run wait for a person; runs without any are left out."""
    return dict(store.db.execute("select run, count(*) from reviews where decision = '' group by run").fetchall())


def decide_review(store: Store, held: tuple[str, str], *, decision: Decision, plan: Plan) -> bool:
    """Keep what a person decided on the plan held at (run, problem); False where somebody was first.

    `plan` is the plan to follow; of one that is `left` only its author counts, who left it.
    """
    with store.writing() as db:
        done = db.execute(
            "update reviews set decision = ?, decided = ?, changed = ? where run = ? and problem = ? and decision = ''",
            (decision, time.time(), encode(plan), *held),
        )
    return done.rowcount == 1


def review_decision(run: Run, problem: str) -> ReviewDecision | None:
    """Return what a person decided on a held plan, None while it waits or where it was never held."""
    row = run.store.db.execute(
        "select decision, changed from reviews where run = ? and problem = ? and decision != ''", (run.id, problem)
    ).fetchone()
    return ReviewDecision(row[0], decode_plan(row[1])) if row else None


def stored_reviews(run: Run) -> dict[str, DecidedReview]:
    """Return, by problem id, the plans of a run that were held and that a person has decided on."""
    rows = run.store.db.execute(
        "select problem, plan, asked, decision, changed, decided from reviews where run = ? and decision != ''",
        (run.id,),
    )
    return {
        problem: DecidedReview(decode_plan(plan), asked, word, decode_plan(changed), decided)
        for problem, plan, asked, word, changed, decided in rows
    }


def put_review(run: Run, problem: Problem, one: DecidedReview) -> None:
    """Keep what was decided elsewhere on a plan of this run."""
    with run.store.writing() as db:
        db.execute(
            """insert or replace into reviews (run, problem, body, plan, asked, decision, decided, changed)
               values (?, ?, ?, ?, ?, ?, ?, ?)""",
            (run.id, problem.id, encode(problem), encode(one.plan), one.asked, one.decision, one.decided,
             encode(one.changed)),
        )  # fmt: skip
