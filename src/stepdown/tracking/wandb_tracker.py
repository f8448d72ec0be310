"""wandb, offline unless `WANDB_MODE` says otherwise: `wandb sync` sends what lies in `wandb/`, when asked."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stepdown.tracking.tracker import PROJECT, Figures, Rows, Tracker

_QUIET = {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false"}


class WandbTracker:
    """Writes to `wandb/` here."""

    def __init__(self) -> None:
        for name, value in _QUIET.items():
            os.environ.setdefault(name, value)
        import wandb

        self._wandb: Any = wandb
        self._run: Any = None

    def begin(self, name: str, parameters: Mapping[str, Any]) -> None:
        """Begin a run; neither code, machine figures nor output are collected."""
        settings = self._wandb.Settings(
            save_code=False, disable_git=True, disable_code=True, x_disable_stats=True, x_disable_meta=True,
            console="off",
        )  # fmt: skip
        self._run = self._wandb.init(project=PROJECT, name=name, config=dict(parameters), settings=settings)

    def log(self, figures: Figures, step: int | None) -> None:
        """Add figures."""
        self._run.log(dict(figures), step=step)

    def table(self, name: str, rows: Rows) -> None:
        """Add a table."""
        table = self._wandb.Table(columns=[*rows[0]], data=[[*row.values()] for row in rows], allow_mixed_types=True)
        self._run.log({name: table})

    def keep(self, path: Path) -> None:
        """Keep a file as an artefact."""
        artefact = self._wandb.Artifact(path.name.replace(".", "-"), type="file")
        artefact.add_file(str(path))
        self._run.log_artifact(artefact)

    def end(self) -> None:
        """End the run."""
        self._run.finish()


def made() -> Tracker:
    """Return the tracker."""
    return WandbTracker()
