"""The form that is the `run` verb: what it offers, and the options that its fields stand for."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import msgspec

from stepdown.errors import StepdownError, UnknownName, UsageError
from stepdown.methods import METHODS
from stepdown.models import ADDRESSES
from stepdown.models.http import ANY
from stepdown.models.weights import CATALOGUE, find_weights
from stepdown.problems import datasets
from stepdown.prompts import PROMPT_SETS
from stepdown.runner import CONTROLS
from stepdown.store import Store
from stepdown.web.config import Config, DataSource
from stepdown.web.views.advice import on_page

Fields = Sequence[tuple[str, str]]
SOURCES = ("teacher", "own", "gold")
_RUN = re.compile(r"[0-9a-f]{4,12}")
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@+-]*(?:/[A-Za-z0-9@][A-Za-z0-9._:@+-]*)+")
_NUMBER = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,9})?")


class Number(msgspec.Struct, frozen=True):
    """A field that holds a number: its bounds, whether it is whole, and what it is before anybody fills it in."""

    label: str
    least: float
    most: float
    default: str = ""
    whole: bool = True
    hint: str = ""

    def read(self, text: str) -> str:
        """Return the number as an option takes it. Raises `UsageError`."""
        fits = _NUMBER.fullmatch(text) and self.least <= float(text) <= self.most
        if not fits or (self.whole and "." in text):
            kind = "a whole number" if self.whole else "a number"
            raise UsageError(f"`{text[:40]}` is not {kind} from {self.least:g} to {self.most:,.15g}")
        return text


NUMBERS = {
    "limit": Number("Problems", 1, 10_000_000, "20", hint="empty: all there are"),
    "offset": Number("Leave out the first", 0, 10_000_000, "0"),
    "samples": Number("Samples per problem", 1, 1000, "1", hint="the majority decides; give a temperature too"),
    "temperature": Number("Student's temperature", 0, 2, "0", whole=False, hint="0 is greedy"),
    "max_tokens": Number("Longest solution, in tokens", 1, 1_000_000, "1024"),
    "teacher_temperature": Number("Teacher's temperature", 0, 2, "0", whole=False),
    "teacher_max_tokens": Number("Longest plan, in tokens", 1, 1_000_000, "1024"),
    "budget": Number("Budget in US dollars", 0, 1_000_000, whole=False, hint="empty: no limit"),
    "max_tokens_total": Number("Most tokens in all", 1, 999_999_999_999, hint="empty: no limit"),
    "concurrency": Number("Calls at once per model", 1, 4096, hint="empty: found by trying"),
}
_DEFAULTS = {"dataset": "wordsums", "split": "", "plans": "teacher", "control": "none", "prompts": "", "review": ""}
DEFAULTS: Mapping[str, str] = _DEFAULTS | {name: number.default for name, number in NUMBERS.items()}
MANY = ("method", "student", "teacher")
MOST = 8


class Offers(msgspec.Struct, frozen=True, kw_only=True):
    """What a form may say: data sets with their splits, models, runs whose plans may be used, and fixed names."""

    config: Config
    datasets: dict[str, tuple[str, ...]]
    models: tuple[str, ...]
    runs: tuple[str, ...]
    methods: tuple[str, ...] = tuple(METHODS)
    controls: tuple[str, ...] = ("none", *CONTROLS)
    prompts: tuple[str, ...] = tuple(PROMPT_SETS)

    @property
    def splits(self) -> list[str]:
        """Every split of any data set, for suggestions."""
        return sorted({split for splits in self.datasets.values() for split in splits})


class Wish(msgspec.Struct, frozen=True):
    """A form that was filled in: options and data set of a command, or what is wrong by field."""

    options: tuple[str, ...] = ()
    dataset: str = ""
    errors: dict[str, str] = {}


def offers(store: Store, config: Config) -> Offers:
    """Return what a form may say beside this store and configuration."""
    settings = [run.settings for run in store.runs()]
    seen = {name for one in settings for name in (one.student, one.teacher) if _is_reachable(name)}
    known = {about.name: tuple(about.splits) for about in datasets()}
    return Offers(
        config=config,
        datasets=known | {name: (one.split,) if one.split else () for name, one in config.datasets.items()},
        models=tuple(sorted({*_named(config), *seen, *(f"embedded/{one.name}" for one in CATALOGUE)})),
        runs=tuple(one.id for one in reversed(settings) if one.plans),
    )


class Said(msgspec.Struct, frozen=True):
    """What was filled in, by field."""

    one: dict[str, str]
    many: dict[str, tuple[str, ...]]


def read_form(fields: Fields, offered: Offers) -> Wish:
    """Return the command a form stands for; every field that cannot be is an error beside it."""
    one = {**DEFAULTS, **{name: text.strip() for name, text in fields if name in DEFAULTS}}
    said = Said(one, {name: chosen(fields, name) for name in MANY})
    options, errors = list[str](), dict[str, str]()
    for name, part in _PARTS.items():
        try:
            options += part(said, offered)
        except StepdownError as error:
            errors[name] = at_field(error)
    if errors:
        return Wish(errors=errors)
    return Wish(tuple(options), _source(said, offered).dataset)


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
            f"`{name[:80]}` is no model a page may name",
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


def _source(said: Said, offered: Offers) -> DataSource:
    """Return a data set as the verb names it. Raises `UnknownName`."""
    name, split = said.one["dataset"], said.one["split"]
    splits = offered.datasets[_known("data set", name, offered.datasets)]
    return offered.config.datasets.get(name) or DataSource(dataset=name, split=split if splits else "")


def _dataset(said: Said, offered: Offers) -> list[str]:
    source = _source(said, offered)
    places = (("data", source.data), ("split", source.split))
    return [f"--{option}={value}" for option, value in places if value]


def _split(said: Said, offered: Offers) -> list[str]:
    """Say at its own field that a data set has no such split; the data set's part names it to the command."""
    name, split = said.one["dataset"], said.one["split"]
    if split and (splits := offered.datasets.get(name)):
        _known(f"split of `{name}`", split, splits)
    return []


def _methods(said: Said, offered: Offers) -> list[str]:
    if not said.many["method"]:
        raise UsageError("choose a method")
    return [f"--method={_known('method', one, offered.methods)}" for one in said.many["method"]]


def _students(said: Said, offered: Offers) -> list[str]:
    if not said.many["student"]:
        raise UsageError("name a student")
    return [f"--student={check_model(one, offered.config)}" for one in said.many["student"]]


def _teachers(said: Said, offered: Offers) -> list[str]:
    return [f"--teacher={check_model(one, offered.config)}" for one in said.many["teacher"]]


def _plans(said: Said, offered: Offers) -> list[str]:
    name = said.one["plans"]
    if name in SOURCES or (_RUN.fullmatch(name) and any(run.startswith(name) for run in offered.runs)):
        return [f"--plans={name}"]
    raise UsageError(f"plans cannot come from `{name[:40]}`", "choose teacher, own, gold or the id of a run with plans")


def _control(said: Said, offered: Offers) -> list[str]:
    return [f"--control={_known('control', said.one['control'], offered.controls)}"]


def _prompts(said: Said, offered: Offers) -> list[str]:
    name = said.one["prompts"]
    return [f"--prompts={_known('prompt set', name, offered.prompts)}"] if name else []


def _number(name: str, said: Said, offered: Offers) -> list[str]:
    text = said.one[name]
    return [f"--{name.replace('_', '-')}={NUMBERS[name].read(text)}"] if text else []


def _review(said: Said, offered: Offers) -> list[str]:
    return ["--review"] if said.one["review"] else []


_PARTS: dict[str, Callable[[Said, Offers], list[str]]] = {
    "dataset": _dataset,
    "split": _split,
    "method": _methods,
    "student": _students,
    "teacher": _teachers,
    "plans": _plans,
    "control": _control,
    "prompts": _prompts,
    **{name: partial(_number, name) for name in NUMBERS},
    "review": _review,
}
