"""What people do with a run: correct verdicts, annotate traces, decide on held plans, and go on from an edited plan."""

import time
from collections.abc import Sequence
from typing import Literal

import msgspec

from stepdown.errors import UsageError
from stepdown.store.file import Store
from stepdown.store.rows import decode_plan, encode
from stepdown.store.run import Run
from stepdown.types import Grade, Plan, Problem, Verdict

BY_PERSON = "+person"
Decision = Literal["accepted", "edited", "left"]

# -- verdicts


def correct(
    run: Run, place: tuple[int, int], *, verdict: Verdict, author: str, why: str = "", found: str | None = None
) -> str:
    """Keep a person's verdict on the trace at (ordinal, sample) and return the grader it is kept under.

    A person's verdicts are a grader of their own, `GRADER+person`: a copy of the run's grades in which the corrected
    ones are replaced, and from then on the run's current grader. The first grader's grades stay. A later resume of the
    run grades its new traces by the first grader and shows that one again; the next correction (or any that is made
    again) copies the new grades and brings `GRADER+person` back. Raises `UsageError` for a trace without a grade.
    """
    first = run.grader.removesuffix(BY_PERSON)
    name = first + BY_PERSON
    with run.store.writing() as db:
        _spread(run, first, name)
        changed = db.execute(
            """update grades set verdict = ?, found = ?, why = ?
               where run = ? and ordinal = ? and sample = ? and grader = ?""",
            (verdict, found, f"{author}: {why}" if why else author, run.id, *place, name),
        )
        if changed.rowcount == 0:
            raise UsageError(f"run `{run.id}` has no graded trace at place {place[0]}", "grade the run first")
        run.grader = name
    return name


def _spread(run: Run, first: str, name: str) -> None:
    """Copy a grader's grades under another name, but for traces that name has graded."""
    with run.store.writing() as db:
        db.execute(
            """insert or ignore into grades
               select run, ordinal, sample, ?, verdict, found, why from grades where run = ? and grader = ?""",
            (name, run.id, first),
        )


# -- runs derived from runs


def carry_over(first: Run, derived: Run) -> None:
    """Copy the traces of a run that a derived run does not have, and the grades of those that are still the same.

    The derived run shows the first one's current grader. Where nothing is missing, this costs two counts.
    """
    if _counts(derived, first.grader) == _counts(first, first.grader):
        return
    with derived.store.writing() as db:
        db.execute(
            """insert or ignore into traces select ?, ordinal, sample, problem, plan, calls, solution, error, truncated,
               usage, extra from traces where run = ?""",
            (derived.id, first.id),
        )
        db.execute(
            """insert or ignore into grades
               select new.run, new.ordinal, new.sample, grader, verdict, found, why
               from grades join traces as old using (run, ordinal, sample)
               join traces as new on new.run = ? and new.ordinal = old.ordinal and new.sample = old.sample
                    and new.solution is old.solution and new.plan is old.plan
               where old.run = ?""",
            (derived.id, first.id),
        )
        if not derived.grader or first.grader.endswith(BY_PERSON):
            derived.grader = first.grader


def _counts(run: Run, grader: str) -> tuple[int, int]:
    graded = "select count(*) from grades where run = ? and grader = ?"
    return len(run), run.store.value(graded, run.id, grader)


def put_solved(run: Run, grades: Sequence[tuple[int, int, Grade]]) -> None:
    """Keep the grades of traces that were solved again, for the run's current view as well as for their grader."""
    with run.store.writing():
        run.put_grades(grades)
        if run.grader.endswith(BY_PERSON):
            _spread(run, run.grader.removesuffix(BY_PERSON), run.grader)


# -- annotations


class Annotation(msgspec.Struct, frozen=True):
    """A person's remarks on the plan (`delegation`) and on the solution (`answer`) of a trace: the authors' fields."""

    delegation: str
    answer: str
    author: str
    created: float = 0.0


_decode_annotation = msgspec.json.Decoder(Annotation).decode


def annotate(run: Run, problem: str, *, annotation: Annotation, sample: int = 0) -> None:
    """Keep a person's remarks on a trace; their earlier ones stay in the store, the newest count."""
    with run.store.writing() as db:
        db.execute(
            "insert into annotations (run, problem, sample, body, created) values (?, ?, ?, ?, ?)",
            (run.id, problem, sample, encode(annotation), annotation.created or time.time()),
        )


def annotations(run: Run) -> dict[tuple[str, int], list[Annotation]]:
    """Return the remarks that count by (problem id, sample): each person's newest, the newest person first."""
    rows = run.store.db.execute(
        "select problem, sample, body, created from annotations where run = ? order by id desc", (run.id,)
    )
    found: dict[tuple[str, int], list[Annotation]] = {}
    for problem, sample, body, created in rows:
        one = msgspec.structs.replace(_decode_annotation(body), created=created)
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


_decode_problem = msgspec.json.Decoder(Problem).decode


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
    return [Held(name, _decode_problem(body), decode_plan(plan), asked) for name, body, plan, asked in rows]


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
