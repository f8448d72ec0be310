"""Which plans of a run are worth a person's minute, what their edits have gained, and two attempts side by side."""

from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Literal

import msgspec

from stepdown.audits import Suggestion, audit
from stepdown.graders import majority_grade
from stepdown.models import Prices
from stepdown.stats import Interval, paired_interval
from stepdown.store import SOURCE, Run, TraceFilter, run_version, search_traces
from stepdown.text import count, money
from stepdown.types import Grade, Trace, Verdict
from stepdown.web.views.run_stats import RunStatsCache
from stepdown.web.views.word_diff import Piece, WordDiff, word_diff

MOST_SECONDS = 600.0
MOST_TRACES = 20_000  # an audit reads some 4,000 a second; longer runs are audited by `stepdown audit`
MOST_RUNS = 6
MOST_WRONG = 200


class EditQueue(msgspec.Struct, frozen=True):
    """What to look at in a run: the audit's suggestions, best first, or where it has none the wrong traces."""

    suggestions: tuple[Suggestion, ...]
    wrong: tuple[str, ...]
    note: str = ""

    @property
    def reasons(self) -> dict[str, tuple[str, ...]]:
        """Why each problem is here, in the queue's order."""
        if self.suggestions:
            return {one.problem: one.reasons for one in self.suggestions}
        return dict.fromkeys(self.wrong, ("its answer is wrong",))


# A tenth of a minute, the least that the page shows.
_LEAST_SECONDS = 6.0


class Gains(msgspec.Struct, frozen=True):
    """What a person's edits have done to a run of `problems`; a problem solved again by its own student counts."""

    edited: int
    fixed: int
    broken: int
    seconds: float
    problems: int
    solved_again: bool = False

    @property
    def accuracy(self) -> float | None:
        """Accuracy gained, as a share of 1; None where nothing was solved again by the run's own student."""
        return (self.fixed - self.broken) / self.problems if self.solved_again and self.problems else None

    @property
    def interval(self) -> Interval:
        """Its 95 % interval over the run's problems, each paired with itself before the edits."""
        return paired_interval(self.fixed, self.broken, self.problems)

    @property
    def per_minute(self) -> float | None:
        """Accuracy gained per minute, as a share of 1; None where the time is nothing to divide by."""
        if self.seconds < _LEAST_SECONDS or not self.problems:
            return None
        return 60 * (self.fixed - self.broken) / self.problems / self.seconds


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One run's attempts at a problem: their vote, and the student's tokens and USD, None where unknown."""

    run: str
    student: str
    attempts: tuple[tuple[Trace, Grade], ...]
    verdict: Verdict
    tokens: int | None
    cost: float | None

    @property
    def steps(self) -> tuple[str, ...]:
        """The steps of the plan they followed."""
        plan = self.attempts[0][0].plan
        return plan.steps if plan else ()

    @property
    def spent(self) -> str:
        """Tokens and USD in words."""
        cost = "cost unknown" if self.cost is None else money(self.cost)
        return f"{count(self.tokens)} tokens · {cost}"


class Change(msgspec.Struct, frozen=True):
    """A step that stayed, went or came; `pieces` are its words where it stands in another's place and is like it."""

    kind: Literal["same", "gone", "new"]
    text: str
    pieces: tuple[Piece, ...] = ()


# Steps that share less of their words are other steps: their words side by side would be a riddle.
_ALIKE = 0.4
_AHEAD = 4  # steps that are looked at for one like it


def changes(before: tuple[str, ...], after: tuple[str, ...]) -> list[Change]:
    """Return how one list of steps becomes another, in order."""
    steps: list[Change] = []
    for kind, first, last, start, end in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind == "equal":
            steps += [Change("same", step) for step in before[first:last]]
        else:
            steps += _replaced(before[first:last], after[start:end])
    return steps


def _replaced(before: tuple[str, ...], after: tuple[str, ...]) -> Iterator[Change]:
    """Yield what went and what came; a step that came in the place of one like it right below that."""
    came = 0
    for gone in before:
        ahead = range(came, min(came + _AHEAD, len(after)))
        found = next((at for at in ahead if word_diff(gone, after[at]).shared >= _ALIKE), None)
        if found is None:
            yield Change("gone", gone)
            continue
        yield from (Change("new", step) for step in after[came:found])
        words = word_diff(gone, after[found])
        yield from (Change("gone", gone, words.before), Change("new", after[found], words.after))
        came = found + 1
    yield from (Change("new", step) for step in after[came:])


def side_of(run: Run, problem: str, prices: Prices) -> Side | None:
    """Return a run's attempts at a problem, None where it has none."""
    attempts = tuple((trace, grade) for _, trace, grade in run.attempts(problem))
    if not attempts:
        return None
    calls = [call for trace, _ in attempts for call in trace.calls if call.role == "student"]
    usages = [call.reply.usage for call in calls]
    costs = [prices.cost(call.model, call.reply.usage) for call in calls]
    return Side(
        run=run.id,
        student=run.settings.student,
        attempts=attempts,
        verdict=majority_grade(attempts).verdict,
        tokens=None if None in usages else sum(one.input + one.output for one in usages if one),
        cost=None if None in costs else sum(one for one in costs if one),
    )


def words_of(before: Side, after: Side) -> WordDiff:
    """Return the solutions of two sides' first attempts compared word by word."""
    one, other = (side.attempts[0][0].solution or "" for side in (before, after))
    return word_diff(one, other)


def derived_from(run: Run) -> list[Run]:
    """Return the runs that hold what was solved again by this run's edited plans, oldest first."""
    return [one for one in run.store.runs() if one.settings.plans == SOURCE + run.id]


def solved_again(run: Run, problem: str, student: str, prices: Prices) -> Side | None:
    """Return the newest attempt at a problem by a plan that a person edited in this run, None where there is none.

    That of the student, where it has solved by one; a run that took over what was solved before holds it as a copy.
    """
    plans = [edit.plan for edit in run.edits() if edit.problem == problem]
    pairs = []
    for one in derived_from(run):
        attempts = one.attempts(problem)
        if attempts and attempts[0][1].plan in plans:
            ranked = (one.settings.student == student, plans.index(attempts[0][1].plan), one.created)
            pairs.append((ranked, one))
    return side_of(max(pairs, key=lambda pair: pair[0])[1], problem, prices) if pairs else None


def edit_queue(run_stats: RunStatsCache, run: Run) -> EditQueue:
    """Audit a run together with others on the same problems and return what to look at; kept while nothing changes."""
    others = runs_beside(run)
    # Without the edits: they change no suggestion, and a person makes one a minute.
    marks = tuple((one.id, msgspec.structs.replace(run_version(one), edits=0, call=0)) for one in (run, *others))
    return run_stats.remember(("queue", marks), lambda: _edit_queue(run, others))


def runs_beside(run: Run) -> list[Run]:
    """Return the newest other runs on the same problems, as many as can be read while a page waits."""
    others: list[Run] = []
    room = MOST_TRACES - len(run)
    for one in reversed(run.store.runs()):
        same = one.id != run.id and one.settings.problems == run.settings.problems
        if same and len(others) < MOST_RUNS and 0 < len(one) <= room:
            others.append(one)
            room -= len(one)
    return others


def _edit_queue(run: Run, others: list[Run]) -> EditQueue:
    wrong = tuple(
        dict.fromkeys(line.problem for line in search_traces(run, TraceFilter("wrong"), count=MOST_WRONG).lines)
    )
    if len(run) > MOST_TRACES:
        note = f"This run is too long to be audited while a page waits: stepdown audit {run.id} lists what it suggests."
        return EditQueue((), wrong, note)
    findings = audit(run, *others)
    return EditQueue(tuple(one for one in findings.edits if one.run == run.id), wrong)


def gains(run: Run) -> Gains:
    """Return what the edits of a run have gained, by the derived run of its own student."""
    seconds: dict[str, float] = {}
    for edit in run.edits():
        seconds[edit.problem] = min(MOST_SECONDS, seconds.get(edit.problem, 0.0) + (edit.seconds or 0.0))
    own = next((one for one in derived_from(run) if one.settings.student == run.settings.student), None)
    turns = [_turn(run, own, problem) for problem in seconds] if own else []
    return Gains(
        edited=len(seconds),
        fixed=turns.count(("wrong", "right")),
        broken=turns.count(("right", "wrong")),
        seconds=sum(seconds.values()),
        problems=run.settings.count,
        solved_again=own is not None,
    )


def _turn(run: Run, derived: Run, problem: str) -> tuple[Verdict, Verdict]:
    before, after = ([(trace, grade) for _, trace, grade in one.attempts(problem)] for one in (run, derived))
    if not before or not after:
        return "ungraded", "ungraded"
    return majority_grade(before).verdict, majority_grade(after).verdict
