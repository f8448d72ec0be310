"""What people do with a run: correct verdicts, annotate traces, and decide on held plans."""

import time
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from stepdown.errors import UsageError
from stepdown.store.rows import decode_plan, decode_problem, encode, reading
from stepdown.store.run import Run, Store
from stepdown.types import Grade, Plan, Problem, Verdict

BY_PERSON = "+person"
# What the plans of a run are, before the id of the run whose plans were edited.
SOURCE = "edited/"
_COPIED = """traces as old cross join runs on json_extract(settings, '$.plans') = ?
             cross join traces as new on new.run = runs.id and new.ordinal = old.ordinal and new.sample = old.sample
             and new.calls = old.calls and new.plan is old.plan and new.solution is old.solution"""
Decision = Literal["accepted", "edited", "left"]

# -- verdicts


def correct(
    run: Run, place: tuple[int, int], *, verdict: Verdict, author: str, why: str = "", found: str | None = None
) -> str:
    """Keep a person's verdict on the trace at (ordinal, sample) and return the grader it is kept under.

    A person's verdicts are a grader of their own, `GRADER+person`: a copy of the run's grades in which the corrected
    ones are replaced, and from then on the run's current grader. The first grader's grades stay. A later resume of the
    run grades its new traces by the first grader and shows that one again; the next correction (or any that is made
    again) copies the new grades and brings `GRADER+person` back. The verdict is kept in the same transaction for the
    `copies` of the trace that no person has ruled otherwise. Raises `UsageError` for a trace without a grade.
    """
    ruled = Grade(verdict, found, f"{author}: {why}" if why else author)
    with run.store.writing():
        earlier = _ruling(run, place)
        if not _rule(run, place, ruled):
            raise UsageError(f"run `{run.id}` has no graded trace at place {place[0]}", "grade the run first")
        for copy in map(run.store.run, copies(run, place)):
            if _ruling(copy, place) in (None, earlier):
                _rule(copy, place, ruled)
    return run.grader


def _ruling(run: Run, place: tuple[int, int]) -> tuple[object, ...] | None:
    """Return a person's verdict on a trace: what `GRADER+person` says otherwise than its first grader."""
    first = run.grader.removesuffix(BY_PERSON)
    row: tuple[object, ...] | None = run.store.db.execute(
        """select verdict, found, why from grades where run = ? and ordinal = ? and sample = ? and grader = ?
           except
           select verdict, found, why from grades where run = ? and ordinal = ? and sample = ? and grader = ?""",
        (run.id, *place, first + BY_PERSON, run.id, *place, first),
    ).fetchone()
    return tuple(row) if row else None


def _rule(run: Run, place: tuple[int, int], ruled: Grade) -> bool:
    """Replace one grade of `GRADER+person` and make that the run's grader; False where there is none to replace."""
    first = run.grader.removesuffix(BY_PERSON)
    name = first + BY_PERSON
    _spread(run, first, name)
    changed = run.store.db.execute(
        """update grades set verdict = ?, found = ?, why = ?
           where run = ? and ordinal = ? and sample = ? and grader = ?""",
        (ruled.verdict, ruled.found, ruled.why, run.id, *place, name),
    )
    if changed.rowcount:
        run.grader = name
    return changed.rowcount == 1


def _spread(run: Run, first: str, name: str) -> None:
    """Copy a grader's grades under another name, but for traces that name has graded."""
    counted = "select count(*) from grades where run = ? and grader = ?"
    if run.store.value(counted, run.id, first) > run.store.value(counted, run.id, name):
        run.store.db.execute(
            """insert or ignore into grades (run, ordinal, sample, grader, verdict, found, why)
               select run, ordinal, sample, ?, verdict, found, why from grades where run = ? and grader = ?""",
            (name, run.id, first),
        )


def put_solved(run: Run, grades: Sequence[tuple[int, int, Grade]]) -> None:
    """Keep the grades of traces that were solved again, for the run's current view as well as for their grader."""
    with run.store.writing():
        run.put_grades(grades)
        if run.grader.endswith(BY_PERSON):
            _spread(run, run.grader.removesuffix(BY_PERSON), run.grader)


# -- runs derived from runs


def copies(run: Run, place: tuple[int, int]) -> list[str]:
    """Return the runs in which the trace at (ordinal, sample) was copied when something else was solved again.

    A copy has the same calls, plan and solution; what was solved again has calls of its own. Copies of copies count.
    """
    rows = run.store.db.execute(
        f"select runs.id from {_COPIED} where old.run = ? and old.ordinal = ? and old.sample = ? order by created, id",
        (SOURCE + run.id, run.id, *place),
    ).fetchall()
    return [one for (near,) in rows for one in (near, *copies(run.store.run(near), place))]


def copied_from(run: Run, place: tuple[int, int]) -> str:
    """Return the run whose trace at (ordinal, sample) this run has a copy of; empty where the trace is its own."""
    plans = run.settings.plans
    row = run.store.db.execute(
        f"select old.run from {_COPIED} where runs.id = ? and old.run = ? and old.ordinal = ? and old.sample = ?",
        (plans, run.id, plans.removeprefix(SOURCE), *place),
    ).fetchone()
    return str(row[0]) if row and plans.startswith(SOURCE) else ""


# -- annotations


class Annotation(msgspec.Struct, frozen=True):
    """A person's remarks on the plan (`delegation`) and on the solution (`answer`) of a trace: the authors' fields."""

    delegation: str
    answer: str
    author: str
    created: float = 0.0


_decode_annotation = reading(msgspec.json.Decoder(Annotation).decode)


def annotate(run: Run, problem: str, *, annotation: Annotation, sample: int = 0) -> None:
    """Keep a person's remarks on a trace; their earlier ones stay in the store, the newest count."""
    with run.store.writing() as db:
        db.execute(
            "insert into annotations (run, problem, sample, body, created) values (?, ?, ?, ?, ?)",
            (run.id, problem, sample, encode(annotation), annotation.created or time.time()),
        )


def remarks(run: Run) -> Iterator[tuple[str, int, Annotation]]:
    """Stream (problem id, sample, remarks) of everything people remarked, oldest first."""
    rows = run.store.db.execute(
        "select problem, sample, body, created from annotations where run = ? order by id", (run.id,)
    )
    for problem, sample, body, created in rows:
        yield problem, sample, msgspec.structs.replace(_decode_annotation(body), created=created)


def annotations(run: Run) -> dict[tuple[str, int], list[Annotation]]:
    """Return the remarks that count by (problem id, sample): each person's newest, the newest person first."""
    found: dict[tuple[str, int], list[Annotation]] = {}
    for problem, sample, one in reversed(list(remarks(run))):
        others = found.setdefault((problem, sample), [])
        if all(other.author != one.author for other in others):
            others.append(one)
    return found


# -- plans held for a person


class Held(msgspec.Struct, frozen=True):
    """A problem and its plan that waits for a person, since when (unix seconds)."""

    run: str
    problem: Problem
    plan: Plan
    asked: float


class Decided(msgspec.Struct, frozen=True):
    """What became of a held plan: who decided is the plan's author, but for `accepted`, where it stays as it was."""

    decision: Decision
    plan: Plan


class Reviewed(msgspec.Struct, frozen=True):
    """A plan that was held from `asked` to `decided` (unix seconds), and what became of it, as in `Decided`."""

    plan: Plan
    asked: float
    decision: Decision
    changed: Plan
    decided: float


def hold(run: Run, problem: Problem, plan: Plan) -> None:
    """Hold a plan for a person; one that is held or decided already stays as it is, unless the plan is another."""
    with run.store.writing() as db:
        place = (run.id, problem.id)
        db.execute("delete from reviews where run = ? and problem = ? and plan != ?", (*place, encode(plan)))
        db.execute(
            "insert or ignore into reviews (run, problem, body, plan, asked) values (?, ?, ?, ?, ?)",
            (*place, encode(problem), encode(plan), time.time()),
        )


def waiting(store: Store, run: str = "") -> list[Held]:
    """Return the plans that wait for a person, of one run or of all, oldest first."""
    rows = store.db.execute(
        """select run, body, plan, asked from reviews where decision = '' and (run = ?1 or ?1 = '')
           order by asked, problem""",
        (run,),
    )
    return [Held(name, decode_problem(body), decode_plan(plan), asked) for name, body, plan, asked in rows]


def waiting_counts(store: Store) -> dict[str, int]:
    """Return how many plans of each run wait for a person; runs without any are left out."""
    return dict(store.db.execute("select run, count(*) from reviews where decision = '' group by run").fetchall())


def decide(store: Store, held: tuple[str, str], *, decision: Decision, plan: Plan) -> bool:
    """Keep what a person decided on the plan held at (run, problem); False where somebody was first.

    `plan` is the plan to follow; of one that is `left` only its author counts, who left it.
    """
    with store.writing() as db:
        done = db.execute(
            "update reviews set decision = ?, decided = ?, changed = ? where run = ? and problem = ? and decision = ''",
            (decision, time.time(), encode(plan), *held),
        )
    return done.rowcount == 1


def decision(run: Run, problem: str) -> Decided | None:
    """Return what a person decided on a held plan, None while it waits or where it was never held."""
    row = run.store.db.execute(
        "select decision, changed from reviews where run = ? and problem = ? and decision != ''", (run.id, problem)
    ).fetchone()
    return Decided(row[0], decode_plan(row[1])) if row else None


def reviewed(run: Run) -> dict[str, Reviewed]:
    """Return, by problem id, the plans of a run that were held and that a person has decided on."""
    rows = run.store.db.execute(
        "select problem, plan, asked, decision, changed, decided from reviews where run = ? and decision != ''",
        (run.id,),
    )
    return {
        problem: Reviewed(decode_plan(plan), asked, word, decode_plan(changed), decided)
        for problem, plan, asked, word, changed, decided in rows
    }


def put_review(run: Run, problem: Problem, one: Reviewed) -> None:
    """Keep what was decided elsewhere on a plan of this run."""
    with run.store.writing() as db:
        db.execute(
            """insert or replace into reviews (run, problem, body, plan, asked, decision, decided, changed)
               values (?, ?, ?, ?, ?, ?, ?, ?)""",
            (run.id, problem.id, encode(problem), encode(one.plan), one.asked, one.decision, one.decided,
             encode(one.changed)),
        )  # fmt: skip
