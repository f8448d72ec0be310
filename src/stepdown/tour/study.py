"""The study in the package: which runs it has, which problem its story follows, and copies of its files."""

import shutil
from importlib.resources import as_file, files
from pathlib import Path

import msgspec

from stepdown.errors import UsageError

# A folder of the package: the store, the corpus, the student's card and what `study.json` says of them.
RECORDED = files("stepdown.tour") / "recorded"
STORE, CORPUS, FACTS, CARD = "tour.sqlite", "chains", "study.json", "student-card.json"


class StudyRuns(msgspec.Struct, frozen=True, kw_only=True):
    """The ids of the study's runs.

    `direct`, `thought` and `planned` are without a teacher; `gold` has the data set's own plans and `traced` the
    teacher's; `mended` is `traced` with one plan edited; `distilled` is a trained student's, empty where none is.
    """

    direct: str
    thought: str
    planned: str
    gold: str
    traced: str
    mended: str
    distilled: str = ""


class TourExample(msgspec.Struct, frozen=True):
    """A chain of the corpus, as text; `number` is its problem's place in the corpus, from 1."""

    number: int
    question: str
    chain: str
    verdict: str


class Study(msgspec.Struct, frozen=True, kw_only=True):
    """What the study is: its day, runs, the problem whose plan is edited, a chain, and the model that was trained.

    It learned from the corpus in `steps` steps.
    """

    recorded: str
    runs: StudyRuns
    problem: str
    example: TourExample
    base: str
    steps: int


def read_study(folder: Path) -> Study:
    """Return what a copied study says of itself."""
    return msgspec.json.decode((folder / FACTS).read_bytes(), type=Study)


def copy_to(folder: Path) -> Path:
    """Copy the study into a folder that is new or empty, and return it. Raises `UsageError` for any other."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"`{folder}` is there already, and not empty", "name a folder that is not there yet")
    with as_file(RECORDED) as recorded:
        # Contents alone: an installed package may be read-only, and the copy is somebody's own.
        shutil.copytree(recorded, folder, dirs_exist_ok=True, copy_function=shutil.copyfile)
    return folder
