"""How other runs fared on a problem, and where their plans differ from the one that is looked at."""

from collections.abc import Iterable
from difflib import SequenceMatcher

import msgspec

from stepdown.graders import majority_grade
from stepdown.store import SOURCE, Run
from stepdown.text import figures
from stepdown.types import Plan, Verdict

_LISTED = 3
_MOST_STEPS = 200  # of a plan that is longer, the rest is not compared


class OtherPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What another run has of a problem; `steps` are those of its plan where it is another one.

    `differs` says in words where that plan differs, empty for the same plan and for none.
    """

    run: str
    student: str
    author: str
    method: str
    verdict: Verdict
    steps: tuple[str, ...] = ()
    differs: str = ""

    @property
    def reason(self) -> str:
        """What it says of the plan looked at, in words."""
        how = {"right": "solves it", "wrong": "fails", "ungraded": "has no verdict"}[self.verdict]
        student = f"`{figures.short(self.student)}`"
        if self.differs:
            return f"the plan of `{figures.short(self.author)}` {self.differs}: {student} {how} by it"
        if self.author:
            return f"{student} {how} by this plan{' too' if self.verdict == 'wrong' else ''}"
        return f"{student} {how} without a plan ({self.method})"


def other_plans(run: Run, problem: str, plan: Plan | None, beside: Iterable[Run]) -> tuple[OtherPlan, ...]:
    """Return what other runs have of a problem, those that solve it first.

    What was made of this run's own edits, or what this run was made of, is left out: it says the same once more.
    """
    others = (
        _other(one, problem, plan)
        for one in beside
        if one.settings.plans != SOURCE + run.id and run.settings.plans != SOURCE + one.id
    )
    ranks: tuple[Verdict, ...] = ("right", "wrong", "ungraded")
    return tuple(sorted((one for one in others if one is not None), key=lambda one: ranks.index(one.verdict)))


def _other(run: Run, problem: str, plan: Plan | None) -> OtherPlan | None:
    attempts = run.attempts(problem)
    if not attempts:
        return None
    theirs = attempts[0][1].plan
    other = theirs is not None and (plan is None or theirs.steps != plan.steps)
    return OtherPlan(
        run=run.id,
        student=run.settings.student,
        author=theirs.author if theirs else "",
        method=run.settings.method,
        verdict=majority_grade([(trace, grade) for _, trace, grade in attempts]).verdict,
        steps=theirs.steps if theirs and other else (),
        differs=differing(plan.steps if plan else (), theirs.steps) if theirs and other else "",
    )


def differing(ours: tuple[str, ...], theirs: tuple[str, ...]) -> str:
    """Return in words where another plan differs, by the numbers of our steps: `differs in step 3, and has 1 more`."""
    first, second = ([" ".join(step.casefold().split()) for step in steps[:_MOST_STEPS]] for steps in (ours, theirs))
    steps: list[int] = []
    for kind, start, end, *_ in SequenceMatcher(None, first, second, autojunk=False).get_opcodes():
        steps += range(start + 1, end + 1) if kind != "equal" else ()
    more = len(theirs) - len(ours)
    length = f"{figures.counted(abs(more), 'step')} {'more' if more > 0 else 'fewer'}" if more else ""
    if not steps:
        return f"has {length}" if length else "is worded otherwise"
    return f"differs in {_numbers(steps, len(ours))}" + (f" and has {length}" if length else "")


def _numbers(steps: list[int], total: int) -> str:
    if len(steps) == total and total > 1:
        return "every step"
    if len(steps) == 1:
        return f"step {steps[0]}"
    named = [str(one) for one in steps[:_LISTED]]
    rest = len(steps) - len(named)
    return f"steps {', '.join(named)} and {rest} more" if rest else f"steps {', '.join(named[:-1])} and {named[-1]}"
