"""The state of a training under way: its log and its checkpoints, each there whole or not at all."""

import json
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stepdown.errors import UsageError
from stepdown.files import locked, write_whole
from stepdown.training.sharding import OPTIMIZER, SCHEDULER
from stepdown.training.world import World

IDENTITY, LOG, PARTIAL, LOCK = "identity", "log.jsonl", "partial", "lock"
_STEP = "step-"

LogRow = dict[str, Any]


class Checkpoints:
    """The folder of a training under way, beside the student folder it will become.

    `identity` stands for corpus, base and settings: a folder of another training is never gone on with.
    """

    def __init__(self, out: Path) -> None:
        self.folder = out.with_name(f".{out.name}.training")
        self.log = self.folder / LOG

    @contextmanager
    def held(self) -> Iterator[None]:
        """Make the folder, for this process alone; raise `UsageError` where another one trains in it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with locked(self.folder / LOCK, f"another process trains in `{self.folder}`"):
            yield

    def begin(self, identity: str, *, also: Collection[str] = (), force: bool = False) -> None:
        """Begin in the folder, or go on with it; raise `UsageError` where another training was interrupted in it.

        `also` are identities that earlier versions gave the same training.
        """
        mark = self.folder / IDENTITY
        known = mark.read_text() if mark.exists() else None
        if known is not None and known in also:
            return
        if known not in (None, identity) and not force:
            raise UsageError(
                f"another training was interrupted in `{self.folder}`",
                "repeat that command to go on with it, or `--force` to throw it away and start this one",
            )
        if known != identity:
            self._clear()
            write_whole(mark, identity.encode())

    def _clear(self) -> None:
        """Remove what an earlier training left; the lock stays."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in self.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name != LOCK:
                path.unlink()

    def end(self) -> None:
        """Remove the folder: the student is written."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def checkpoint(self, step: int) -> Path:
        """Return where the checkpoint of a step is, or would be."""
        return self.folder / f"{_STEP}{step}"

    def steps(self) -> list[int]:
        """Return the steps that have a whole checkpoint, in order."""
        numbers = (path.name.removeprefix(_STEP) for path in self.folder.glob(f"{_STEP}*"))
        return sorted(int(step) for step in numbers if step.isdigit())

    def check_seen(self, steps: list[int], world: World) -> None:
        """Raise `UsageError` where a process does not see the checkpoint that all are to go on with."""
        if steps and not world.least((last := self.checkpoint(steps[-1])).is_dir()):
            raise UsageError(
                f"not every process sees `{last}`, with which the training goes on",
                "train on one machine, or into a folder on a disk that all machines share",
            )

    def partial(self) -> Path:
        """Return an empty folder to write the next checkpoint in."""
        path = self.folder / PARTIAL
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        return path

    def accept(self, step: int, best: int) -> None:
        """Put the partial checkpoint in its place, on disk, and remove all but it and the weights of the best."""
        partial, target = self.folder / PARTIAL, self.checkpoint(step)
        for path in partial.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        shutil.rmtree(target, ignore_errors=True)
        partial.replace(target)
        for other in self.steps():
            if other not in (step, best):
                shutil.rmtree(self.checkpoint(other))
            elif other != step:
                # Nothing goes on from there, and Adam's moments are twice the weights.
                for name in (OPTIMIZER, SCHEDULER):
                    (self.checkpoint(other) / name).unlink(missing_ok=True)

    def append(self, row: LogRow) -> None:
        """Add a row to the log."""
        with self.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def rows(self) -> list[LogRow]:
        """Return the log's rows; a last line that a kill cut off is none."""
        if not self.log.exists():
            return []
        lines = self.log.read_text(encoding="utf-8").splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def rewind(self, step: int) -> list[LogRow]:
        """Cut the log off after a step, whole or not at all, and return what is left of it."""
        rows = [row for row in self.rows() if row["step"] <= step]
        partial = self.log.with_suffix(".part")
        partial.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        partial.replace(self.log)
        return rows


def best_step(rows: list[LogRow]) -> int | None:
    """Return the step with the most right dev problems, of equals the one of least loss there, else the earlier one.

    None where dev was never asked; only an objective that does not solve dev problems has a loss there.
    """
    scored = [row for row in rows if "dev" in row]
    return (
        max(scored, key=lambda row: (row["right"], -row.get("dev_loss", 0), -row["step"]))["step"] if scored else None
    )
