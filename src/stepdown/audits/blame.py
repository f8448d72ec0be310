"""Who is to blame for a wrong trace, and which plans a person should edit, from students crossed with plans."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Literal

import msgspec

from stepdown.audits.plan_faults import FaultKind
from stepdown.types import Verdict

Blame = Literal["truncation", "grader", "student", "plan", "unknown"]
BLAMES: tuple[Blame, ...] = ("truncation", "grader", "student", "plan", "unknown")
NO_PLAN = b""


class GradedAttempt(msgspec.Struct, frozen=True):
    """What crossings need of a trace: who tried which problem by which plan, and how it went.

    `question` and `plan` are fingerprints, so that equal texts of several runs meet. `doubtful` says that another
    grader calls a wrong trace right, `cut` that it was truncated or ran away.
    """

    run: str
    problem: str
    sample: int
    question: bytes
    student: str
    plan: bytes
    author: str
    verdict: Verdict
    doubtful: bool = False
    cut: bool = False
    faults: tuple[FaultKind, ...] = ()
    leaked: bool = False


class BlamedTrace(msgspec.Struct, frozen=True):
    """A wrong trace, who is to blame, and why in words."""

    run: str
    problem: str
    sample: int
    student: str
    blame: Blame
    why: str


class Suggestion(msgspec.Struct, frozen=True):
    """A plan that is worth a person's edit: the higher the score, the more; `reasons` say what it is made of."""

    run: str
    problem: str
    author: str
    score: int
    reasons: tuple[str, ...]


class SolveCounts(msgspec.Struct):
    """Right and graded attempts of one student by one plan; `excused` ones were cut or doubtfully graded.

    `author` wrote the plan, empty without one.
    """

    right: int = 0
    graded: int = 0
    excused: int = 0
    author: str = ""

    def add(self, attempt: GradedAttempt) -> None:
        """Count one attempt; an ungraded one says nothing."""
        self.author = attempt.author
        self.right += attempt.verdict == "right"
        self.graded += attempt.verdict != "ungraded"
        self.excused += attempt.verdict == "wrong" and (attempt.doubtful or attempt.cut)

    @property
    def solved(self) -> bool:
        """Whether more than half of the graded attempts are right."""
        return 2 * self.right > self.graded

    @property
    def failed(self) -> bool:
        """Whether it was not solved, and neither a limit nor a doubtful grade explains that."""
        return self.graded > self.excused and not self.solved


Crossing = Mapping[tuple[str, bytes], SolveCounts]


def hash_of_text(text: str) -> bytes:
    """Return the fingerprint of a question or a plan; blanks around it do not count."""
    return blake2b(text.strip().encode("utf-8", "surrogatepass"), digest_size=8).digest()


def count_by_student_and_plan(attempts: Iterable[GradedAttempt]) -> dict[bytes, dict[tuple[str, bytes], SolveCounts]]:
    """Return by question the outcomes of each (student, plan)."""
    counts: defaultdict[bytes, dict[tuple[str, bytes], SolveCounts]] = defaultdict(dict)
    for attempt in attempts:
        counts[attempt.question].setdefault((attempt.student, attempt.plan), SolveCounts()).add(attempt)
    return counts


def blame(attempt: GradedAttempt, crossing: Crossing) -> BlamedTrace:
    """Return who is to blame for one wrong attempt, by the first rule that decides (docs/audits.md)."""
    who, why = _decide(attempt, crossing)
    return BlamedTrace(attempt.run, attempt.problem, attempt.sample, attempt.student, who, why)


def _decide(attempt: GradedAttempt, crossing: Crossing) -> tuple[Blame, str]:
    if attempt.cut:
        return "truncation", "the text was cut at its limit or ran in a loop"
    if attempt.doubtful:
        return "grader", "another grader calls it right"
    if attempt.plan == NO_PLAN:
        return "unknown", "there is no plan to tell from the student"
    others = [one for (student, plan), one in crossing.items() if plan == attempt.plan and student != attempt.student]
    solved = sum(one.solved for one in others)
    if solved:
        return "student", f"{solved} of {len(others)} other students solve it by the same plan"
    elsewhere = [plan for plan in _solved_by(attempt.student, crossing) if plan != attempt.plan]
    if others and elsewhere:
        way = "without a plan" if NO_PLAN in elsewhere else "by another plan"
        return "plan", f"{_count(len(others))} fails by this plan too, and this student solves it {way}"
    if not others:
        return "unknown", "no other student was given this plan"
    return "unknown", "no student solves it by this plan, nor this student in another way"


def _solved_by(student: str, crossing: Crossing) -> list[bytes]:
    return [plan for (who, plan), outcome in crossing.items() if who == student and outcome.solved]


def _count(others: int) -> str:
    return "the other student" if others == 1 else f"each of {others} other students"


def suggestions(attempts: Iterable[GradedAttempt], counts_by_question: Mapping[bytes, Crossing]) -> list[Suggestion]:
    """Return the plans worth a person's edit, best first; a plan shared by several runs comes once."""
    first: dict[tuple[bytes, bytes], GradedAttempt] = {}
    for attempt in attempts:
        if attempt.plan != NO_PLAN:
            first.setdefault((attempt.question, attempt.plan), attempt)
    suggested = (suggest(attempt, counts_by_question[attempt.question]) for attempt in first.values())
    return sorted((one for one in suggested if one is not None), key=lambda one: (-one.score, one.run))


def suggest(attempt: GradedAttempt, crossing: Crossing) -> Suggestion | None:
    """Return why a plan is worth an edit; None where no student fails by it, or more solve by it than fail.

    Two points for each student that fails by it, less two for each that solves by it; three for each that fails by it
    and solves without a plan, two for each that fails by it and solves by another plan; one for each fault.
    """
    outcomes = {student: one for (student, plan), one in crossing.items() if plan == attempt.plan}
    failed = [student for student, one in outcomes.items() if one.failed]
    if not failed:
        return None
    solved = [student for student, one in outcomes.items() if one.solved]
    ways = {student: _solved_by(student, crossing) for student in failed}
    alone = [student for student in failed if NO_PLAN in ways[student]]
    better = {student: other for student in failed if (other := _other_plan(student, attempt, crossing)) is not None}
    reasons = [
        f"{len(failed)} of {len(outcomes)} students fail by it" if len(outcomes) > 1 else "its student fails by it",
        *_named(solved, "solves it by this plan"),
        *_named(alone, "solves it without the plan"),
        *(f"`{student}` solves it by {other}" for student, other in better.items()),
        *(f"the plan {fault}" for fault in attempt.faults),
        *(["the plan holds the answer"] if attempt.leaked else []),
    ]
    faults = len(attempt.faults) + attempt.leaked
    score = 2 * len(failed) - 2 * len(solved) + 3 * len(alone) + 2 * len(better) + faults
    return Suggestion(attempt.run, attempt.problem, attempt.author, score, tuple(reasons)) if score > 0 else None


def _other_plan(student: str, attempt: GradedAttempt, crossing: Crossing) -> str | None:
    """Return in words another plan by which a student solves it, by its author where that is another one, or None."""
    authors = [one.author for (who, plan), one in crossing.items()
               if who == student and plan not in (NO_PLAN, attempt.plan) and one.solved]  # fmt: skip
    others = [one for one in authors if one != attempt.author]
    return f"the plan of `{others[0]}`" if others else "another plan" if authors else None


def _named(students: Sequence[str], what: str) -> list[str]:
    return [f"`{student}` {what}" for student in students]
