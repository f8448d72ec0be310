"""What a study of distillation found: what each student scored, the places compared, and the N-curve."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from statistics import fmean

import msgspec

from stepdown.graders import majority_grade
from stepdown.models.weights import StudentScore as Tested
from stepdown.models.weights import read_card
from stepdown.runner import TrainingOverlap
from stepdown.stats import crossed_difference, crossed_half_width, crossed_interval, holm
from stepdown.store import Run
from stepdown.training.students.card_files import write_card
from stepdown.training.study_grid import ALL, Cell
from stepdown.types import StudyFile, Verdict

VERSION = 1


class CellScore(msgspec.Struct, frozen=True, kw_only=True):
    """What the students of one cell got right on the test problems; shares are of 1.

    `runs` and `accuracies` are by seed; `low` and `high` a 95 % interval, over problems with one seed, else over seeds
    and problems (`crossed_interval`). `met` of the graded problems were in a student's lessons, by question; `without`
    is the mean over the others, None where there are none. `source` names the corpus beside the study's own; `steps`
    and `tokens` are what a student of this cell was trained by on the mean, 0 where no card says it.
    """

    name: str
    chains: int
    by: str
    target: str
    runs: tuple[str, ...]
    accuracies: tuple[float, ...]
    mean: float
    low: float
    high: float
    graded: int
    total: int
    met: int = 0
    without: float | None = None
    source: str = ""
    steps: int = 0
    tokens: int = 0


class CellComparison(msgspec.Struct, frozen=True, kw_only=True):
    """A cell of the grid beside the one it is tested against, over the problems that all their runs have graded.

    Seeds are paired too. `difference` (new - old) is a share of 1, with its 95 % interval and p, over problems with one
    seed (exact McNemar test), else over seeds and problems (`crossed_difference`); `p_holm` is adjusted over the table
    it stands in. With several seeds `twice_seeds` and `twice_problems` are the half widths to expect of that interval
    with twice as many (`crossed_half_width`).
    """

    name: str
    against: str
    seeds: int
    problems: int
    difference: float
    low: float
    high: float
    p: float
    p_holm: float = 1.0
    twice_seeds: float | None = None
    twice_problems: float | None = None

    @property
    def half_width(self) -> float:
        """Half the width of the interval, a share of 1."""
        return (self.high - self.low) / 2


class StudyFindings(msgspec.Struct, frozen=True, kw_only=True):
    """What a study found: the object of `study --json`; `before` is the base as it was, where it was asked.

    `compared` are the places that differ in one thing, `pairs` every two places of the grid; each adjusts its own p.
    `study` is the study file that it came from, None where options were typed.
    """

    base: str
    test: str
    scores: tuple[CellScore, ...]
    before: tuple[CellScore, ...] = ()
    compared: tuple[CellComparison, ...] = ()
    study: StudyFile | None = None
    version: int = VERSION
    pairs: tuple[CellComparison, ...] = ()

    @property
    def over(self) -> str:
        """What the intervals are over, in words."""
        seeds = {len(one.runs) for one in (*self.before, *self.scores)}
        if max(seeds, default=1) < 2:
            return "over problems (one seed says nothing of how far another would differ)"
        alone = " where there are several, else over problems" if 1 in seeds else ""
        return f"over seeds and problems{alone}"


def cell_score(cell: Cell, runs: Sequence[Run], *, name: str = "") -> CellScore:
    """Return the score of a cell from the runs of its seeds over the same problems.

    Several samples of a problem count by their majority. A problem that any seed has ungraded is left out of
    `mean`, `low` and `high`, as if it had not been asked.
    """
    verdicts = [_verdicts(run) for run in runs]
    known = _known(verdicts)
    table = _table(verdicts, known)
    low, high = crossed_interval(table)
    contaminated = contaminated_problems(runs) & set(known)
    others = _table(verdicts, [one for one in known if one not in contaminated])
    return CellScore(
        name=name or cell.name,
        chains=cell.chains,
        by=cell.by,
        target=cell.target,
        runs=tuple(run.id for run in runs),
        accuracies=tuple(fmean(row) if row else 0.0 for row in table),
        mean=fmean(fmean(row) for row in table) if known else 0.0,
        low=low,
        high=high,
        graded=len(known),
        total=max(len(verdicts[0]), runs[0].settings.count),
        met=len(contaminated),
        without=fmean(map(fmean, others)) if others[0] else None,
        source=cell.source,
    )


def contaminated_problems(runs: Sequence[Run]) -> set[str]:
    """Return the ids of problems that the lessons behind any of these runs met."""
    ids: set[str] = set()
    for lessons in map(TrainingOverlap, runs):
        if lessons.may_meet:
            ids |= {trace.problem.id for trace in lessons.run.traces() if lessons.meeting(trace)}
    return ids


def contamination_lines(study: StudyFindings) -> list[str]:
    """Return a line for each score of which a part was trained on, with the mean without that."""
    return [
        f"{one.name}: {one.met:,} of {one.graded:,} problems were trained on; without them "
        + ("nothing is left" if one.without is None else f"{100 * one.without:.1f} %")
        for one in (*study.before, *study.scores)
        if one.met
    ]


def compare_cells(runs: Mapping[Cell, Sequence[Run]]) -> tuple[CellComparison, ...]:
    """Test each cell against the one it differs from in one thing: the fewest chains, else the first target or choice.

    So N = 5 is tested against N = 1. Cells without such a one, or without a problem that all have graded, are left out.
    """
    there = [cell for cell, own in runs.items() if own]
    opposites = [(cell, _opposite(cell, there)) for cell in there]
    return _tested(runs, [(cell, other) for cell, other in opposites if other is not None])


def compare_pairs(runs: Mapping[Cell, Sequence[Run]]) -> tuple[CellComparison, ...]:
    """Test every two cells of a grid, the later against the earlier, over the problems that both have graded."""
    there = [cell for cell, own in runs.items() if own]
    return _tested(runs, [(cell, other) for other, cell in combinations(there, 2)])


def _tested(runs: Mapping[Cell, Sequence[Run]], pairs: Sequence[tuple[Cell, Cell]]) -> tuple[CellComparison, ...]:
    comparisons = [_compared(cell, runs[cell], other, runs[other]) for cell, other in pairs]
    tested = [one for one in comparisons if one.problems]
    adjusted = holm([one.p for one in tested])
    return tuple(msgspec.structs.replace(one, p_holm=p) for one, p in zip(tested, adjusted, strict=True))


def _opposite(cell: Cell, cells: Sequence[Cell]) -> Cell | None:
    def fewer(other: Cell) -> bool:
        alike = (other.target, other.source) == (cell.target, cell.source)
        return alike and _size(other) < _size(cell) and cell.by in ("", other.by)

    def otherwise(other: Cell) -> bool:
        if cell.source:
            return other.target == cell.target
        return other.chains == cell.chains and (other.target == cell.target or other.by == cell.by)

    earlier = [other for other in cells[: cells.index(cell)] if otherwise(other)] if cell in cells else []
    return min(filter(fewer, cells), key=_size, default=None) or next(iter(earlier), None)


def _size(cell: Cell) -> tuple[bool, int]:
    return cell.chains == ALL, cell.chains


def _compared(cell: Cell, own: Sequence[Run], other: Cell, others: Sequence[Run]) -> CellComparison:
    seeds = min(len(own), len(others))
    new, old = ([_verdicts(run) for run in runs[:seeds]] for runs in (own, others))
    known = _known([*new, *old])
    rights, others_right = _table(new, known), _table(old, known)
    difference = crossed_difference(rights, others_right)
    changes = [
        [one - other for one, other in zip(*rows, strict=True)] for rows in zip(rights, others_right, strict=True)
    ]
    twice = _expected(changes, (difference.high - difference.low) / 2)
    return CellComparison(
        name=cell.name,
        against=other.name,
        seeds=seeds,
        problems=len(known),
        difference=difference.value,
        low=difference.low,
        high=difference.high,
        p=difference.p,
        twice_seeds=twice[0],
        twice_problems=twice[1],
    )


def _expected(changes: Sequence[Sequence[int]], half_width: float) -> tuple[float | None, float | None]:
    """The half widths to expect with twice the seeds and with twice the problems; None where one seed cannot say."""
    if min(len(changes), len(changes[0])) < 2:
        return None, None
    seeds, problems = len(changes), len(changes[0])
    now = crossed_half_width(changes, seeds=seeds, problems=problems)
    more = (
        crossed_half_width(changes, seeds=seeds * one, problems=problems * other) for one, other in ((2, 1), (1, 2))
    )
    # By their ratio: the interval itself is a score interval, a little wider.
    by_seeds, by_problems = (half_width * one / now if now else half_width for one in more)
    return by_seeds, by_problems


def _known(verdicts: Sequence[Mapping[str, Verdict]]) -> list[str]:
    """The problems that all runs have graded."""
    return [one for one in verdicts[0] if all(some.get(one, "ungraded") != "ungraded" for some in verdicts)]


def _table(verdicts: Sequence[Mapping[str, Verdict]], known: Sequence[str]) -> list[list[int]]:
    return [[int(some[one] == "right") for one in known] for some in verdicts]


def _verdicts(run: Run) -> dict[str, Verdict]:
    return {some[0][0].problem.id: majority_grade(some).verdict for some in run.by_problem()}


def add_score_to_card(folder: Path, run: Run, *, studies: Sequence[StudyFile] = ()) -> None:
    """Put what a student got right in a run on its card, in the place of an earlier score on the same problems.

    Problems are counted; of several samples the majority decides. The `studies` that trained it are added to those it
    names.
    """
    card = read_card(folder)
    if card is None:
        return
    name, verdicts = run.settings.dataset, list(_verdicts(run).values())
    right, ungraded = verdicts.count("right"), verdicts.count("ungraded")
    total = max(len(verdicts), run.settings.count)
    tested = Tested(dataset=name, step=card.step, right=right, graded=len(verdicts) - ungraded, total=total)
    others = tuple(one for one in card.test if one.dataset != name)
    # The same file by another name says nothing new.
    known = {(one.sha256, one.options): one for one in card.studies}
    for one in studies:
        known.setdefault((one.sha256, one.options), one)
    write_card(folder, msgspec.structs.replace(card, test=(*others, tested), studies=tuple(known.values())))
