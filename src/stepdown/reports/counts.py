"""What a report counts of a run, and counting it by one pass over its traces, with a page of them in memory."""

from collections import Counter
from collections.abc import Container, Mapping
from dataclasses import dataclass, field

import msgspec

from stepdown.answers import groups
from stepdown.graders import Attempts, majority_grade, verdict_of, votes_of
from stepdown.questions import pairing_key
from stepdown.runner import TrainingOverlap
from stepdown.stats import Outcomes, majority_at, pass_at
from stepdown.store import Run
from stepdown.types import Call, Grade, Pricing, Problem, Role, Trace, Verdict

SHOWN_FLIPS = 20
MOST_AT = 64  # of several hundred samples the vote of more than these is that of all
Verdicts = Mapping[int, Verdict]


class Flip(msgspec.Struct, frozen=True):
    """A problem the baseline had right and this run has wrong."""

    problem: str
    question: str
    gold: str
    found: str | None
    why: str


class RoleSpending(msgspec.Struct, frozen=True):
    """Tokens (input and output) and USD of one role; None where any of it is unknown."""

    tokens: int | None = 0
    cost: float | None = 0.0

    def plus(self, tokens: int | None, cost: float | None) -> "RoleSpending":
        """Return the sum; unknown plus anything is unknown."""
        return RoleSpending(
            None if self.tokens is None or tokens is None else self.tokens + tokens,
            None if self.cost is None or cost is None else self.cost + cost,
        )


@dataclass
class ReportCounts:
    """Counts over a run's problems; a problem with several samples is graded by their vote.

    `pairs` counts (baseline's verdict, this verdict), `shares` problems by the share of their graded
    samples that is right, `passes` and `votes` them by what `pass_at` and `majority_at` give for each k of `sizes_of`,
    `first` is the id of the first problem, `steps` graded problems by (steps of the plan, right), `sizes` by (tokens,
    rounded up to a power of two, right), `edits` by (has an edited plan, verdict), `authors` problems by
    who wrote their plan. `lessons` counts the problems that somebody behind the run was trained on. Where problems
    have several plans, `outcomes` counts them by the right and the graded solutions of each plan.
    """

    verdicts: Counter[Verdict] = field(default_factory=Counter)
    attempts: int = 0
    truncated: int = 0
    seconds: float = 0.0
    spending: dict[Role, RoleSpending] = field(default_factory=dict)
    pairs: Counter[tuple[Verdict, Verdict]] = field(default_factory=Counter)
    shares: Counter[float] = field(default_factory=Counter)
    passes: dict[int, Counter[float]] = field(default_factory=dict)
    votes: dict[int, Counter[float]] = field(default_factory=dict)
    first: str = ""
    steps: Counter[tuple[int, bool]] = field(default_factory=Counter)
    sizes: Counter[tuple[int, bool]] = field(default_factory=Counter)
    edits: Counter[tuple[bool, Verdict]] = field(default_factory=Counter)
    authors: Counter[str] = field(default_factory=Counter)
    flips: list[Flip] = field(default_factory=list)
    by_problem: dict[int, Verdict] = field(default_factory=dict)
    lessons: TrainingOverlap | None = None
    plan_samples: int = 1
    outcomes: Counter[Outcomes] = field(default_factory=Counter)

    @classmethod
    def of(cls, run: Run) -> "ReportCounts":
        """Return the counts of a run before its first problem."""
        return cls(lessons=TrainingOverlap(run), plan_samples=run.settings.plan_samples)

    def add(self, attempts: Attempts, prices: Pricing, key: int, before: Verdicts) -> Verdict:
        """Count one problem's samples and return their verdict; `before` has the baseline's verdicts by key."""
        trace, grade = attempts[0][0], majority_grade(attempts)
        self.first = self.first or trace.problem.id
        self.verdicts[grade.verdict] += 1
        self.edits[_edited(trace), grade.verdict] += 1
        self.authors.update([trace.plan.author] if trace.plan else [])
        tokens = sum(self._spend(trace, prices) for trace, _ in attempts)
        if grade.verdict != "ungraded":
            right = grade.verdict == "right"
            self.steps[len(trace.plan.steps) if trace.plan else 0, right] += 1
            self.sizes[1 << max(0, tokens // len(attempts) - 1).bit_length(), right] += 1
            self.share(attempts)
        if key in before:
            self._pair(before[key], trace.problem, grade)
        return grade.verdict

    def share(self, attempts: Attempts) -> None:
        """Count a graded problem by what its samples give."""
        graded = [grade.verdict == "right" for _, grade in attempts if grade.verdict != "ungraded"]
        self.shares[sum(graded) / len(graded)] += 1
        for k in sizes_of(len(graded)):
            self.passes.setdefault(k, Counter())[pass_at(k, len(graded), sum(graded))] += 1
        if self.plan_samples > 1:
            self.outcomes[_by_plan(attempts, self.plan_samples)] += 1
        right, wrong, silent = _parties([one for one in attempts if one[0].error is None])
        for k in sizes_of(sum(right) + sum(wrong) + silent):
            self.votes.setdefault(k, Counter())[majority_at(k, right, wrong, silent)] += 1

    def _pair(self, before: Verdict, problem: Problem, grade: Grade) -> None:
        self.pairs[before, grade.verdict] += 1
        if (before, grade.verdict) == ("right", "wrong") and len(self.flips) < SHOWN_FLIPS:
            flip = Flip(problem.id, problem.question, problem.answer, grade.found, grade.why)
            self.flips.append(flip)

    def _spend(self, trace: Trace, prices: Pricing) -> int:
        """Add what a trace's own calls used, and return the tokens known of them."""
        self.attempts += 1
        self.truncated += trace.truncated
        own = [call for call in trace.calls if not call.reply.cached]
        for call in own:
            known = self.spending.get(call.role, RoleSpending())
            self.spending[call.role] = known.plus(_tokens(call), prices.cost(call.model, call.reply.usage))
            self.seconds += call.reply.seconds
        return sum(_tokens(call) or 0 for call in own)


def count_traces(
    run: Run, prices: Pricing, *, grader: str = "", before: Verdicts | None = None, keep: bool = False
) -> ReportCounts:
    """Count a run in one pass, paired with `before` by question; `keep` keeps verdicts for others to pair with.

    It is what `count_blocks` does from the store's summaries where the traces themselves need not be read.
    """
    counts, seen = ReportCounts.of(run), set[int]()
    for attempts in run.by_problem(grader):
        key = key_of(attempts[0][0].problem, seen)
        seen.add(key)
        verdict = counts.add(attempts, prices, key, before or {})
        if counts.lessons is not None:
            counts.lessons.count(attempts[0][0], verdict)
        if keep:
            counts.by_problem[key] = verdict
    return counts


def sizes_of(samples: int) -> list[int]:
    """Return the k for which pass@k and maj@k are reported: powers of 2, and all samples there are."""
    powers = [1 << power for power in range(samples.bit_length()) if 1 << power <= min(samples, MOST_AT)]
    return sorted({*powers, samples}) if samples > 1 else []


def _by_plan(attempts: Attempts, plans: int) -> Outcomes:
    """Return how many solutions by each plan are right, and how many are graded."""
    found = [[0, 0] for _ in range(plans)]
    for trace, grade in attempts:
        if grade.verdict != "ungraded":
            found[trace.sample % plans][0] += grade.verdict == "right"
            found[trace.sample % plans][1] += 1
    return tuple((right, graded) for right, graded in found)


def _parties(attempts: Attempts) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """Return the sizes of the groups of equal answers, right and wrong ones, and how many samples do not vote."""
    places = groups(attempts[0][0].problem.kind, votes_of(attempts)) if attempts else []
    right = [len(one) for one in places if verdict_of(attempts, one).verdict == "right"]
    wrong = [len(one) for one in places if verdict_of(attempts, one).verdict != "right"]
    return tuple(sorted(right)), tuple(sorted(wrong)), len(attempts) - sum(right) - sum(wrong)


def key_of(problem: Problem, seen: Container[int]) -> int:
    """Return by what a problem is paired with that of another run: its question; again the same, in their order."""
    key = pairing_key(problem)
    while key in seen:
        key += 1
    return key


def _edited(trace: Trace) -> bool:
    return trace.plan is not None and trace.plan.edited_from is not None


def _tokens(call: Call) -> int | None:
    usage = call.reply.usage
    return usage.input + usage.output if usage else None
