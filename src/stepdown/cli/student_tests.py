"""Students that are tested: their runs over some problems, one student after another, and the base beside them."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from stepdown.cli.console.terminal import say
from stepdown.cli.grid import Players, tasks_of
from stepdown.cli.session import Session
from stepdown.cli.study_file import cited_study
from stepdown.errors import UsageError
from stepdown.models.local import load_left_out
from stepdown.models.weights import CATALOGUE
from stepdown.problems import Problems
from stepdown.settings import BudgetSettings, EndpointSettings, GridSettings, RunSampling
from stepdown.store import Run, RunLabels, Store
from stepdown.training import restore_weights


def solve(test: Problems, grid: GridSettings, sampling: RunSampling, store: Store) -> Session:
    """Run the test problems; the models are closed after, so that students take memory one at a time.

    A student whose weights were left out gets them back, if it has an answer left to give.
    """
    players = Players(store, EndpointSettings())
    for name in grid.student:
        if (student := load_left_out(name, partial(_restore, Path(name)))) is not None:
            players.loaded[name] = student
    labels = RunLabels(studies=cited_study())
    session = Session(tasks_of(test, grid, sampling, players), players, BudgetSettings(), labels=labels)
    session.work()
    if session.stopped is not None:
        raise session.stopped
    return session


def _restore(folder: Path) -> None:
    say(f"{folder}: putting its weights together again")
    restore_weights(folder)


def runs_of(session: Session) -> Sequence[Run]:
    """Return the runs that a session worked on."""
    return [session.store.run(result.run) for result in session.results]


def untrained(base: str, *, needed: str) -> str:
    """Return the model string of an untrained base. Raises `UsageError` for one that only the hub has.

    `needed` is what tests it.
    """
    if base.startswith("embedded/") or Path(base).exists():
        return base
    if any(one.name == base for one in CATALOGUE):
        return f"embedded/{base}"
    raise UsageError(
        f"`{needed}` cannot test `{base}`: there is no such file or folder", "download it and give the folder's path"
    )
