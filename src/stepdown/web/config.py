"""What `stepdown.toml` says: models served by a name, data sets and students a page may offer."""

from pathlib import Path

import msgspec

from stepdown.errors import UsageError
from stepdown.types import Kind

FILE = "stepdown.toml"


class Served(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A method behind a name of one's own: who plays which role, and how.

    `planner` makes it a cascade: it writes the plan first and the student draws `votes` solutions; `teacher` is asked
    only where the largest share of equal answers stays below `threshold`. `kind` is what an answer is, for the votes.
    """

    method: str
    student: str
    teacher: str = ""
    planner: str = ""
    prompts: str = ""
    temperature: float = 0.0
    max_tokens: int = 1024
    teacher_max_tokens: int = 1024
    votes: int = 5
    threshold: float = 0.6
    kind: Kind = "number"


class DataSource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A data set in a file, under a name that a page may offer: what `stepdown run` takes as options."""

    dataset: str
    data: str = ""
    split: str = ""


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Models by the name clients ask for, data sets by the name pages show, paths of students a page may run."""

    models: dict[str, Served] = {}
    datasets: dict[str, DataSource] = {}
    students: tuple[str, ...] = ()


def load_config(path: Path | None = None) -> Config:
    """Return what a file says, `stepdown.toml` in the working folder where none is named; it need not be there.

    Raises `UsageError` for a named file that is missing, and for one that says something unknown.
    """
    place = path or Path(FILE)
    if path is None and not place.exists():
        return Config()
    try:
        return msgspec.toml.decode(place.read_bytes(), type=Config)
    except (OSError, msgspec.MsgspecError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"cannot read `{place}`: {said}", "docs/serving.md shows what it may say") from error
