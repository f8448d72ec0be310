"""What a plan is worth to a student: right answers with it minus right answers without it, over draws of solutions."""

from collections.abc import Iterable, Iterator, Sequence
from statistics import fmean
from typing import Any

import msgspec

from stepdown.answers import leak
from stepdown.errors import UsageError
from stepdown.graders import Attempts
from stepdown.prompts import question_text
from stepdown.stats import independent_interval, mean_interval
from stepdown.store import Run
from stepdown.text import points
from stepdown.types import Chain, Grade, Plan, Problem, Settings, Trace

VERSION = 1
Verdicts = tuple[bool, ...]


class MeanValue(msgspec.Struct, frozen=True):
    """The mean value of plans over `problems`, each counted once by the mean of its plans, and its 95 % interval."""

    value: float
    low: float
    high: float
    plans: int
    problems: int


class PlanValue(msgspec.Struct, frozen=True, kw_only=True):
    """A plan of a problem, and what it is worth to the student that follows it.

    `value` is the share of right solutions with the plan (`right` of `graded`) minus that without one, a share of 1
    with Newcombe's 95 % interval. `run` and `draw` say where it comes from first; equal plans are one. `leaks`: it
    tells the answer; `cut`: its text has no end. `kept` is set by the choice.
    """

    problem: str
    plan: str
    author: str
    run: str
    draw: int
    right: int
    graded: int
    right_without: int
    graded_without: int
    value: float
    low: float
    high: float
    leaks: bool
    cut: bool
    kept: bool = False

    @property
    def is_sound(self) -> bool:
        """Whether it may be learned from at all: it says something, tells no answer and has an end."""
        return bool(self.plan.strip()) and not (self.leaks or self.cut)


class PlanValues(msgspec.Struct, frozen=True, kw_only=True):
    """The values of all plans of some runs for one student, best first within a problem, against a run without plans.

    `kept` plans say something, neither leak nor are cut and are worth more than `above` (a share of 1). `all_plans` is
    the mean over every plan, `of_kept` over the kept ones, which the choice flatters; `by_other_draws` is over those
    that half of the draws would have kept, by the other half, which had no part in it. None where there is nothing to
    average.
    """

    version: int = VERSION
    runs: tuple[str, ...]
    without: str
    student: str
    above: float
    problems: int
    kept: int
    leaking: int
    cut: int
    all_plans: MeanValue | None
    of_kept: MeanValue | None
    by_other_draws: MeanValue | None
    plans: tuple[PlanValue, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain values: the object `stepdown plan-values --json` prints."""
        fields: dict[str, Any] = msgspec.to_builtins(self)
        return fields

    def __str__(self) -> str:
        count = len(self.plans)
        lines = [
            f"{count} different plans of {self.problems} problems for {self.student}: {self.leaking} tell the answer,"
            f" {self.cut} are cut; {self.kept} are worth more than {100 * self.above:g} points and kept",
            _line("every plan", self.all_plans),
            _line("kept plans", self.of_kept, " (the choice flatters them)"),
            _line("by draws that had no part in the choice", self.by_other_draws),
        ]
        return "\n".join(filter(None, lines))


class ValuedPlan(msgspec.Struct, frozen=True):
    """A plan with its value and its problem; `chain` is what is learned from it."""

    problem: Problem
    value: PlanValue
    chain: Chain


class _Draws:
    """One plan of a problem while its solutions come in: verdicts by number of the draw, so that none counts twice."""

    def __init__(self, run: Run, trace: Trace) -> None:
        assert trace.plan is not None, "only a trace with a plan has one to value"
        self.run, self.trace, self.plan = run, trace, trace.plan
        self.verdicts: dict[int, bool] = {}

    def value(self, without: Verdicts, above: float) -> PlanValue:
        """Return what the plan is worth against the verdicts without it."""
        right, graded = sum(self.verdicts.values()), len(self.verdicts)
        low, high = independent_interval((right, graded), (sum(without), len(without)))
        call = next((call for call in self.trace.calls if call.role == "teacher"), None)
        found = PlanValue(
            problem=self.trace.problem.id,
            plan=self.plan.text,
            author=self.plan.author,
            run=self.run.id,
            draw=self.trace.sample % self.run.settings.plan_samples,
            right=right,
            graded=graded,
            right_without=sum(without),
            graded_without=len(without),
            value=right / graded - fmean(without),
            low=low,
            high=high,
            leaks=leak(self.trace.problem, Plan(self.plan.text, self.plan.author)).gold,
            cut=call is not None and call.reply.finish != "stop",
        )
        return msgspec.structs.replace(found, kept=found.is_sound and found.value > above)

    def halves(self, without: Verdicts) -> tuple[float, float] | None:
        """Return the value by every other draw and by the rest, None where either has none."""
        own = [right for _, right in sorted(self.verdicts.items())]
        if len(own) < 2 or len(without) < 2:
            return None
        first, second = (fmean(own[at::2]) - fmean(without[at::2]) for at in (0, 1))
        return first, second

    def chain(self, value: PlanValue, sample: int) -> Chain:
        """Return the plan as a row of a corpus."""
        call = next((call for call in self.trace.calls if call.role == "teacher"), None)
        why = f"{value.right} of {value.graded} right with it, {value.right_without} of {value.graded_without} without"
        return Chain(
            problem=self.trace.problem,
            text=self.plan.text,
            teacher=self.plan.author,
            sample=sample,
            grade=Grade("right" if value.right else "wrong", why=why, grader=self.run.grader),
            logprob=call.reply.logprob if call else None,
            tokens=call.reply.usage.output if call and call.reply.usage else None,
            finish=call.reply.finish if call else "stop",
        )


def value_plans(runs: Sequence[Run], without: Run, *, above: float = 0.0) -> tuple[PlanValues, tuple[ValuedPlan, ...]]:
    """Return what the plans of runs are worth to their student, and each with what is learned from it.

    `without` is a run of the same student without plans, drawn alike, on the same problems (by question). A solution
    that failed counts neither way. Keeps the plans in memory. Raises `UsageError` for runs that cannot be compared.
    """
    _check(runs, without)
    baseline = {question_text(some[0][0].problem): _verdicts(some) for some in without.by_problem()}
    found: list[ValuedPlan] = []
    halves: list[tuple[str, tuple[float, float]]] = []
    for plans in _plans(runs, baseline):
        verdicts = baseline[question_text(plans[0].trace.problem)]
        valued = [(one, one.value(verdicts, above)) for one in plans]
        halves += [(value.problem, half) for one, value in valued if value.is_sound and (half := one.halves(verdicts))]
        ranked = sorted(enumerate(valued), key=lambda item: (-item[1][1].value, item[0]))
        found += [ValuedPlan(one.trace.problem, value, one.chain(value, at)) for at, (one, value) in ranked]
    if not found:
        raise UsageError(
            f"run `{without.id}` has no graded solution of a problem that these runs have plans for",
            "run both over the same problems; `stepdown runs` lists them",
        )
    values = tuple(one.value for one in found)
    # Of either half the plans that it would keep, by the other half.
    by_other_draws = [(name, half[1 - at]) for name, half in halves for at in (0, 1) if half[at] > above]
    summary = PlanValues(
        runs=tuple(run.id for run in runs),
        without=without.id,
        student=without.settings.student,
        above=above,
        problems=len({one.problem for one in values}),
        kept=sum(one.kept for one in values),
        leaking=sum(one.leaks for one in values),
        cut=sum(one.cut for one in values),
        all_plans=_mean((one.problem, one.value) for one in values),
        of_kept=_mean((one.problem, one.value) for one in values if one.kept),
        by_other_draws=_mean(by_other_draws),
        plans=values,
    )
    return summary, tuple(found)


def paired_plans(found: Iterable[ValuedPlan], gap: float) -> Iterator[tuple[ValuedPlan, ValuedPlan]]:
    """Stream pairs of plans of one problem, the better first: best with worst, second with second to last...

    The better one is sound and worth at least `gap` (a share of 1) more; each plan is in one pair at most.
    """
    by_problem: dict[str, list[ValuedPlan]] = {}
    for one in found:
        by_problem.setdefault(one.value.problem, []).append(one)
    for plans in by_problem.values():
        rejected = plans[::-1]
        for chosen in plans:
            worse = rejected[0] if rejected else None
            if worse is None or not chosen.value.is_sound or chosen is worse:
                continue
            if chosen.value.value - worse.value.value < gap - 1e-9:
                break
            yield chosen, rejected.pop(0)


def _check(runs: Sequence[Run], without: Run) -> None:
    student = without.settings
    if without.settings.plans:
        raise UsageError(f"run `{without.id}` has plans itself", "--without takes one without, such as by --method cot")
    if len(methods := {run.settings.method for run in runs}) > 1:
        raise UsageError(
            f"plans are followed by {' and '.join(f'`{one}`' for one in sorted(methods))}, and may help by one alone",
            "value the plans of one method at a time",
        )
    for run in runs:
        own = run.settings
        if not own.plans:
            raise UsageError(f"run `{run.id}` has no plans to value", "trace-of-thought runs have; `stepdown runs`")
        if own.student != student.student:
            raise UsageError(
                f"run `{run.id}` is by `{own.student}`, and run `{without.id}` by `{student.student}`",
                "a plan's value is for one student: name runs of the same one",
            )
        if _drawing(own) != _drawing(student):
            raise UsageError(
                f"the solutions of run `{run.id}` are drawn otherwise than those of run `{without.id}`",
                "run both with the same --temperature, --top-p, --max-tokens, --reasoning-effort and --prompts",
            )
        if run.grader != without.grader:
            raise UsageError(
                f"run `{run.id}` is graded by `{run.grader}`, and run `{without.id}` by `{without.grader}`",
                f"`stepdown grade {without.id} --grader {run.grader.partition('@')[0]}` grades it alike",
            )


def _drawing(settings: Settings) -> tuple[object, ...]:
    """Return what has a part in a solution beside the model and the plan."""
    return *settings.sampling.compared, settings.prompt_set.partition("/")[0]


def _plans(runs: Sequence[Run], baseline: dict[str, Verdicts]) -> Iterator[list[_Draws]]:
    """Stream the plans of each problem that was solved with and without, equal texts as one."""
    found: dict[str, dict[str, _Draws]] = {}
    for run in runs:
        for trace, grade in run.graded():
            question = question_text(trace.problem)
            if trace.plan is None or grade.verdict == "ungraded" or not baseline.get(question):
                continue
            some = found.setdefault(question, {})
            plan = some.setdefault(trace.plan.text.strip(), _Draws(run, trace))
            plan.verdicts.setdefault(trace.sample, grade.verdict == "right")
    return (list(some.values()) for some in found.values())


def _verdicts(attempts: Attempts) -> Verdicts:
    return tuple(grade.verdict == "right" for _, grade in attempts if grade.verdict != "ungraded")


def _mean(values: Iterable[tuple[str, float]]) -> MeanValue | None:
    by_problem: dict[str, list[float]] = {}
    for problem, value in values:
        by_problem.setdefault(problem, []).append(value)
    if len(by_problem) < 2:
        return None
    means = [fmean(some) for some in by_problem.values()]
    return MeanValue(
        fmean(means), *mean_interval(means, bounds=(-1.0, 1.0)), sum(map(len, by_problem.values())), len(means)
    )


def _line(name: str, mean: MeanValue | None, note: str = "") -> str:
    if mean is None:
        return ""
    value = f"{points(mean.value)} [{points(mean.low)}, {points(mean.high)}] points"
    return f"{name}: {value} over {mean.problems} problems{note}"
