"""trackio: a local database that `trackio show` draws; never a Space, a server or a bucket of the hub."""

import os
from collections.abc import Mapping
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from stepdown.tracking.tracker import PROJECT, Figures, Rows, Tracker

# By these it would send what it is told; here nobody asked for that.
_ELSEWHERE = ("SPACE_ID", "SERVER_URL", "BUCKET_ID", "DATASET_ID", "WEBHOOK_URL")


class TrackioTracker:
    """Writes to trackio's own folder; what it prints would stand among a command's data."""

    def __init__(self) -> None:
        for name in _ELSEWHERE:
            os.environ.pop(f"TRACKIO_{name}", None)
        os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
        with redirect_stdout(StringIO()):
            import trackio
        self._trackio: Any = trackio

    def begin(self, name: str, parameters: Mapping[str, Any]) -> None:
        """Begin a run, or go on with the one of this name."""
        with redirect_stdout(StringIO()):
            self._trackio.init(
                project=PROJECT, name=name, config=dict(parameters), resume="allow", embed=False,
                auto_log_gpu=False, auto_log_cpu=False,
            )  # fmt: skip

    def log(self, figures: Figures, step: int | None) -> None:
        """Add figures."""
        with redirect_stdout(StringIO()):
            self._trackio.log(dict(figures), step=step)

    def table(self, name: str, rows: Rows) -> None:
        """Add a table."""
        with redirect_stdout(StringIO()):
            self._trackio.log({name: self._trackio.Table(data=[dict(row) for row in rows])})

    def keep(self, path: Path) -> None:
        """Keep a file as an artefact."""
        with redirect_stdout(StringIO()):
            self._trackio.log_artifact(path, name=path.name, type="file")

    def end(self) -> None:
        """End the run."""
        with redirect_stdout(StringIO()):
            self._trackio.finish()


def made() -> Tracker:
    """Return the tracker."""
    return TrackioTracker()
