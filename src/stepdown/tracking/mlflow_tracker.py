"""mlflow: in `mlruns` here, or at `MLFLOW_TRACKING_URI`; its telemetry is off."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stepdown.tracking.tracker import PROJECT, Figures, Rows, Tracker

_LOGGED = "mlflow.loggedArtifacts"
_LONGEST = 500  # characters of a parameter
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    # A server that does not answer must not hold up a training for minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    # Without a database beside it, a folder of files is where mlflow-skinny can write.
    "MLFLOW_ALLOW_FILE_STORE": "true",
}


class MlflowTracker:
    """Writes where mlflow's own variables say, else to `mlruns` here."""

    def __init__(self) -> None:
        for name, value in _QUIET.items():
            os.environ.setdefault(name, value)
        import mlflow

        self._mlflow: Any = mlflow
        self._ids: dict[str, str] = {}
        self._tables: list[dict[str, str]] = []
        if not os.environ.get("MLFLOW_TRACKING_URI"):
            mlflow.set_tracking_uri(Path("mlruns").absolute().as_uri())

    def begin(self, name: str, parameters: Mapping[str, Any]) -> None:
        """Begin a run."""
        self._mlflow.set_experiment(PROJECT)
        self._tables = []
        known = self._ids.get(name)
        run = self._mlflow.start_run(run_id=known) if known else self._mlflow.start_run(run_name=name)
        if known:
            return
        self._ids[name] = run.info.run_id
        self._mlflow.log_params({key: str(value)[:_LONGEST] for key, value in parameters.items()})

    def log(self, figures: Figures, step: int | None) -> None:
        """Add figures."""
        self._mlflow.log_metrics(dict(figures), step=step)

    def table(self, name: str, rows: Rows) -> None:
        """Add a table, in the form that mlflow reads and shows; its own function would want pandas."""
        file = f"{name}.json"
        self._mlflow.log_dict({"columns": [*rows[0]], "data": [[*row.values()] for row in rows]}, file)
        self._tables.append({"path": file, "type": "table"})
        self._mlflow.set_tag(_LOGGED, json.dumps(self._tables))

    def keep(self, path: Path) -> None:
        """Keep a file as an artefact."""
        self._mlflow.log_artifact(str(path))

    def end(self) -> None:
        """End the run."""
        self._mlflow.end_run()


def made() -> Tracker:
    """Return the tracker."""
    return MlflowTracker()
