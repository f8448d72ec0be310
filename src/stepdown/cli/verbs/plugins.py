"""`stepdown plugins`: what installed packages add, from where, and what of it is broken."""

from collections.abc import Callable, Collection

import msgspec

from stepdown.cli.console.tables import show_table
from stepdown.cli.console.terminal import say, show_json
from stepdown.cli.options import Json
from stepdown.corpus.selection import FILTERS, as_filter
from stepdown.errors import StepdownError, UsageError
from stepdown.exchange import FORMATS, as_exporter
from stepdown.graders import OURS, as_grader
from stepdown.methods import METHODS, as_method
from stepdown.models import TAKEN
from stepdown.plugins import KINDS, Found, Installed, installed
from stepdown.problems import as_problems, datasets
from stepdown.prompts import PROMPT_SETS, as_prompts


class Plugin(msgspec.Struct, frozen=True):
    """A line of `plugins --json`: `reference` is `module:object`, `error` says why it is left out, else ""."""

    kind: str
    name: str
    package: str
    reference: str
    error: str = ""


def _as_model(found: Found) -> object:
    if not callable(found.value):
        raise found.refused("a function that returns a model of a name")
    return found.value


CHECKS: dict[str, Callable[[Found], object]] = {
    "methods": as_method,
    "graders": as_grader,
    "models": _as_model,
    "problems": as_problems,
    "filters": as_filter,
    "prompts": as_prompts,
    "exporters": as_exporter,
}


def taken(kind: str) -> Collection[str]:
    """Return the names of a kind that are ours, which no plugin can have."""
    return {
        "methods": METHODS,
        "graders": OURS,
        "models": TAKEN,
        "problems": {one.name for one in datasets()},
        "filters": FILTERS,
        "prompts": PROMPT_SETS,
        "exporters": FORMATS,
    }[kind]


def known() -> list[Plugin]:
    """Return every plugin there is, by kind, each loaded once."""
    states = []
    for kind in KINDS:
        owners = dict.fromkeys(taken(kind), "stepdown itself")
        for one in installed(kind):
            states.append(Plugin(kind, one.name, one.package, one.reference, _error(one, owners.get(one.name, ""))))
            owners.setdefault(one.name, one.package)
    return states


def _error(one: Installed, owner: str) -> str:
    try:
        if owner:
            raise UsageError(f"its name is that of one of {owner}")
        CHECKS[one.kind](one.load())
    except StepdownError as error:
        return error.what
    return ""


def plugins(*, json: Json = False) -> int:
    """List the plugins of installed packages."""
    states = known()
    if json:
        for one in states:
            show_json(one)
        return 0
    rows = [(one.kind, one.name, one.package, one.reference) for one in states if not one.error]
    note = "Packages add them by entry points, `stepdown.methods` and so on; docs/extending.md shows how."
    if rows:
        show_table("Plugins", ("kind", "name", "package", "object"), rows, words=4, note=note)
    else:
        say("there are no plugins", note)
    say(*(f"left out: {one.kind} `{one.name}` of {one.package}: {one.error}" for one in states if one.error))
    return 0
