"""`stepdown models`: what can answer, and getting a small model for this machine."""

import msgspec
from cyclopts import App, Parameter

from stepdown.cli.console.tables import show_table
from stepdown.cli.console.terminal import show, show_json
from stepdown.cli.downloads import download, size_of
from stepdown.cli.endpoint_checks import Reached, reach
from stepdown.cli.options import Flag, Json
from stepdown.cli.overview import example_of, give_examples
from stepdown.errors import UsageError
from stepdown.models.local import made_forms, remove_forms
from stepdown.models.weights import CATALOGUE, fetched, find_weights
from stepdown.text import counted

app = App(
    name="models",
    help="List models that can be reached, or get one for this machine.",
    default_parameter=Parameter(negative=()),
    help_format="plaintext",
    version_flags=(),
    help_epilogue=example_of("models"),
)


class ReachableModel(msgspec.Struct, frozen=True):
    """A line of `models --json`: a model string that can be used, or could after `models get`."""

    model: str
    here: bool
    note: str = ""


@app.default
def models(*, json: Json = False) -> int:
    """List the models of the catalogue and of every endpoint that answers."""
    reached = reach()
    if json:
        for one in [*catalogue(), *offered(reached)]:
            show_json(one)
        return 0
    rows = [(one.model, "here" if one.here else "not here", one.note) for one in catalogue()]
    note = "Get one with `stepdown models get NAME`; first use gets it too."
    show_table("Models for this machine", ("model", "", "what"), rows, words=3, note=note)
    for endpoint in reached:
        show("", headline(endpoint), *(f"  {endpoint.name}/{model}" for model in endpoint.models or ()))
    return 0


def headline(one: Reached) -> str:
    """Return what is known of an endpoint, on one line."""
    if one.models is None:
        return f"{one.name}: {one.why}"
    return f"{one.name} at {one.address}: {counted(len(one.models), 'model')}"


def catalogue() -> list[ReachableModel]:
    """Return the models of the catalogue."""
    return [
        ReachableModel(
            f"embedded/{one.name}", fetched(one.name) is not None, f"{one.role}; {size_of(one).partition(': ')[2]}"
        )
        for one in CATALOGUE
    ]


def offered(reached: list[Reached]) -> list[ReachableModel]:
    """Return the models that endpoints offer."""
    return [ReachableModel(f"{one.name}/{model}", True) for one in reached for model in one.models or ()]


@app.command(usage="Usage: stepdown models get NAME...")
def get(*names: str) -> int:
    """Get models of the catalogue for this machine; each is checked by its SHA-256.

    Parameters
    ----------
    names
        Names, such as `qwen2.5-coder-0.5b`.
    """
    if not names:
        raise UsageError("no model is given", "name one: " + ", ".join(f"`{one.name}`" for one in CATALOGUE))
    weights = [find_weights(name.removeprefix("embedded/")) for name in names]
    download(f"embedded/{one.name}" for one in weights)
    for one in weights:
        show(f"embedded/{one.name} is at {fetched(one.name)}")
    return 0


class Tidied(msgspec.Struct, frozen=True):
    """A line of `models tidy --json`: a form of some weights, its size, and whether it was removed."""

    path: str
    bytes: int
    removed: bool


@app.command
def tidy(*, all: Flag = False, json: Json = False) -> int:
    """Remove what was made of weights to load them faster and no installed version reads; weights stay.

    Parameters
    ----------
    all
        Remove every such form: those that are needed are made again, in a minute each.
    """
    forms = made_forms()
    gone = [one for one in forms if all or not one.read]
    remove_forms(gone)
    if json:
        for one in forms:
            show_json(Tidied(str(one.path), one.bytes, one in gone))
        return 0
    show_table(
        "Made of weights",
        ("form", "GB", ""),
        [(one.path.name, f"{one.bytes / 1e9:.2f}", "removed" if one in gone else "kept") for one in forms],
        words=1,
        note=f"removed {sum(one.bytes for one in gone) / 1e9:.2f} of {sum(one.bytes for one in forms) / 1e9:.2f} GB.",
    )
    return 0


give_examples(app)
