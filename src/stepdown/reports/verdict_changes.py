"""Problems whose verdict differs between two runs, paired by question as in a report, by vote where they vote."""

import msgspec

from stepdown.graders import majority_grade
from stepdown.reports.counts import key_of
from stepdown.store import ChangeKind, Run, VerdictChange, VerdictChanges
from stepdown.types import Verdict

_LONGEST = 300  # characters of a question that are kept
_KINDS: dict[ChangeKind, set[tuple[Verdict, Verdict]]] = {
    "won": {("wrong", "right")},
    "lost": {("right", "wrong")},
    "any": {("wrong", "right"), ("right", "wrong")},
}


class AllVerdictChanges(msgspec.Struct, frozen=True):
    """All problems that turned between two runs, in the order of the second, and how many both have graded."""

    turned: tuple[VerdictChange, ...]
    paired: int

    def some(self, kind: ChangeKind, *, offset: int, count: int) -> VerdictChanges:
        """Return `count` of one kind from `offset` on."""
        chosen = [one for one in self.turned if (one.before, one.after) in _KINDS[kind]]
        return VerdictChanges(tuple(chosen[offset : offset + count]), len(chosen), by_id=False)


def all_verdict_changes(before: Run, after: Run) -> AllVerdictChanges:
    """Return what turned between two runs, in one pass over each; a problem of several samples by their vote."""
    known: dict[int, tuple[str, Verdict, str | None]] = {}
    for attempts in before.by_problem():
        grade = majority_grade(attempts)
        known[key_of(attempts[0][0].problem, known)] = (attempts[0][0].problem.id, grade.verdict, grade.found)
    seen: dict[int, None] = {}
    turned, paired = [], 0
    for attempts in after.by_problem():
        problem, grade = attempts[0][0].problem, majority_grade(attempts)
        key = key_of(problem, seen)
        seen[key] = None
        name, verdict, found = known.get(key, ("", "ungraded", None))
        if "ungraded" in (verdict, grade.verdict):
            continue
        paired += 1
        if verdict != grade.verdict:
            turned.append(
                VerdictChange(
                    problem=name, other=problem.id, question=problem.question[:_LONGEST], gold=problem.answer,
                    before=verdict, after=grade.verdict, found_before=found, found_after=grade.found,
                )
            )  # fmt: skip
    return AllVerdictChanges(tuple(turned), paired)
