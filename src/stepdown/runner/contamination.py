"""Contamination: which problems of a run its models were trained on, or shown, and its score on the others."""

from collections import Counter
from collections.abc import Iterable

import msgspec

from stepdown.errors import StepdownError
from stepdown.methods import METHODS
from stepdown.models.weights import SeenQuestions, find_folder, seen_by
from stepdown.questions import key, words
from stepdown.stats import wilson
from stepdown.store import Run
from stepdown.types import Message, Settings, Trace, Verdict

DEMONSTRATED = "the demonstrations"
# A question of fewer words may stand in a demonstration by chance.
_LEAST_WORDS = 5
_DEEPEST = 8


class Contamination(msgspec.Struct, frozen=True, kw_only=True):
    """How many problems of a run the lessons behind it met, by question, and the run's figures without those.

    `by` names the students (as student, or as who wrote the plans) whose lessons met them, or `the demonstrations`;
    `unknown` those of which nobody knows: their folder is of 0.1.0, is gone, or holds other weights by now. `right`,
    `graded` and `total` count problems, by vote where there are several samples, `accuracy` with its Wilson interval.
    """

    met: int
    by: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    right: int
    graded: int
    total: int
    accuracy: float | None
    low: float
    high: float

    def __str__(self) -> str:
        parts = []
        if self.met:
            share = f"{self.right}/{self.graded}/{self.total}"
            accuracy = "" if self.accuracy is None else f" ({100 * self.accuracy:.1f} %)"
            parts.append(
                f"{self.met:,} of its problems were met by {', '.join(self.by)}; without them {share}{accuracy}"
            )
        if self.unknown:
            parts.append(f"what {', '.join(self.unknown)} met is unknown")
        return "; ".join(parts)


def shows_examples(settings: Settings) -> bool:
    """Whether a run's method shows worked examples before the problem."""
    return settings.method in METHODS and METHODS[settings.method].shows_examples


def may_have_seen(settings: Settings) -> bool:
    """Whether anything in a run's settings can have met its problems: a student of ours, recorded text, demonstrations.

    Cheap to ask; where it says no, no trace need be read.
    """
    names = (settings.student, settings.teacher)
    demonstrates = shows_examples(settings) or settings.plans.partition("+")[0] not in ("", "teacher", "own", "gold")
    return demonstrates or any(name.startswith("recorded/") or find_folder(name) is not None for name in names if name)


def contamination_warnings(runs: Iterable[Run]) -> list[str]:
    """Return a line for each run that was asked what somebody behind it was trained on, or nobody knows of what."""
    warnings = []
    for run in runs:
        lessons = TrainingOverlap(run)
        if lessons.may_meet:
            overlap = {trace.problem.id for trace in run.traces() if lessons.meeting(trace)}
            warnings += (
                [f"run {run.id}: {len(overlap):,} of its problems were met by {', '.join(lessons.by)}"]
                if overlap
                else []
            )
            warnings += [f"run {run.id}: what {', '.join(lessons.unknown)} met is unknown"] if lessons.unknown else []
    return warnings


class TrainingOverlap:
    """What the models of a run were trained on, or shown, and which of its problems that holds."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.by: Counter[str] = Counter()
        self.verdicts: Counter[Verdict] = Counter()
        self._met: dict[str, SeenQuestions | None] = {}
        self.may_meet = may_have_seen(run.settings)
        self._shows_examples = shows_examples(run.settings)
        for name in (run.settings.student, run.settings.teacher):
            self._lookup(name)

    def count(self, trace: Trace, verdict: Verdict) -> None:
        """Count a problem's verdict where the lessons met it."""
        if self.may_meet and self.meeting(trace):
            self.verdicts[verdict] += 1

    def meeting(self, trace: Trace) -> list[str]:
        """Return who met the question of a trace: models by name, and the demonstrations."""
        author = trace.plan.author.partition("+")[0] if trace.plan else ""
        if author:
            self._lookup(author)
        names = {self.run.settings.student, self.run.settings.teacher, author}
        known = [(name, met) for name in sorted(names) if (met := self._met.get(name)) and met.keys]
        question = key(trace.problem) if known else 0
        names_met = [name for name, met in known if question in met.keys]
        if self._shows_examples and trace.calls and shows(trace.calls[0].messages, trace.problem.question):
            names_met.append(DEMONSTRATED)
        self.by.update(names_met)
        return names_met

    @property
    def unknown(self) -> tuple[str, ...]:
        """The students behind the run of which nobody knows what they met."""
        return tuple(dict.fromkeys(one for met in self._met.values() if met for one in met.unknown))

    def found(self, verdicts: Counter[Verdict], total: int) -> Contamination | None:
        """Return what was counted, of all verdicts; None where no student of ours and no demonstration is in it."""
        if not self.unknown and not self.verdicts and not any(self._met.values()):
            return None
        left = {name: verdicts[name] - self.verdicts[name] for name in verdicts}
        right, graded = left.get("right", 0), left.get("right", 0) + left.get("wrong", 0)
        low, high = wilson(right, graded)
        return Contamination(
            met=self.verdicts.total(),
            by=tuple(sorted(self.by)),
            unknown=self.unknown,
            right=right,
            graded=graded,
            total=total - self.verdicts.total(),
            accuracy=right / graded if graded else None,
            low=low,
            high=high,
        )

    def _lookup(self, name: str) -> None:
        if name not in self._met:
            self._met[name] = _met(self.run, name)


def _met(run: Run, name: str, depth: int = 0) -> SeenQuestions | None:
    """Return what a model of a run has met, through `recorded/RUN` to whoever answered there; None for other models."""
    own = name in (run.settings.student, run.settings.teacher)
    if name.startswith("recorded/") and depth < _DEEPEST:
        try:
            other = run.store.run(name.removeprefix("recorded/"))
        except StepdownError:
            return SeenQuestions(unknown=(name,))
        others = [_met(other, one, depth + 1) for one in (other.settings.student, other.settings.teacher) if one]
        known = [one for one in others if one is not None]
        return known[0].plus(known[1]) if len(known) > 1 else next(iter(known), None)
    try:
        # Whoever wrote plans that came from elsewhere is none of the run's own sources.
        return seen_by(name, sources=run.settings.sources if own else ())
    except StepdownError:
        return SeenQuestions(unknown=(name,))


def shows(messages: tuple[Message, ...], question: str) -> bool:
    """Whether a prompt holds a question twice: as what it asks, and in a demonstration before that."""
    wanted = words(question)
    if len(wanted) < _LEAST_WORDS:
        return False
    text = f" {' '.join(words(' . '.join(message.content for message in messages)))} "
    return text.count(f" {' '.join(wanted)} ") > 1
