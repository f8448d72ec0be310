"""A study of distillation: a grid of N x selection x target x seed, what each student scored, and the N-curve."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from statistics import fmean

import msgspec

from stepdown.corpus import TARGETS, Corpus, open_corpus
from stepdown.errors import MissingExtra, UnknownName, UsageError
from stepdown.files import replacing, write_whole
from stepdown.graders import majority_grade
from stepdown.methods import CHAIN_OF_THOUGHT, DIRECT
from stepdown.models.weights import StudentScore as Tested
from stepdown.models.weights import read_card
from stepdown.runner import TrainingOverlap
from stepdown.stats import crossed_difference, crossed_interval, holm
from stepdown.store import Run
from stepdown.text import in_markdown
from stepdown.training.students.folder import write_card
from stepdown.types import StudyFile, Verdict

ALL = 0
VERSION = 1


class Cell(msgspec.Struct, frozen=True):
    """One place of the grid: `chains` per problem (0: all there are), chosen `by`, learned as `target`."""

    chains: int
    by: str
    target: str

    @property
    def name(self) -> str:
        """The cell in a folder's name: `chain-n5-random`."""
        return f"{self.target}-all" if self.chains == ALL else f"{self.target}-n{self.chains}-{self.by}"

    @property
    def filters(self) -> tuple[str, ...]:
        """The filters that make this cell's view of the corpus."""
        # A label is the teacher's vote, which all chains have a part in.
        return () if self.chains == ALL or self.target == "label" else (f"per-problem={self.chains}:{self.by}",)

    @property
    def method(self) -> str:
        """The method its student is asked by; a trained student's words are the same for all."""
        return (DIRECT if self.target == "label" else CHAIN_OF_THOUGHT).name


class StudyGrid(msgspec.Struct, frozen=True, kw_only=True):
    """What a study compares: views of one corpus, kept by `keep` first; nothing is sampled again.

    `chains` are the numbers N of chains per problem, `by` how they are chosen, `targets` what is learned. A label is
    the vote of all chains of a problem, whatever the N.
    """

    corpus: Path
    out: Path
    keep: tuple[str, ...] = ()
    chains: tuple[int, ...] = (1, 5, 30)
    by: tuple[str, ...] = ("random",)
    targets: tuple[str, ...] = ("chain",)
    seeds: int = 3

    def cells(self) -> list[Cell]:
        """Return the cells in order, each once. Raises `UsageError` for a grid that has none."""
        if min(len(self.chains), len(self.by), len(self.targets)) == 0 or self.seeds < 1 or min(self.chains) < 0:
            raise UsageError("the grid has no cell", "give numbers of chains from 0 (all) on, and 1 seed or more")
        grid = (
            Cell(1, self.by[0], target) if target == "label" else Cell(chains, by, target)
            for target, by, chains in product(self.targets, self.by, self.chains)
        )
        return list(dict.fromkeys(msgspec.structs.replace(one, by="") if one.chains == ALL else one for one in grid))

    def check(self) -> None:
        """Raise, before anything is trained or asked, where a cell cannot be: corpus, filters, targets.

        Raises `UsageError` and `UnknownName`.
        """
        learned = {name: learned_text for name, learned_text in TARGETS.items() if name != "plan"}
        for target in self.targets:
            if target not in learned:
                raise UnknownName("target of a study", target, learned)
        for cell in self.cells():
            if self.view(cell, 0).card.content == "plan":
                raise UsageError(
                    f"`{self.corpus}` holds plans, and a study asks its students for solutions",
                    "`stepdown train` it, and compare planners with `stepdown run --teacher STUDENT`",
                )

    def view(self, cell: Cell, seed: int) -> Corpus:
        """Return the chains a cell's student learns from; each seed chooses its own."""
        return open_corpus(self.corpus).keep(*self.keep, *cell.filters, seed=seed)

    def folder(self, cell: Cell, seed: int) -> Path:
        """Return where a cell's student of one seed lies."""
        return self.out / cell.name / f"seed-{seed}"

    def places(self) -> Iterator[tuple[Cell, int]]:
        """Stream the trainings in order: all cells of one seed before the next seed, so that a part is a study too."""
        cells = self.cells()
        for seed in range(self.seeds):
            for cell in cells:
                yield cell, seed


class CellScore(msgspec.Struct, frozen=True, kw_only=True):
    """What the students of one cell got right on the test problems; shares are of 1.

    `runs` and `accuracies` are by seed; `low` and `high` a 95 % interval, over problems with one seed, else over seeds
    and problems (`crossed_interval`). `met` of the graded problems were in a student's lessons, by question; `without`
    is the mean over the others, None where there are none.
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


class CellComparison(msgspec.Struct, frozen=True, kw_only=True):
    """A cell of the grid beside the one it is tested against, over the problems that all their runs have graded.

    Seeds are paired too. `difference` (new - old) is a share of 1, with its 95 % interval and p, over problems with one
    seed (exact McNemar test), else over seeds and problems (`crossed_difference`); `p_holm` is adjusted over the study.
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


class StudyFindings(msgspec.Struct, frozen=True, kw_only=True):
    """What a study found: the object of `study --json`; `before` is the base as it was, where it was asked.

    `study` is the study file that it came from, None where options were typed.
    """

    base: str
    test: str
    scores: tuple[CellScore, ...]
    before: tuple[CellScore, ...] = ()
    compared: tuple[CellComparison, ...] = ()
    study: StudyFile | None = None
    version: int = VERSION

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
    comparisons = []
    for cell, own in runs.items():
        other = _opposite(cell, [one for one, some in runs.items() if some])
        if other is not None and own:
            comparisons.append(_compared(cell, own, other, runs[other]))
    tested = [one for one in comparisons if one.problems]
    adjusted = holm([one.p for one in tested])
    return tuple(msgspec.structs.replace(one, p_holm=p) for one, p in zip(tested, adjusted, strict=True))


def _opposite(cell: Cell, cells: Sequence[Cell]) -> Cell | None:
    def fewer(other: Cell) -> bool:
        return other.target == cell.target and _size(other) < _size(cell) and cell.by in ("", other.by)

    def otherwise(other: Cell) -> bool:
        return other.chains == cell.chains and (other.target == cell.target or other.by == cell.by)

    earlier = [other for other in cells[: cells.index(cell)] if otherwise(other)] if cell in cells else []
    return min(filter(fewer, cells), key=_size, default=None) or next(iter(earlier), None)


def _size(cell: Cell) -> tuple[bool, int]:
    return cell.chains == ALL, cell.chains


def _compared(cell: Cell, own: Sequence[Run], other: Cell, others: Sequence[Run]) -> CellComparison:
    seeds = min(len(own), len(others))
    new, old = ([_verdicts(run) for run in runs[:seeds]] for runs in (own, others))
    known = _known([*new, *old])
    difference = crossed_difference(_table(new, known), _table(old, known))
    return CellComparison(
        name=cell.name,
        against=other.name,
        seeds=seeds,
        problems=len(known),
        difference=difference.value,
        low=difference.low,
        high=difference.high,
        p=difference.p,
    )


def _known(verdicts: Sequence[Mapping[str, Verdict]]) -> list[str]:
    """The problems that all runs have graded."""
    return [one for one in verdicts[0] if all(some.get(one, "ungraded") != "ungraded" for some in verdicts)]


def _table(verdicts: Sequence[Mapping[str, Verdict]], known: Sequence[str]) -> list[list[int]]:
    return [[int(some[one] == "right") for one in known] for some in verdicts]


def _verdicts(run: Run) -> dict[str, Verdict]:
    return {some[0][0].problem.id: majority_grade(some).verdict for some in run.by_problem()}


def add_score_to_card(folder: Path, run: Run) -> None:
    """Put what a student got right in a run on its card, in the place of an earlier score on the same problems.

    Problems are counted; of several samples the majority decides.
    """
    card = read_card(folder)
    if card is None:
        return
    name, verdicts = run.settings.dataset, list(_verdicts(run).values())
    right, ungraded = verdicts.count("right"), verdicts.count("ungraded")
    total = max(len(verdicts), run.settings.count)
    tested = Tested(dataset=name, step=card.step, right=right, graded=len(verdicts) - ungraded, total=total)
    others = tuple(one for one in card.test if one.dataset != name)
    write_card(folder, msgspec.structs.replace(card, test=(*others, tested)))


def write_study(study: StudyFindings, out: Path) -> None:
    """Write `study.json`, `study.md` and, where charts can be drawn, the N-curve `curve.png` into a folder.

    Each is there whole or not at all: the same command, with more seeds, writes them anew.
    """
    out.mkdir(parents=True, exist_ok=True)
    encoded = msgspec.json.format(msgspec.json.encode(study), indent=2) + b"\n"
    for name, body in (("study.json", encoded), ("study.md", markdown(study).encode())):
        with replacing(out / name, True) as part:
            part.write_bytes(body)
    draw_scores(study.scores, out / "curve.png")


def markdown(study: StudyFindings) -> str:
    """Return the table of a study as Markdown."""
    rows = [
        f"| {in_markdown(one.name)} | {len(one.runs)} | {' '.join(f'{100 * share:.1f}' for share in one.accuracies)} | "
        f"{100 * one.mean:.1f} [{100 * one.low:.1f}, {100 * one.high:.1f}] | {one.graded}/{one.total} |"
        for one in (*study.before, *study.scores)
    ]
    head = ["| students | seeds | right by seed, % | mean, 95 % interval | graded |", "|---|---:|---|---|---:|"]
    lines = [
        f"# {in_markdown(study.base)} on {in_markdown(study.test)}",
        "",
        *head,
        *rows,
        "",
        f"Intervals are {study.over}.",
    ]
    lines += [f"\nFrom {in_markdown(str(study.study))}."] if study.study else []
    lines += [f"\n**{in_markdown(line)}**" for line in contamination_lines(study)]
    if study.compared:
        lines += ["", "| students | against | problems | difference, 95 % interval | p | p (Holm) |"]
        lines += ["|---|---|---:|---|---:|---:|", *map(_line, study.compared), "", TESTED]
    return "\n".join(lines) + "\n"


TESTED = (
    "Differences are in percentage points, on the problems that both have graded; the p of one seed is that of the"
    " exact McNemar test, of several it is over seeds and problems."
)


def _line(one: CellComparison) -> str:
    interval = f"{100 * one.difference:+.1f} [{100 * one.low:+.1f}, {100 * one.high:+.1f}]"
    chances = " | ".join("<.001" if p < 0.0005 else f"{p:.3f}" for p in (one.p, one.p_holm))
    return f"| {in_markdown(one.name)} | {in_markdown(one.against)} | {one.problems} | {interval} | {chances} |"


def draw_scores(scores: Sequence[CellScore], target: Path) -> bool:
    """Draw accuracy by N with intervals, a line per target and choice, as a png; False where nothing can draw it."""
    try:
        import vl_convert

        from stepdown.training.charts import scores_chart
    except (ImportError, MissingExtra):
        return False
    write_whole(target, vl_convert.vegalite_to_png(scores_chart(scores).to_dict(), scale=2))
    return True
