"""`stepdown study`: a grid of students, trained and evaluated, with the N-curve."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Literal

import msgspec
from cyclopts import Parameter

from stepdown.cli.console.interrupts import end_with_stdin
from stepdown.cli.console.tables import show_table
from stepdown.cli.console.terminal import say, show, show_json
from stepdown.cli.from_settings import verb
from stepdown.cli.options import CHOICE, Flag, OutputOptions
from stepdown.cli.problem_choice import load_chosen
from stepdown.cli.student_tests import runs_of, solve, untrained
from stepdown.cli.study_file import cited_study
from stepdown.cli.tracked import Track, track_results, track_students, track_study
from stepdown.cli.verbs.train import TRAINING, TrainingOptions, following
from stepdown.cli.work_options import WorkOptions
from stepdown.corpus import Corpus
from stepdown.errors import UsageError
from stepdown.models.weights import read_card
from stepdown.object_stores import refuse_address
from stepdown.problems import Problems
from stepdown.settings import (
    GridSettings,
    ProblemSettings,
    RunSampling,
    StudySampling,
    chosen,
)
from stepdown.store import Run, Store
from stepdown.text import between, chance, counted, percent, points
from stepdown.tracking import open_tracking
from stepdown.training import (
    TESTED,
    Cell,
    CellComparison,
    CellScore,
    StudyFindings,
    StudyGrid,
    add_score_to_card,
    at_equal_tokens,
    cell_score,
    check_content,
    compare_cells,
    compare_pairs,
    contamination_lines,
    half_widths,
    launched,
    leave_out_weights,
    refuse_overlap,
    train,
    write_study,
)
from stepdown.workers import SerialPool, WorkerPool


@Parameter(name="*", group=CHOICE)
@dataclass(frozen=True, kw_only=True)
class StudyOptions:
    """What is compared; chains, by, targets, keep, beside may be given several times.

    Parameters
    ----------
    base
        The model that every student begins as.
    test
        The problems every student is tested on, such as `wordsums`; --split, -n and --data choose among them.
    out
        A folder for the students, the table and the curve.
    chains
        N: chains per problem; 0 means all there are.
    by
        How they are chosen: `random`, `likely`, `diverse`, `short`, `long`, or `open-ended` (1 to 9, the more where
        they differ more; 5 on the mean).
    targets
        What is learned: `chain`, `label`, `answer-first`, `shuffled`, `filler`.
    keep
        Filters that work first, such as `right` and `distinct`.
    beside
        Other corpora, each a place of its own, whole: the teacher's greedy chains, another teacher's, unverified ones.
    equal
        What all students have alike: `steps`, or `tokens` read (as many as the first place's --steps).
    seeds
        Students per place of the grid.
    before
        Also test the base as it is, with demonstrations and without.
    adapters_only
        Keep of a student that is tested its adapter alone, a few hundredths of it; base and adapter make its weights
        again where another test needs them, and in `stepdown export STUDENT --to student`.
    """

    base: str = ""
    test: str = ""
    out: Path | None = None
    chains: tuple[int, ...] = (1, 5)
    by: tuple[str, ...] = ("random",)
    targets: tuple[str, ...] = ("chain", "label")
    keep: tuple[str, ...] = ()
    beside: tuple[Path, ...] = ()
    equal: Literal["steps", "tokens"] = "steps"
    seeds: int = 3
    before: Flag = False
    adapters_only: Flag = False

    def grid(self, corpus: Path) -> StudyGrid:
        """Return the grid over a corpus. Raises `UsageError` where something is not said."""
        for name in ("base", "test", "out"):
            if not getattr(self, name):
                raise UsageError(f"a study needs --{name}", "stepdown study corpus/ --base M --test DATASET --out DIR")
        assert self.out is not None, "refused above"
        refuse_address(self.out, "write the students here; `stepdown publish` takes one to the hub")
        return StudyGrid(
            corpus=corpus,
            out=self.out,
            keep=self.keep,
            chains=self.chains,
            by=self.by,
            targets=self.targets,
            seeds=self.seeds,
            beside=self.beside,
            equal=self.equal,
        )


def draw_tests(solving: StudySampling) -> RunSampling:
    """Return how test problems are solved. Raises `UsageError` for several samples that would all be the same."""
    if solving.samples > 1 and solving.temperature == 0:
        raise UsageError(
            f"`{solving.samples}` greedy samples would all be the same",
            "several samples need --temperature, such as 0.7",
        )
    return chosen(solving.sampling())


OPTIONS, PROBLEMS, SOLVING = StudyOptions(), ProblemSettings(), StudySampling()
WORK, OUTPUT = WorkOptions(), OutputOptions()


@verb
def study(
    source: Path,
    /,
    *,
    options: StudyOptions = OPTIONS,
    settings: TrainingOptions = TRAINING,
    problems: ProblemSettings = PROBLEMS,
    solving: StudySampling = SOLVING,
    work: WorkOptions = WORK,
    track: Track = None,
    output: OutputOptions = OUTPUT,
) -> int:
    """Train and test a grid of students on views of one corpus.

    Parameters
    ----------
    source
        A corpus, or a .toml file with `corpus` and any of the options below by their names; options on the command
        line take precedence over the file's.
    track
        Tell a tracker of each student's settings, curve and files, of its test, and of the tables: `trackio` (the
        usual), `mlflow` or `wandb` (docs/integrations.md).
    """
    tracking = open_tracking(track, say)
    if launched() > 1:
        raise UsageError(
            f"a study tests its students in one process, and a launcher started `{launched()}`",
            "train each student by `torchrun --nproc_per_node N -m stepdown train ...`, then `stepdown run` it",
        )
    end_with_stdin()
    grid, sampling = options.grid(source), draw_tests(solving)
    if options.adapters_only and settings.full:
        raise UsageError("`--full` trains no adapter to keep", "leave out --adapters-only, or --full")
    cells = _checked_cells(grid, settings)
    test = load_chosen(problems, options.test, preferred="test")
    test.check()
    _check_corpora(grid, test, settings, named=f"{options.test}={problems.data}" if problems.data else options.test)
    base = untrained(options.base, needed="--before") if options.before else ""
    with output.open() as store, work.open(whole=True) as pool:
        before = list(_before(base, test, sampling, store)) if base else []
        runs: dict[Cell, list[Run]] = {cell: [] for cell in cells}
        total = len(cells) * grid.seeds
        for number, (cell, folder) in enumerate(_trained(grid, options, settings, pool, on=work.on), 1):
            grid_options = GridSettings(method=(cell.method,), student=(str(folder),), samples=solving.samples)
            session = solve(test, grid_options, sampling, store)
            runs[cell] += runs_of(session)
            track_students(tracking, [folder], curves=True)
            track_results(tracking, session.results, store)
            add_score_to_card(folder, runs[cell][-1], studies=cited_study())
            if options.adapters_only:
                _leave_out(folder)
            # After each student that was asked now, so that a study that is stopped leaves the table of what it has.
            if number == total or any(result.calls for result in session.results):
                findings = _findings(grid, options.base, test, before, runs)
                write_study(findings, grid.out)
    track_study(tracking, findings, grid.out)
    show_findings(findings, as_json=output.json)
    say(f"students, table and curve lie in {grid.out}")
    return int(any(one.graded < one.total for one in (*findings.before, *findings.scores)))


def _checked_cells(grid: StudyGrid, settings: TrainingOptions) -> Sequence[Cell]:
    """Return the cells of a grid, each of which can be trained on every corpus. Raises `UsageError`."""
    grid.check()
    for cell in grid.cells():
        training = settings.training(cell.target)
        training.check()
        for corpus in grid.corpora():
            check_content(corpus, training)
    return grid.cells()


def _findings(
    grid: StudyGrid, base: str, test: Problems, before: Sequence[CellScore], runs: Mapping[Cell, list[Run]]
) -> StudyFindings:
    """Return the table of the students that were tested until now."""
    return StudyFindings(
        base=base,
        test=test.dataset,
        before=tuple(before),
        scores=tuple(_score(grid, one, some) for one, some in runs.items() if some),
        compared=compare_cells(runs),
        pairs=compare_pairs(runs),
        study=next(iter(cited_study()), None),
    )


def _leave_out(student: Path) -> None:
    """Keep of a tested student its adapter alone, where that makes its weights again; else say why it keeps them."""
    try:
        leave_out_weights(student)
    except UsageError as kept:
        say(f"{kept.what}; {kept.hint}")


def _check_corpora(grid: StudyGrid, test: Problems, settings: TrainingOptions, *, named: str) -> None:
    """Refuse corpora that ask test questions, and say which places of the grid learn the same chains."""
    for corpus in grid.corpora():
        check_apart(corpus, test, settings, named=named)
    for cell, other in grid.alike():
        why = "" if cell.source else ", as no problem has more"
        say(f"{cell.name} learns the very chains of {other.name}{why}: beside it, it says nothing")


def check_apart(corpus: Corpus, test: Problems, settings: TrainingOptions, *, named: str) -> None:
    """Refuse a corpus that asks test questions, or whose teachers were trained on them.

    Raises `UsageError` unless `--allow test`, which has the results say how many there are.
    """
    prepared, name = corpus.prepared(), test.dataset
    trained = prepared.questions | prepared.behind
    overlap = refuse_overlap(trained, test, name, named=named, allow=settings.allow)
    if overlap:
        say(f"{len(overlap):,} problems of `{name}` are trained on; the scores without them stand beside")


def _trained(
    grid: StudyGrid, options: StudyOptions, settings: TrainingOptions, pool: WorkerPool, *, on: str | None
) -> Iterator[tuple[Cell, Path]]:
    """Stream the cells in the order of the grid's places with their students, of which workers train many at once."""
    base, places, quiet = options.base, list(grid.places()), not isinstance(pool, SerialPool)
    shared = msgspec.structs.replace(grid, corpus=grid.corpus.resolve(), out=grid.out.resolve()) if on else grid
    if on and Path(base).exists():
        base = str(Path(base).resolve())

    def announced() -> Iterator[tuple[Cell, int]]:
        for number, (cell, seed) in enumerate(places, 1):
            say(f"{number}/{len(places)}: {cell.name}, seed {seed}")
            yield cell, seed

    train_one = partial(_student, shared, base, settings, quiet)
    students = pool.map(train_one, announced(), name=lambda place: f"{place[0].name}, seed {place[1]}")
    warned = options.adapters_only
    for (cell, seed), _ in zip(places, students, strict=True):
        folder = grid.folder(cell, seed)
        if not folder.is_dir():
            raise UsageError(
                f"a node wrote `{folder}` on a disk of its own", "give an --out that lies at one path on every node"
            )
        warned = warned or _warn_of_room(folder, [grid.folder(*place) for place in places])
        yield cell, folder


def _warn_of_room(student: Path, folders: Sequence[Path]) -> bool:
    """Say once, by the size of a student, that the disk has no room for those that are not there yet, if it has not."""
    size = sum(file.stat().st_size for file in student.rglob("*") if file.is_file())
    left, free = sum(not folder.exists() for folder in folders), shutil.disk_usage(student).free
    if size * left <= free:
        return False
    say(
        f"the {counted(left, 'student')} that are left take about {size * left / 1e9:.1f} GB, and {free / 1e9:.1f} GB "
        "are free: stop, and repeat the command with --adapters-only, or make room"
    )
    return True


def _student(grid: StudyGrid, base: str, settings: TrainingOptions, quiet: bool, place: tuple[Cell, int]) -> None:
    """Train the student of a place, if it is not there; one of other settings is refused."""
    cell, seed = place
    chosen = settings.training(cell.target, seed=seed)
    if grid.equal == "tokens":
        first = grid.cells()[0]
        usual = settings.training(first.target, seed=seed)
        chosen = at_equal_tokens(chosen, grid.view(cell, seed), grid.view(first, seed), usual_training=usual, base=base)
    progress = None if quiet else following()
    train(grid.view(cell, seed), base=base, out=grid.folder(cell, seed), training=chosen, progress=progress)


def _score(grid: StudyGrid, cell: Cell, runs: list[Run]) -> CellScore:
    """Return a cell's score with what its students were trained by, as their cards say it."""
    cards = [card for seed in range(len(runs)) if (card := read_card(grid.folder(cell, seed))) is not None]
    steps, tokens = (
        round(fmean(some)) if some else 0 for some in ([c.steps for c in cards], [c.tokens for c in cards])
    )
    return msgspec.structs.replace(cell_score(cell, runs), steps=steps, tokens=tokens)


def _before(base: str, test: Problems, sampling: RunSampling, store: Store) -> Iterator[CellScore]:
    """Test the base as it is: asked plainly step by step, and after demonstrations, as the paper did."""
    methods = ("chain-of-thought", "few-shot")
    runs = runs_of(solve(test, GridSettings(method=methods, student=(base,)), sampling, store))
    for method, run in zip(methods, runs, strict=True):
        yield cell_score(Cell(0, "", method), [run], name=f"before, {method}")


def show_findings(findings: StudyFindings, *, as_json: bool) -> None:
    """Write the table of a study."""
    if as_json:
        show_json(findings)
        return
    header = ("students", "seeds", "right by seed, %", "mean %", "interval", "graded")
    rows = [
        (one.name, str(len(one.runs)), " ".join(percent(share) for share in one.accuracies), percent(one.mean),
         f"[{percent(one.low)}, {percent(one.high)}]", f"{one.graded}/{one.total}")
        for one in (*findings.before, *findings.scores)
    ]  # fmt: skip
    show_table(
        "Study", header, rows, words=1, note=f"{findings.test}, base {findings.base}. interval: 95 %, {findings.over}."
    )
    show(*contamination_lines(findings))
    show(*([f"From {findings.study}."] if findings.study else []))
    if findings.compared:
        tested = (
            "students",
            "against",
            "seeds",
            "problems",
            "difference",
            "±, seeds x 2, problems x 2",
            "p",
            "p (Holm)",
        )
        show("")
        show_table("Tested", tested, map(_compared_cells, findings.compared), words=2, note=TESTED)
    if len(findings.pairs) > len(findings.compared):
        show("every two places are compared in the table that is written")


def _compared_cells(one: CellComparison) -> tuple[str, ...]:
    interval = points(one.difference) + between(points(one.low), points(one.high))
    widths = ", ".join(percent(width) for width in half_widths(one) if width is not None)
    chances = chance(one.p), chance(one.p_holm)
    return one.name, one.against, str(one.seeds), str(one.problems), interval, widths, *chances
