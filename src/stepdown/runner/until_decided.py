"""Runs that go on together until each comparison with the first of them is decided."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from hashlib import blake2b

import msgspec

from stepdown.graders import majority_grade
from stepdown.identity import encoded
from stepdown.problems import Fingerprint
from stepdown.prompts import question_text
from stepdown.stats import PairedSequence, holm
from stepdown.store import Outcome, Run, StoppedComparison
from stepdown.types import Grade, Problem, Settings, Trace, Verdict

_STEPS = {("wrong", "right"): 1, ("right", "wrong"): -1}


class StoppingRule(msgspec.Struct, frozen=True, kw_only=True):
    """When a comparison is decided: that it differs, or that it differs by less than `margin` (a share of 1).

    `sure` is the certainty that a difference which is said is one, over all comparisons of the command; `power` that a
    difference of the margin is not called small. Both hold whenever one looks.
    """

    margin: float = 0.05
    sure: float = 0.95
    power: float = 0.8


class UntilDecided:
    """The verdicts of several runs on the same problems, the first the baseline of all others, and what they decide.

    Pairs count in one order of the problems, by a hash of their questions, whichever is solved first: what is easy or
    quick has no part in where it stops. All open comparisons take a pair before any takes the next, as Holm's p of each
    hangs on the others': a resumed command, which has much at once, goes on with the same evidence. One with more
    problems takes these after those that the earlier one had: to draw the order anew would be a second try at the same
    evidence.
    """

    def __init__(self, rule: StoppingRule, runs: int) -> None:
        self.rule = rule
        self.order: list[int] = []
        self._verdicts: list[dict[int, Verdict]] = [{} for _ in range(runs)]
        self._tests = [PairedSequence(rule.margin) for _ in range(runs - 1)]
        self._both_right = [0] * (runs - 1)
        self._next = 0
        self._adjusted = [1.0] * (runs - 1)

    def begin(
        self, at: int, problems: Mapping[int, Problem], known: Mapping[int, Verdict], counts: Sequence[int] = ()
    ) -> None:
        """Take in the problems of a run by their ordinals, the verdicts that the store has, and `earlier_counts`."""
        self.order = self.order or sorted(
            problems, key=lambda one: (bisect_right(counts, one), rank_of(problems[one]), one)
        )
        self._verdicts[at].update(known)
        self._catch_up()

    def note(self, at: int, ordinal: int, verdict: Verdict) -> None:
        """Take in what became of a problem of a run."""
        self._verdicts[at][ordinal] = verdict
        self._catch_up()

    def is_open(self, at: int) -> bool:
        """Whether a run is still needed: until its comparison is decided, or as the baseline until all are."""
        return any(not self._outcome(one) for one in range(len(self._tests))) if at == 0 else not self._outcome(at - 1)

    def text(self, at: int) -> str:
        """Say how the evidence of a run stands; nothing of the baseline."""
        if at == 0 or not self._tests[at - 1].pairs:
            return ""
        test = self._tests[at - 1]
        found = {"different": "decided: it differs", "small": f"decided: less than {100 * self.rule.margin:g} points"}
        odds = f"{test.evidence:.2g}-fold of {len(self._tests) / (1 - self.rule.sure):.3g} needed"
        return f"{100 * test.difference:+.1f} points, {found.get(self._outcome(at - 1), f'evidence {odds}')}"

    def comparisons(self, runs: Sequence[Run]) -> list[StoppedComparison]:
        """Return what each comparison came to; `runs` are in the order of the tasks."""
        return [self._comparison(place, one, runs[0]) for place, one in enumerate(runs[1:])]

    def _comparison(self, place: int, run: Run, base: Run) -> StoppedComparison:
        test, rule = self._tests[place], self.rule
        low, high = test.interval(rule.sure)
        return StoppedComparison(
            run=run.id, baseline=base.id, outcome=self._outcome(place), pairs=test.pairs, better=test.better,
            worse=test.worse, difference=test.difference, low=low, high=high, p=test.p, p_holm=self._adjusted[place],
            margin=rule.margin, sure=rule.sure, power=rule.power, comparisons=len(self._tests), grader=run.grader,
            both=self._both_right[place],
        )  # fmt: skip

    def _outcome(self, place: int) -> Outcome:
        if self._adjusted[place] <= 1 - self.rule.sure + 1e-12:
            return "different"
        return "small" if self._tests[place].is_small(self.rule.power) else ""

    def _catch_up(self) -> None:
        """Add the pairs that are whole, in order, to the comparisons that are open."""
        while self._next < len(self.order):
            ordinal = self.order[self._next]
            places = [place for place in range(len(self._tests)) if not self._outcome(place)]
            if not places or any(ordinal not in self._verdicts[at] for at in (0, *(place + 1 for place in places))):
                return
            self._next += 1
            for place in places:
                pair = self._verdicts[0][ordinal], self._verdicts[place + 1][ordinal]
                if "ungraded" not in pair:
                    self._tests[place].add(_STEPS.get(pair, 0))
                    self._both_right[place] += pair == ("right", "right")
            self._adjusted = holm([one.p for one in self._tests])


def rank_of(problem: Problem) -> bytes:
    """Return what orders problems as if drawn by lot, the same on every machine."""
    return blake2b(question_text(problem).encode(errors="surrogatepass"), digest_size=8, person=b"until").digest()


def earlier_counts(run: Run, problems: Mapping[int, Problem]) -> tuple[int, ...]:
    """Return how many problems earlier runs had, with this one's settings and the first of its problems.

    Rising: one that had fewer than one before it is left out.
    """
    same = _without_problems(run.settings)
    before = [one.settings for one in run.store.runs() if (one.created, one.id) < (run.created, run.id)]
    alike = [one for one in before if one.count < len(problems) and _without_problems(one) == same]
    wanted, prints, fingerprint = {one.count for one in alike}, dict[int, str](), Fingerprint()
    for count, ordinal in enumerate(problems if wanted else (), 1):
        fingerprint.add(problems[ordinal])
        if count in wanted:
            prints[count] = fingerprint.digits
    rising = list[int]()
    for one in alike:
        if prints[one.count] == one.problems and one.count > max(rising, default=0):
            rising.append(one.count)
    return tuple(rising)


def _without_problems(settings: Settings) -> bytes:
    return encoded(msgspec.structs.replace(settings, problems="", count=0))


def known_verdicts(run: Run, samples: int) -> dict[int, Verdict]:
    """Return the verdicts that a run has, by vote where it has several samples; failed attempts have none yet."""
    done = set(run.done(samples))
    attempts: dict[int, list[tuple[Trace, Grade]]] = {}
    for ordinal, trace, grade in run.rows():
        if ordinal in done:
            attempts.setdefault(ordinal, []).append((trace, grade))
    return {ordinal: majority_grade(some).verdict for ordinal, some in attempts.items()}
