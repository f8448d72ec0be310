"""What a tracker is told, and the guard around it: a tracker that fails never stops or loses what it follows."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from stepdown.extras import require

Figures = Mapping[str, float]
# The rows of a table: their columns are the names, the same in each.
Rows = Sequence[Mapping[str, str | float | None]]
PROJECT = "stepdown"
_HOMES = {
    "trackio": "stepdown.tracking.trackio_tracker",
    "mlflow": "stepdown.tracking.mlflow_tracker",
    "wandb": "stepdown.tracking.wandb_tracker",
}
NAMES = tuple(_HOMES)


class Tracker(Protocol):
    """One tracker; each method may raise whatever its library does."""

    def begin(self, name: str, parameters: Mapping[str, Any]) -> None:
        """Begin a run with its parameters, which are plain values."""
        ...

    def log(self, figures: Figures, step: int | None) -> None:
        """Add figures at a step of the run under way, or without one."""
        ...

    def table(self, name: str, rows: Rows) -> None:
        """Add a table, of one row at least."""
        ...

    def keep(self, path: Path) -> None:
        """Keep a small file with the run under way."""
        ...

    def end(self) -> None:
        """End the run under way."""
        ...


class Tracking:
    """Tells a tracker, if there is one; its first failure is told once by `say`, and it is not asked again."""

    def __init__(self, name: str, tracker: Tracker | None, say: Callable[[str], None]) -> None:
        self.name, self._tracker, self._say = name, tracker, say
        self._open = ""

    @property
    def follows(self) -> bool:
        """Whether anybody is told."""
        return self._tracker is not None

    def begin(self, name: str, parameters: Mapping[str, Any]) -> None:
        """Begin a run, and end the one under way; nothing where it is under way already."""
        if self._open != name:
            self.end()
            self._try(lambda tracker: tracker.begin(name, parameters))
            self._open = name

    def log(self, figures: Mapping[str, float | None], step: int | None = None) -> None:
        """Add those figures that are known."""
        known = {name: float(value) for name, value in figures.items() if value is not None}
        if known:
            self._try(lambda tracker: tracker.log(known, step))

    def table(self, name: str, rows: Rows) -> None:
        """Add a table to the run under way, where it has rows."""
        if rows:
            self._try(lambda tracker: tracker.table(name, rows))

    def keep(self, path: Path) -> None:
        """Keep a file with the run under way, where it is there."""
        if path.is_file():
            self._try(lambda tracker: tracker.keep(path))

    def end(self) -> None:
        """End the run under way, if one is."""
        if self._open:
            self._try(lambda tracker: tracker.end())
        self._open = ""

    def _try(self, work: Callable[[Tracker], None]) -> None:
        if self._tracker is None:
            return
        try:
            work(self._tracker)
        except Exception as error:  # of libraries, networks and disks: nobody can list them
            self._tracker = None
            self._say(f"`{self.name}` follows no longer ({type(error).__name__}: {str(error)[:200]}); the work goes on")


def open_tracking(name: str | None, say: Callable[[str], None]) -> Tracking:
    """Return what tells a tracker, or nobody where no name is given. Raises `MissingExtra` before any work is done."""
    if name is None:
        return Tracking("", None, say)
    require([name], f"`--track {name}`")
    try:
        made: Tracker = import_module(_HOMES[name]).made()
    except Exception as error:
        say(f"`{name}` cannot follow ({type(error).__name__}: {str(error)[:200]}); the work goes on")
        return Tracking(name, None, say)
    return Tracking(name, made, say)
