"""What one pass over a run counts, with a page of traces in memory and a few bytes per problem."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from hashlib import blake2b
from itertools import groupby
from typing import Protocol

import msgspec

from stepdown.graders.elections import elect
from stepdown.store import Run
from stepdown.types import Call, Grade, Problem, Role, Trace, Usage, Verdict

SHOWN_FLIPS = 20
Attempts = Sequence[tuple[Trace, Grade]]
Verdicts = Mapping[int, Verdict]


class Pricing(Protocol):
    """Anything that knows what a call costs: `stepdown.models.prices.Prices`."""

    def cost(self, model: str, usage: Usage | None, /) -> float | None:
        """Return USD, or None where the price or the usage is unknown."""
        ...


class Flip(msgspec.Struct, frozen=True):
    """A problem the baseline had right and this run has wrong."""

    problem: str
    question: str
    gold: str
    found: str | None
    why: str


class Spending(msgspec.Struct, frozen=True):
    """Tokens (input and output) and USD of one role; None where any of it is unknown."""

    tokens: int | None = 0
    cost: float | None = 0.0

    def plus(self, tokens: int | None, cost: float | None) -> "Spending":
        """Return the sum; unknown plus anything is unknown."""
        return Spending(
            None if self.tokens is None or tokens is None else self.tokens + tokens,
            None if self.cost is None or cost is None else self.cost + cost,
        )


@dataclass
class Tally:
    """Counts over a run's problems; a problem with several samples is graded by their vote.

    `pairs` counts (baseline's verdict, this verdict), `shares` problems by the share of their graded
    samples that is right, `steps` graded problems by (steps of the plan, right), `sizes` by (tokens,
    rounded up to a power of two, right), `edits` by (has an edited plan, verdict), `authors` problems by
    who wrote their plan.
    """

    verdicts: Counter[Verdict] = field(default_factory=Counter)
    attempts: int = 0
    truncated: int = 0
    seconds: float = 0.0
    spending: dict[Role, Spending] = field(default_factory=dict)
    pairs: Counter[tuple[Verdict, Verdict]] = field(default_factory=Counter)
    shares: Counter[Fraction] = field(default_factory=Counter)
    steps: Counter[tuple[int, bool]] = field(default_factory=Counter)
    sizes: Counter[tuple[int, bool]] = field(default_factory=Counter)
    edits: Counter[tuple[bool, Verdict]] = field(default_factory=Counter)
    authors: Counter[str] = field(default_factory=Counter)
    flips: list[Flip] = field(default_factory=list)
    by_problem: dict[int, Verdict] = field(default_factory=dict)

    def add(self, attempts: Attempts, prices: Pricing, key: int, before: Verdicts) -> Verdict:
        """Count one problem's samples and return their verdict; `before` has the baseline's verdicts by key."""
        trace, grade = attempts[0][0], elect([grade for _, grade in attempts])
        self.verdicts[grade.verdict] += 1
        self.edits[_edited(trace), grade.verdict] += 1
        self.authors.update([trace.plan.author] if trace.plan else [])
        tokens = sum(self._spend(trace, prices) for trace, _ in attempts)
        if grade.verdict != "ungraded":
            right = grade.verdict == "right"
            self.steps[len(trace.plan.steps) if trace.plan else 0, right] += 1
            self.sizes[1 << max(0, tokens // len(attempts) - 1).bit_length(), right] += 1
            self._share([grade for _, grade in attempts])
        if key in before:
            self._pair(before[key], trace.problem, grade)
        return grade.verdict

    def _share(self, grades: Sequence[Grade]) -> None:
        graded = [grade.verdict == "right" for grade in grades if grade.verdict != "ungraded"]
        self.shares[Fraction(sum(graded), len(graded))] += 1

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
            known = self.spending.get(call.role, Spending())
            self.spending[call.role] = known.plus(_tokens(call), prices.cost(call.model, call.reply.usage))
            self.seconds += call.reply.seconds
        return sum(_tokens(call) or 0 for call in own)


def tally(run: Run, prices: Pricing, *, grader: str = "", before: Verdicts | None = None, keep: bool = False) -> Tally:
    """Count a run in one pass, paired with `before` by question; `keep` keeps verdicts for others to pair with."""
    counts, seen = Tally(), set[int]()
    for attempts in by_problem(run, grader):
        key = _key(attempts[0][0].problem)
        while key in seen:  # the same question again: paired in order
            key += 1
        seen.add(key)
        verdict = counts.add(attempts, prices, key, before or {})
        if keep:
            counts.by_problem[key] = verdict
    return counts


def by_problem(run: Run, grader: str = "") -> Iterator[Attempts]:
    """Stream the samples of each problem with their grades."""
    for _, attempts in groupby(run.graded(grader), key=lambda attempt: attempt[0].problem.id):
        yield list(attempts)


def _key(problem: Problem) -> int:
    words = " ".join("\n".join((problem.question, *problem.choices)).split())
    return int.from_bytes(blake2b(words.encode(errors="surrogatepass"), digest_size=7).digest())


def _edited(trace: Trace) -> bool:
    return trace.plan is not None and trace.plan.edited_from is not None


def _tokens(call: Call) -> int | None:
    usage = call.reply.usage
    return usage.input + usage.output if usage else None
