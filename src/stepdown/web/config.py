"""What `stepdown.toml` says: models served by a name, data sets and students a page may offer."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from stepdown.errors import StepdownError, UsageError
from stepdown.methods import load_method
from stepdown.models import find_in_config
from stepdown.settings import RunSampling, Share
from stepdown.toml_files import read_toml
from stepdown.types import GREEDY, Kind

FILE = "stepdown.toml"
_HINT = "docs/serving.md shows what it may say"


class Served(RunSampling, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A method behind a name of one's own: who plays which role, and how its text is drawn.

    `planner` makes it a cascade: it writes the plan first and the student draws `votes` solutions; `teacher` is asked
    only where the largest share of equal answers stays below `threshold`. `kind` is what an answer is, for the votes.
    `handed_on` of `calibrated_on` problems went on to the teacher when the threshold was chosen: a served cascade that
    hands on another share raises an alarm. Without them none is raised.
    """

    method: str
    student: str
    teacher: str = ""
    planner: str = ""
    prompts: str = ""
    # The default of `Sampling` itself: what equals it, and is not it, is part of a run's identity.
    top_p: Share = GREEDY.top_p
    votes: Annotated[int, Meta(ge=2)] = 5
    threshold: Annotated[float, Meta(gt=0, le=1)] = 0.6
    kind: Kind = "number"
    handed_on: Annotated[int, Meta(ge=0)] = 0
    calibrated_on: Annotated[int, Meta(ge=0)] = 0

    def check(self) -> None:
        """Refuse players that the method has no role for. Raises `UsageError`, `UnknownName`; loads nothing."""
        method = load_method(self.method)
        if method.shows_examples:
            raise UsageError(
                f"`{self.method}` needs demonstrations, which a served model does not have", "choose another method"
            )
        if (self.planner and method.plan is None) or (self.teacher and not method.asks_teacher):
            raise UsageError(f"`{self.method}` has no plan, so it takes no teacher and no planner", "leave them out")
        if self.planner and not self.teacher:
            raise UsageError("a cascade needs a teacher besides its planner", "name a `teacher` in stepdown.toml")
        if self.handed_on > self.calibrated_on or (self.calibrated_on and not self.planner):
            raise UsageError(
                f"`handed_on = {self.handed_on}` of `calibrated_on = {self.calibrated_on}` calibrates no cascade",
                "paste both from `stepdown calibrate`, or leave both out",
            )


class DataSource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A data set in a file, under a name that a page may offer: what `stepdown run` takes as options."""

    dataset: str
    data: str = ""
    split: str = ""


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Models by the name clients ask for, data sets by the name pages show, paths of students a page may run.

    `bases` are the models a page may train students from besides the embedded ones, folders and `.gguf` files among
    them; `origins` are the sites whose pages may ask the endpoint from a browser.
    """

    models: dict[str, Served] = {}
    datasets: dict[str, DataSource] = {}
    students: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()


def fleets_of(settings: dict[str, Any]) -> list[str]:
    """Return the names of tables of `[models]` that name a fleet's servers: they are no served methods."""
    tables = settings.get("models")
    named = tables.items() if isinstance(tables, dict) else ()
    return [name for name, table in named if isinstance(table, dict) and "servers" in table]


def load_config(path: Path | None = None) -> Config:
    """Return what a file says, `stepdown.toml` in the working folder where none is named; it need not be there.

    Raises `UsageError` for a named file that is missing, and for one that says something unknown or impossible.
    """
    file = path or Path(FILE)
    if path is None and not file.exists():
        return Config()
    settings = read_toml(file, dict[str, Any], "", _HINT)
    for name in fleets_of(settings):
        find_in_config(name, file)
        del settings["models"][name]
    try:
        config = msgspec.convert(settings, Config)
    except msgspec.ValidationError as error:
        raise UsageError(f"cannot read `{file}`: {error}", _HINT) from error
    for name, served in config.models.items():
        try:
            served.check()
        except StepdownError as error:
            raise UsageError(f"`[models.{name}]` of `{file}`: {error.what}", error.hint) from error
    return config
