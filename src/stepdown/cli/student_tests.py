"""Students that are tested: their runs over some problems, one student after another, and the base beside them."""

from collections.abc import Sequence
from pathlib import Path

from stepdown.cli.grid import Players, tasks_of
from stepdown.cli.session import Session
from stepdown.cli.study_file import cited_study
from stepdown.errors import UsageError
from stepdown.models.weights import CATALOGUE
from stepdown.problems import Problems
from stepdown.settings import BudgetSettings, EndpointSettings, GridSettings, RunSampling
from stepdown.store import Run, RunLabels, Store


def solve(test: Problems, grid: GridSettings, sampling: RunSampling, store: Store) -> Session:
    """Run the test problems; the models are closed after, so that students take memory one at a time."""
    players = Players(store, EndpointSettings())
    labels = RunLabels(studies=cited_study())
    session = Session(tasks_of(test, grid, sampling, players), players, BudgetSettings(), labels=labels)
    session.work()
    if session.stopped is not None:
        raise session.stopped
    return session


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
