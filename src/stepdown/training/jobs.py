"""The students that a command asks for: settings, folder and identity of each, and whether it is there already."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from stepdown.errors import UsageError
from stepdown.models.local import BaseLocation
from stepdown.models.weights import CARD, file_hash, read_card
from stepdown.prompts import load_prompts
from stepdown.training.datasets import INCIDENTAL, OnProgress, PreparedDataset, TrainingProgress
from stepdown.training.settings import Training
from stepdown.training.students.folder import check_student_folder
from stepdown.types import Problem, fingerprint
from stepdown.version import __version__

_TOKENS = {".json", ".jinja", ".model", ".txt"}


class Job(msgspec.Struct, frozen=True):
    """One student to train: its settings with its seed, its folder, and the command's identity ('' of a stream)."""

    training: Training
    out: Path
    command: str
    force: bool
    report: OnProgress


def student_folders(out: Path, training: Training, seeds: int) -> dict[int, Path]:
    """Return the student folder of each seed. Raises `UsageError` where one cannot be written."""
    if seeds < 1:
        raise UsageError(f"`seeds` must be at least 1, not `{seeds}`", "give 1 or more")
    numbers = range(training.seed, training.seed + seeds)
    folders = {number: out / f"seed-{number}" if seeds > 1 else out for number in numbers}
    if seeds > 1 and (out / CARD).is_file():
        raise UsageError(f"`{out}` is one student, and several would lie in it", "name another folder")
    for folder in folders.values():
        check_student_folder(folder)
    return folders


def command_identity(chains: str, base: BaseLocation, training: Training, dev: Sequence[Problem] | None) -> str:
    """Return the identity known before the base is loaded; '' if the corpus is a stream, which nobody has read.

    It is this version's: another may read the same chains otherwise.
    """
    settings = msgspec.structs.replace(training, **INCIDENTAL)
    dev_ids = None if dev is None else [problem.id for problem in dev]
    prompts = load_prompts(training.prompts).fingerprint
    source = [base.name, base.source, _tokenizer_hashes(base.folder) if base.folder else []]
    return fingerprint([__version__, settings, prompts, source, chains, dev_ids]) if chains else ""


def _tokenizer_hashes(folder: Path) -> list[str]:
    """Return the hashes of what a base's folder says of tokens and templates: its source is its weights'."""
    files = sorted(path for path in folder.iterdir() if path.suffix in _TOKENS and path.name != CARD)
    return [file_hash(path) for path in files if path.is_file()]


def is_there(job: Job) -> bool:
    """Tell whether the student that lies there was trained by the same command."""
    card = read_card(job.out) if job.command and job.out.exists() else None
    return card is not None and card.training.get("command") == job.command


def report_there(job: Job) -> Path:
    """Report that a student is there, and return its folder."""
    # A process on another machine may not see the folder that the first one wrote.
    if (card := read_card(job.out) if job.out.exists() else None) is not None:
        words = f"`{job.out}` is there already"
        job.report(TrainingProgress(seed=card.seed, step=card.steps, steps=card.steps, words=words))
    return job.out


def is_same_student(job: Job, dataset: PreparedDataset) -> bool:
    """Tell whether the student of this training is there. Raises `UsageError` where another one is."""
    card = read_card(job.out) if job.out.exists() else None
    if card is None or job.force:
        return False
    same = {*dataset.identities, *(dataset.earlier_identities if card.stepdown == "0.1.0" else ())}
    if card.training.get("identity") not in same:
        hint = "name another folder with --out; `train` alone replaces a student, with --force"
        raise UsageError(f"`{job.out}` is a student of another training", hint)
    return True
