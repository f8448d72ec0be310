"""The form that is the `run` verb: what it offers, and the settings that its fields give."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import msgspec

from stepdown.errors import StepdownError, UnknownName, UsageError
from stepdown.methods import METHODS
from stepdown.models import ADDRESSES
from stepdown.models.http import ANY
from stepdown.models.weights import CATALOGUE, fetched, find_weights
from stepdown.problems import datasets, is_at_hand
from stepdown.prompts import PROMPT_SETS
from stepdown.runner import CONTROLS
from stepdown.settings import (
    FORM,
    BudgetSettings,
    EndpointSettings,
    GridSettings,
    ProblemSettings,
    RunSampling,
    RunSettings,
    StoppingSettings,
    options_of,
)
from stepdown.store import Store
from stepdown.text import size
from stepdown.types import Settings
from stepdown.web.config import Config, DataSource
from stepdown.web.views.advice import on_page

Fields = Sequence[tuple[str, str]]
SOURCES = ("teacher", "own", "gold")
_RUN = re.compile(r"[0-9a-f]{4,12}")
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@+-]*(?:/[A-Za-z0-9@][A-Za-z0-9._:@+-]*)+")
S = TypeVar("S", bound=msgspec.Struct)


SECTIONS = {
    title: tuple(name for part in parts for name in options_of(part) if name in FORM)
    for title, parts in (
        ("Sampling", (GridSettings, RunSampling)),
        ("Limits", (BudgetSettings, EndpointSettings)),
        ("An early end", (StoppingSettings,)),
    )
}
_LIMIT = "20"

_DEFAULTS = {"dataset": "wordsums", "split": "", "plans": "teacher", "control": "none", "prompts": "", "review": ""}
DEFAULTS: Mapping[str, str] = (
    _DEFAULTS
    | {name: "" if one.default is None else f"{one.default:g}" for name, one in FORM.items()}
    | {"limit": _LIMIT}
)
MANY = ("method", "student", "teacher")
MOST = 8


class Offers(msgspec.Struct, frozen=True, kw_only=True):
    """What a form may say: data sets with their splits, models, runs whose plans may be used, and fixed names.

    Of each model it is said where it is; `fetched` are data sets that would be fetched from the hub.
    """

    config: Config
    datasets: dict[str, tuple[str, ...]]
    models: dict[str, str]
    fetched: frozenset[str] = frozenset()
    runs: tuple[str, ...]
    methods: tuple[str, ...] = tuple(METHODS)
    controls: tuple[str, ...] = ("none", *CONTROLS)
    prompts: tuple[str, ...] = tuple(PROMPT_SETS)

    @property
    def splits(self) -> list[str]:
        """Every split of any data set, for suggestions."""
        return sorted({split for splits in self.datasets.values() for split in splits})


class ReadForm(msgspec.Struct, frozen=True):
    """A form that was filled in: what it asks for, or what is wrong by field."""

    settings: RunSettings | None = None
    errors: dict[str, str] = {}


def offers(store: Store, config: Config) -> Offers:
    """Return what a form may say beside this store and configuration."""
    settings = [run.settings for run in store.runs()]
    used = {name for one in settings for name in (one.student, one.teacher) if _is_reachable(name)}
    known = {about.name: tuple(about.splits) for about in datasets()}
    return Offers(
        config=config,
        datasets=known | {name: (one.split,) if one.split else () for name, one in config.datasets.items()},
        models=_models({*_named(config), *used}),
        fetched=frozenset(about.name for about in datasets() if not is_at_hand(about.name)) - {*config.datasets},
        runs=tuple(one.id for one in reversed(settings) if one.plans),
    )


def _models(known: set[str]) -> dict[str, str]:
    """Return models with where they are: on this machine, or what they take first."""
    embedded = {
        f"embedded/{one.name}": "on this machine" if fetched(one.name) else f"{size(one.bytes)} to fetch"
        for one in CATALOGUE
    }
    return dict(sorted({**dict.fromkeys(known, ""), **embedded}.items()))


def with_local(offered: Offers, names: Iterable[str]) -> Offers:
    """Return what a form may say with models that servers on this machine have now."""
    here = {name: "a server of this machine" for name in names if _MODEL.fullmatch(name)}
    return msgspec.structs.replace(offered, models=dict(sorted({**offered.models, **here}.items())))


def fields_like(settings: Settings, offered: Offers) -> list[tuple[str, str]]:
    """Return the fields of a form that asks for a run like one that is there, as far as a form can say it."""
    name, _, split = settings.dataset.partition("/")
    way = settings.plans.partition("+")[0].removeprefix("recorded/")
    fields = {
        "dataset": name if name in offered.datasets else "",
        "split": split if split in offered.splits else "",
        "limit": str(settings.count),
        "method": settings.method if settings.method in offered.methods else "",
        "student": settings.student if _is_reachable(settings.student) else "",
        "teacher": settings.teacher if way == "teacher" and _is_reachable(settings.teacher) else "",
        "plans": way.removeprefix("recorded/")
        if way in SOURCES or _RUN.fullmatch(way.removeprefix("recorded/"))
        else "",
        "control": settings.control.partition("@")[0],
        "prompts": settings.prompt_set if settings.prompt_set in offered.prompts[1:] else "",
        "samples": str(settings.samples),
        "temperature": f"{settings.sampling.temperature:g}",
        "max_tokens": str(settings.sampling.max_tokens),
        "teacher_temperature": f"{settings.teacher_sampling.temperature:g}",
        "teacher_max_tokens": str(settings.teacher_sampling.max_tokens),
    }
    return [(name, text) for name, text in fields.items() if text]


def read_form(fields: Fields, offered: Offers) -> ReadForm:
    """Return the run that a form asks for; collects one error per invalid field."""
    one = {**DEFAULTS, **{name: text.strip() for name, text in fields if name in DEFAULTS}}
    many = {name: chosen(fields, name) for name in MANY}
    values, errors = dict[str, Any](), dict[str, str]()
    for name, read in _READ.items():
        try:
            values[name] = read(one[name] if name in one else many[name], offered)
        except StepdownError as error:
            errors[name] = at_field(error)
    if "dataset" in values:
        try:
            values["source"] = _source(one["dataset"], one["split"], offered)
        except StepdownError as error:
            errors["split"] = at_field(error)
    return ReadForm(errors=errors) if errors else ReadForm(_settings(values, one))


def _settings(values: Mapping[str, Any], one: Mapping[str, str]) -> RunSettings:
    def part(kind: type[S], **more: object) -> S:
        given = {name: values[name] for name in kind.__struct_fields__ if values.get(name) not in (None, "")}
        return kind(**(given | more))

    source: DataSource = values["source"]
    data = {name: value for name, value in (("data", source.data), ("split", source.split)) if value}
    return RunSettings(
        dataset=source.dataset,
        problems=part(ProblemSettings, **data),
        grid=part(GridSettings),
        sampling=part(RunSampling),
        budget=part(BudgetSettings),
        endpoint=part(EndpointSettings),
        stopping=part(StoppingSettings),
        review=bool(one["review"]),
    )


def at_field(error: StepdownError) -> str:
    """Return what a field of the form says of an error, in the words of the form."""
    hint = on_page(error.hint, form=True)
    return f"{error.what}; {hint}" if hint else error.what


def chosen(fields: Fields, name: str) -> tuple[str, ...]:
    """Return the values of a repeated field, each once, at most eight."""
    values = (text.strip() for key, text in fields if key == name)
    return tuple(dict.fromkeys(text for text in values if text))[:MOST]


def check_model(name: str, config: Config) -> str:
    """Return a model string that a page may name. Raises `UsageError`: pages reach no file of their own choice."""
    if name in _named(config):
        return name
    if not _MODEL.fullmatch(name) or ".." in name or name.endswith(".gguf"):
        raise UsageError(
            f"`{name[:80]}` cannot be named on a page",
            "give `provider/model` or `embedded/NAME`; list folders and files under `students` in stepdown.toml",
        )
    provider, _, rest = name.partition("/")
    if provider == "embedded":
        return f"embedded/{find_weights(rest).name}"
    return name if provider in ANY else f"{_known('provider', provider, ADDRESSES)}/{rest}"


def _named(config: Config) -> set[str]:
    """Return the models a configuration names."""
    players = {name for one in config.models.values() for name in (one.student, one.teacher, one.planner)}
    return {*config.students, *players} - {""}


def _is_reachable(name: str) -> bool:
    try:
        return bool(check_model(name, Config()))
    except StepdownError:
        return False


def _known(what: str, name: str, names: Iterable[str]) -> str:
    if name not in names:
        raise UnknownName(what, name[:80], names)
    return name


def _source(name: str, split: str, offered: Offers) -> DataSource:
    """Return a data set as the verb names it. Raises `UnknownName` for a split that it does not have."""
    splits = offered.datasets[name]
    if split and splits:
        _known(f"split of `{name}`", split, splits)
    return offered.config.datasets.get(name) or DataSource(dataset=name, split=split if splits else "")


def _dataset(name: str, offered: Offers) -> str:
    return _known("data set", name, offered.datasets)


def _methods(names: tuple[str, ...], offered: Offers) -> tuple[str, ...]:
    if not names:
        raise UsageError("choose a method")
    return tuple(_known("method", one, offered.methods) for one in names)


def _students(names: tuple[str, ...], offered: Offers) -> tuple[str, ...]:
    if not names:
        raise UsageError("name a student")
    return _teachers(names, offered)


def _teachers(names: tuple[str, ...], offered: Offers) -> tuple[str, ...]:
    return tuple(check_model(one, offered.config) for one in names)


def _plans(name: str, offered: Offers) -> tuple[str, ...]:
    if name in SOURCES or (_RUN.fullmatch(name) and any(run.startswith(name) for run in offered.runs)):
        return (name,)
    raise UsageError(f"plans cannot come from `{name[:40]}`", "choose teacher, own, gold or the id of a run with plans")


def _control(name: str, offered: Offers) -> tuple[str, ...]:
    return (_known("control", name, offered.controls),)


def _prompts(name: str, offered: Offers) -> str:
    return _known("prompt set", name, offered.prompts) if name else ""


def _setting(name: str, text: str, offered: Offers) -> object:
    return FORM[name].parse(text)


_READ: dict[str, Callable[[Any, Offers], object]] = {
    "dataset": _dataset,
    "method": _methods,
    "student": _students,
    "teacher": _teachers,
    "plans": _plans,
    "control": _control,
    "prompts": _prompts,
    **{name: partial(_setting, name) for name in FORM},
}
