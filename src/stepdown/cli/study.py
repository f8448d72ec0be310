"""`stepdown study`: a grid of students, trained and evaluated, with the N-curve."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from stepdown.cli.grid import GridOptions, Players, tasks_of
from stepdown.cli.options import (
    CHOICE,
    EndpointOptions,
    MoneyOptions,
    OutputOptions,
    ProblemOptions,
    SamplingOptions,
)
from stepdown.cli.session import Session
from stepdown.cli.tables import show_table
from stepdown.cli.terminal import say, show_json
from stepdown.cli.train import TRAINING, TrainingOptions, following
from stepdown.corpus import open_corpus
from stepdown.distill.studies import Cell, Findings, Grid, Score, score, write_findings
from stepdown.distill.training import train
from stepdown.errors import UsageError
from stepdown.problems import Problems
from stepdown.reports.figures import percent
from stepdown.store import Run, Store


@Parameter(name="*", group=CHOICE)
@dataclass(frozen=True, kw_only=True)
class StudyOptions:
    """What is compared; chains, by, target, keep may be given several times.

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
        How they are chosen: `random`, `likely`, `diverse`, `short` or `long`.
    targets
        What is learned: `chain`, `label`, `answer-first`, `shuffled`, `filler`.
    keep
        Filters that work first, such as `right` and `distinct`.
    seeds
        Students per place of the grid.
    before
        Also test the base as it is, with demonstrations and without.
    """

    base: str = ""
    test: str = ""
    out: Path | None = None
    chains: tuple[int, ...] = (1, 5)
    by: tuple[str, ...] = ("random",)
    targets: tuple[str, ...] = ("chain", "label")
    keep: tuple[str, ...] = ()
    seeds: int = 3
    before: Annotated[bool, Parameter(show_default=False)] = False

    def grid(self, corpus: Path) -> Grid:
        """Return the grid over a corpus. Raises `UsageError` where something is not said."""
        for name in ("base", "test", "out"):
            if not getattr(self, name):
                raise UsageError(f"a study needs --{name}", "stepdown study corpus/ --base M --test DATASET --out DIR")
        assert self.out is not None, "refused above"
        return Grid(
            corpus=corpus,
            out=self.out,
            keep=self.keep,
            chains=self.chains,
            by=self.by,
            targets=self.targets,
            seeds=self.seeds,
        )


OPTIONS, PROBLEMS, SAMPLING, OUTPUT = StudyOptions(), ProblemOptions(), SamplingOptions(max_tokens=256), OutputOptions()


def study(
    source: Path,
    /,
    *,
    options: StudyOptions = OPTIONS,
    settings: TrainingOptions = TRAINING,
    problems: ProblemOptions = PROBLEMS,
    sampling: SamplingOptions = SAMPLING,
    samples: int = 1,
    output: OutputOptions = OUTPUT,
) -> int:
    """Train and test a grid of students on views of one corpus.

    Parameters
    ----------
    source
        A corpus, or a .toml file with `corpus` and any of the options below by their names.
    samples
        Solutions per test problem; the majority decides (self-consistency; give --temperature, such as 0.7).
    """
    if source.suffix == ".toml":
        from stepdown.cli import main

        return main(["study", *tokens_of(source)])
    grid = options.grid(source)
    cells = grid.cells()
    test = problems.load(options.test, preferred="test")
    test.check()
    with output.open() as store:
        before = list(_before(options.base, test, sampling, store)) if options.before else []
        runs: dict[Cell, list[Run]] = {cell: [] for cell in cells}
        for number, (cell, seed) in enumerate(grid.places(), 1):
            say(f"{number}/{len(cells) * grid.seeds}: {cell.name}, seed {seed}")
            folder = _student(grid, cell, seed, options.base, settings)
            grid_options = GridOptions(method=(cell.method,), student=(str(folder),), samples=samples)
            runs[cell] += _solve(test, grid_options, sampling, store)
        found = Findings(
            base=options.base,
            test=test.dataset,
            before=tuple(before),
            scores=tuple(score(cell, some) for cell, some in runs.items()),
        )
    write_findings(found, grid.out)
    show_findings(found, as_json=output.json)
    say(f"students, table and curve lie in {grid.out}")
    return 0


def tokens_of(path: Path) -> list[str]:
    """Return the words of a command line that a .toml file stands for. Raises `UsageError`."""
    try:
        given: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read the study `{path}`: {error}", "it needs corpus, base, test and out") from error
    if not isinstance(corpus := given.pop("corpus", None), str):
        raise UsageError(f"`{path}` names no `corpus`", 'add a line such as: corpus = "corpus/"')
    tokens = [corpus]
    for name, value in given.items():
        option = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            tokens += [option] * value
        else:
            tokens += [word for one in (value if isinstance(value, list) else [value]) for word in (option, str(one))]
    return tokens


def _student(grid: Grid, cell: Cell, seed: int, base: str, settings: TrainingOptions) -> Path:
    """Return the student of a place, trained now if it is not there; one of other settings is refused."""
    content = open_corpus(grid.corpus).card.content
    chosen = replace(settings, target=cell.target, seed=seed).training(content=content)
    view, folder = grid.view(cell, seed), grid.folder(cell, seed)
    return train(view, base=base, out=folder, training=chosen, progress=following())[0]


def _solve(test: Problems, grid: GridOptions, sampling: SamplingOptions, store: Store) -> list[Run]:
    """Run the test problems; the models are closed after, so that students take memory one at a time."""
    players = Players(store, EndpointOptions())
    session = Session(tasks_of(test, grid, sampling, players), players, MoneyOptions())
    session.work()
    if session.stopped is not None:
        raise session.stopped
    return [store.run(result.run) for result in session.results]


def _before(base: str, test: Problems, sampling: SamplingOptions, store: Store) -> Iterator[Score]:
    """Test the base as it is: asked plainly step by step, and after demonstrations, as the paper did."""
    named = base if "/" in base or base.endswith(".gguf") else f"embedded/{base}"
    for method in ("chain-of-thought", "few-shot"):
        (run,) = _solve(test, GridOptions(method=(method,), student=(named,)), sampling, store)
        yield score(Cell(0, "", method), [run], name=f"before, {method}")


def show_findings(found: Findings, *, as_json: bool) -> None:
    """Write the table of a study."""
    if as_json:
        show_json(found)
        return
    header = ("students", "seeds", "right by seed, %", "mean %", "interval", "graded")
    rows = [
        (one.name, str(len(one.runs)), " ".join(percent(share) for share in one.accuracies), percent(one.mean),
         f"[{percent(one.low)}, {percent(one.high)}]", f"{one.graded}/{one.total}")
        for one in (*found.before, *found.scores)
    ]  # fmt: skip
    note = f"{found.test}, base {found.base}. interval: 95 %, over seeds and problems (pigeonhole bootstrap)."
    show_table("Study", header, rows, words=1, note=note)
