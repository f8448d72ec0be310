"""What a report counts of a run, by the store's summaries of its blocks: the same figures, without a look at a text."""

from collections import Counter
from collections.abc import Sequence
from functools import reduce
from operator import add, eq

from stepdown.graders import majority_grade
from stepdown.models import Prices
from stepdown.reports.counts import SHOWN_FLIPS, Flip, ReportCounts, RoleSpending, Verdicts
from stepdown.reports.sampled_blocks import Sampled, full_attempts, problems_of
from stepdown.store import GradeBlock, RoleCalls, Run, TraceBlock, unpacked, verdicts_of
from stepdown.types import Pricing, Usage, Verdict


def count_blocks(
    run: Run, prices: Pricing, *, grader: str = "", before: Verdicts | None = None, keep: bool = False
) -> ReportCounts:
    """Count a run as a pass over its traces does that asks nothing of what its models were trained on."""
    if run.settings.samples == 1:
        counting = _Counting(run, prices, grader, before or {})
        if all(counting.add_singles(*columns, keep=keep) for columns in run.columns(grader)):
            return counting.found()
    counting = _Counting(run, prices, grader, before or {})
    for problem in problems_of(run, grader, each=counting.spend):
        counting.add_problem(problem, keep=keep)
    return counting.found()


class _Counting:
    """Counts over a run while its blocks stream by."""

    def __init__(self, run: Run, prices: Pricing, grader: str, before: Verdicts) -> None:
        self.run, self.prices, self.grader, self.before = run, prices, grader, before
        self.counts, self._seen = ReportCounts.of(run), set[int]()
        self._turned: list[tuple[int, int]] = []
        self._last: int | None = None

    def found(self) -> ReportCounts:
        """Return the counts, with the texts of the problems that turned."""
        for trace_key in self._turned:
            attempts = full_attempts(self.run, self.grader, trace_key)
            problem, grade = attempts[0][0].problem, majority_grade(attempts)
            self.counts.flips.append(Flip(problem.id, problem.question, problem.answer, grade.found, grade.why))
        first = next(self.run.rows(self.grader, page=1), None)
        self.counts.first = first[1].problem.id if first else ""
        return self.counts

    def add_singles(self, block: TraceBlock, grades: GradeBlock, *, keep: bool) -> bool:
        """Count a block in which each trace has a problem of its own; False where one is followed by its like."""
        ids, verdicts = unpacked("q", block.ids), verdicts_of(block, grades)
        if not ids:
            return True
        if self._last == ids[0] or any(map(eq, ids, ids[1:])):
            return False
        self._last = ids[-1]
        self.spend(block)
        self._profile(block, verdicts)
        keys = self._keys(unpacked("q", block.questions))
        if self.before:
            pairs = Counter(zip(map(self.before.get, keys), verdicts, strict=True))
            self.counts.pairs.update({(old, new): number for (old, new), number in pairs.items() if old is not None})
            if pairs["right", "wrong"] and len(self._turned) < SHOWN_FLIPS:
                self._turn(block, keys, verdicts)
        if keep:
            self.counts.by_problem.update(zip(keys, verdicts, strict=True))
        return True

    def _profile(self, block: TraceBlock, verdicts: Sequence[Verdict]) -> None:
        counts = self.counts
        for (place, verdict), number in Counter(zip(unpacked("I", block.shape), verdicts, strict=True)).items():
            shape, right = block.shapes[place], verdict == "right"
            counts.verdicts[verdict] += number
            counts.edits[shape.edited, verdict] += number
            if shape.author is not None:
                counts.authors[shape.author] += number
            if verdict != "ungraded":
                counts.steps[shape.steps or 0, right] += number
                counts.sizes[1 << shape.size, right] += number
                counts.shares[1.0 if right else 0.0] += number

    def _turn(self, block: TraceBlock, keys: Sequence[int], verdicts: Sequence[Verdict]) -> None:
        traces = zip(unpacked("q", block.ordinals), unpacked("q", block.samples), strict=True)
        self._turned += [
            trace_key
            for trace_key, key, verdict in zip(traces, keys, verdicts, strict=True)
            if verdict == "wrong" and self.before.get(key) == "right"
        ][: SHOWN_FLIPS - len(self._turned)]

    def add_problem(self, problem: Sampled, *, keep: bool) -> None:
        """Count the samples of one problem."""
        counts, shape, attempts = self.counts, problem.shape, problem.attempts
        verdict = majority_grade(attempts).verdict
        counts.verdicts[verdict] += 1
        counts.edits[shape.edited, verdict] += 1
        if shape.author is not None:
            counts.authors[shape.author] += 1
        if verdict != "ungraded":
            right = verdict == "right"
            counts.steps[shape.steps or 0, right] += 1
            counts.sizes[1 << max(0, problem.tokens // len(attempts) - 1).bit_length(), right] += 1
            counts.share(attempts)
        (key,) = self._keys([problem.question])
        if key in self.before:
            counts.pairs[self.before[key], verdict] += 1
            if (self.before[key], verdict) == ("right", "wrong") and len(self._turned) < SHOWN_FLIPS:
                self._turned.append(problem.trace_key)
        if keep:
            counts.by_problem[key] = verdict

    def _keys(self, questions: list[int]) -> list[int]:
        """Return by what problems are paired: their questions; one that is asked again has a key after that."""
        own = set(questions)
        if len(own) == len(questions) and self._seen.isdisjoint(own):
            self._seen |= own
            return questions
        keys = []
        for key in questions:
            while key in self._seen:
                key += 1
            self._seen.add(key)
            keys.append(key)
        return keys

    def spend(self, block: TraceBlock) -> None:
        """Add what the calls of a block used; floats are added in the order of the calls, as sums depend on it."""
        counts, shapes = self.counts, Counter(unpacked("I", block.shape))
        counts.attempts += shapes.total()
        counts.truncated += sum(number for place, number in shapes.items() if block.shapes[place].truncated)
        counts.seconds = reduce(add, unpacked("d", block.seconds), counts.seconds)
        for calls in block.roles:
            known = counts.spending.get(calls.role, RoleSpending())
            counts.spending[calls.role] = _plus(known, calls, self.prices)


def _plus(known: RoleSpending, calls: RoleCalls, prices: Pricing) -> RoleSpending:
    given, written = unpacked("i", calls.input), unpacked("i", calls.output)
    usages = list(zip(given, written, unpacked("i", calls.cached), strict=True))
    unknown = min(given) < 0
    tokens = None if known.tokens is None or unknown else known.tokens + sum(given) + sum(written)
    if known.cost is None:
        return RoleSpending(tokens, None)
    costs: list[float | None]
    if isinstance(prices, Prices) and len(calls.models) == 1 and not unknown and not calls.batched:
        costs = prices.costs(calls.models[0], usages)
    else:
        models = [calls.models[place] for place in unpacked("I", calls.model)]
        batched = unpacked("b", calls.batched) or [0] * len(usages)
        rest = zip(models, usages, unpacked("q", calls.reasoning), batched, strict=True)
        costs = [prices.cost(model, None if one[0] < 0 else Usage(*one, *more)) for model, one, *more in rest]
    sure = [cost for cost in costs if cost is not None]
    return RoleSpending(tokens, reduce(add, sure, known.cost) if len(sure) == len(costs) else None)
