"""What tasting a corpus found: small students, the curve through them, odd chains, and what money buys."""

import random
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, median

import msgspec

from stepdown.errors import UsageError
from stepdown.files import write_whole
from stepdown.stats import CurveTrial, LearningCurve, learning_curves
from stepdown.tasting.purchases import Purchase
from stepdown.tasting.signs import ChainSign
from stepdown.untrusted import reading

VERSION = 1
FILE = "taste.json"
_POINT = 0.01


class TastedStudent(msgspec.Struct, frozen=True, kw_only=True):
    """A student of a part of the chains, or the base as it is, of 0.

    `right` of the `graded` dev problems are right in run `run`; `loss` is the mean loss of a token of the held-out
    chains, in nats, None where none is read.
    """

    chains: int
    problems: int
    seed: int
    steps: int
    run: str
    right: int
    graded: int
    loss: float | None = None
    seconds: float = 0.0

    @property
    def accuracy(self) -> float:
        """The share of the graded problems that are right."""
        return self.right / self.graded if self.graded else 0.0


class TasteExpectation(msgspec.Struct, frozen=True, kw_only=True):
    """What to expect of a student of so many chains, trained alike; shares are of 1.

    The medians of `learning_curves` with their 95 % intervals: of `accuracy` for one student, as a test on as many dev
    problems would find it; of its `gain` over the base as it is, and over the largest student tried (`beyond`), without
    the chance of a test. `better` is the chance that it beats the base, `loss` that of the held-out chains.
    `point` is the chance that it gains a point or more, and `point_untried` what that would be had no student been
    trained: what the curves take for granted of any corpus.
    """

    chains: int
    accuracy: float
    low: float
    high: float
    gain: float
    gain_low: float
    gain_high: float
    beyond: float
    beyond_low: float
    beyond_high: float
    better: float
    loss: float | None = None
    loss_low: float | None = None
    loss_high: float | None = None
    point: float | None = None
    point_untried: float | None = None


class Taste(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a corpus before it is bought: one of the objects of `taste --json`.

    `size` chains are thought of, `passes` times learned from each; `test` names the dev problems. `best` is the share
    of draws in which this corpus's student is the best of those that the same money buys, None where one is tasted.
    """

    corpus: str
    fingerprint: str
    base: str
    test: str
    size: int
    passes: float
    teachers: dict[str, int]
    students: tuple[TastedStudent, ...]
    expected: tuple[TasteExpectation, ...]
    signs: tuple[ChainSign, ...]
    purchases: tuple[Purchase, ...] = ()
    notes: tuple[str, ...] = ()
    best: float | None = None
    version: int = VERSION

    @property
    def full(self) -> TasteExpectation:
        """What to expect at the size that is thought of."""
        return self.expected[-1]


class TasteCurves(msgspec.Struct, frozen=True):
    """The curves through some students: of their accuracies and, where chains were held out, of their losses."""

    right: list[LearningCurve]
    losses: list[LearningCurve]
    largest: int
    problems: int
    untried: list[LearningCurve] = []

    def expect(self, size: int, *, problems: int | None = None) -> TasteExpectation:
        """Return what to expect of a student of `size` chains, tested on so many problems: as many as it is here."""
        drawing = random.Random(size)
        tested = [one.student(size, drawing, problems=problems or self.problems) for one in self.right]
        students = [one.student(size, drawing) for one in self.right]
        gains = [level - curve.at(0) for level, curve in zip(students, self.right, strict=True)]
        further = [level - curve.at(self.largest) for level, curve in zip(students, self.right, strict=True)]
        losses = [one.student(size, drawing) for one in self.losses]
        spans = [middle(some) for some in (tested, gains, further)]
        loss = middle(losses) if losses else (None, None)
        return TasteExpectation(
            chains=size,
            accuracy=median(students),
            low=spans[0][0],
            high=spans[0][1],
            gain=median(gains),
            gain_low=spans[1][0],
            gain_high=spans[1][1],
            beyond=median(further),
            beyond_low=spans[2][0],
            beyond_high=spans[2][1],
            better=fmean(gain > 0 for gain in gains),
            loss=median(losses) if losses else None,
            loss_low=loss[0],
            loss_high=loss[1],
            point=fmean(gain >= _POINT for gain in gains),
            point_untried=fmean(one.student(size, drawing) - one.at(0) >= _POINT for one in self.untried)
            if self.untried
            else None,
        )


def taste_curves(
    rights: Sequence[tuple[int, Sequence[int]]], losses: Sequence[tuple[int, Sequence[float]]] = (), *, seed: int = 0
) -> TasteCurves:
    """Return the curves through students, each given by its chains and its verdicts on the dev problems, 1 or 0.

    `losses` are the losses of the held-out chains, alike. Raises `UsageError` where no problem has a verdict of all.
    """
    if not rights or not rights[0][1]:
        raise UsageError("no dev problem is graded for all students", "look at the runs: `stepdown runs`")
    trials = [CurveTrial(size, tuple(map(float, row))) for size, row in rights]
    read = [CurveTrial(size, tuple(row)) for size, row in losses if row]
    largest = max(size for size, _ in rights)
    return TasteCurves(
        learning_curves(trials, seed=seed),
        learning_curves(read, link="loss", seed=seed) if read else [],
        largest,
        len(rights[0][1]),
        learning_curves([one for one in trials if not one.size], largest=largest, seed=seed)
        if not rights[0][0]
        else [],
    )


def best_shares(curves: Sequence[TasteCurves], sizes: Sequence[int]) -> list[float | None]:
    """Return the share of draws in which each corpus's student is the best at its size; None where there is one."""
    if len(curves) < 2:
        return [None] * len(curves)
    drawing = random.Random(0)
    draws = [[one.student(size, drawing) for one in each.right] for each, size in zip(curves, sizes, strict=True)]
    winners = [max(range(len(row)), key=row.__getitem__) for row in zip(*draws, strict=True)]
    return [winners.count(at) / len(winners) for at in range(len(curves))]


def middle(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """Return the bounds between which the middle of some values lies."""
    ordered, outside = sorted(values), (1 - confidence) / 2
    last = len(ordered) - 1
    return ordered[int(outside * last)], ordered[round((1 - outside) * last)]


def write_taste(taste: Taste, folder: Path) -> None:
    """Write what was found into a folder as `taste.json`, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / FILE, msgspec.json.format(msgspec.json.encode(taste), indent=2) + b"\n")


def taste_folder(corpus: Path) -> Path:
    """Return the usual place of a corpus's taste: beside it."""
    whole = corpus.expanduser().resolve()
    return whole.with_name(f"{whole.name}-taste")


def read_taste(folder: Path) -> Taste | None:
    """Return what a folder says of a corpus, None where it has none. Raises `UsageError` for what cannot be read."""
    path = folder / FILE
    if not path.is_file():
        return None
    with reading(f"cannot read `{path}`", "taste the corpus anew"):
        return msgspec.json.decode(path.read_bytes(), type=Taste)
