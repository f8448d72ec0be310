"""What a shell can put in for verbs and options, from the commands themselves and the names that are known."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from cyclopts import App

from stepdown.cli import VERBS, app
from stepdown.completion import SCRIPTS, OptionWords, TypedWords, VerbWords
from stepdown.corpus import STUDIED, TARGETS
from stepdown.corpus.selection import FILTERS
from stepdown.exchange import FORMATS, TUNING_FORMATS
from stepdown.methods import METHODS
from stepdown.models import ADDRESSES
from stepdown.models.weights import CATALOGUE
from stepdown.plugins import names as plugged_in
from stepdown.problems import datasets
from stepdown.prompts import PROMPT_SETS
from stepdown.runner import CONTROLS

_MODEL = "embedded|student|provider|models|file"
# What a place or an option takes, by its name; `,` after a kind: several with commas.
_TAKES = {
    **dict.fromkeys(("run", "runs", "cheap", "dear", "against", "baseline", "contrast"), "run"),
    **dict.fromkeys(("dataset", "test"), "datasets|problems"),
    **dict.fromkeys(("student", "teacher", "judge", "embedded"), _MODEL),
    **dict.fromkeys(("tag", "tags"), "tag"),
    "source": "run|corpus|student",
    **dict.fromkeys(("more", "names"), "run"),
    "word": "run|corpus|student|file",
    "servers": "file",
    "corpus": "corpus",
    "filters": "filters",
    "keep": "filters",
    "base": "base|student|file",
    "method": "methods,",
    "plans": "plans,|run|file",
    "control": "controls,",
    "grader": "graders",
    "prompts": "prompts|file",
    "targets": "studied,",
    "target": "targets",
    "to": "formats",
    "verb": "verbs",
    "shell": "shells",
}


def completion_words() -> TypedWords:
    """Return all that can be typed; nothing is asked over a network, and no plugin is loaded."""
    return {"verbs": {verb: _verb(app[verb]) for verb in VERBS}, "values": _values()}


def _values() -> dict[str, list[str]]:
    graders = ["default", "strict", "lenient", "numeric", "choice", "text", "expression", "last-number", "box-first"]
    values = {
        "datasets": [*(one.name for one in datasets()), *plugged_in("problems")],
        "methods": ["all", *METHODS, *plugged_in("methods")],
        "embedded": [f"embedded/{one.name}" for one in CATALOGUE],
        "provider": [f"{name}/" for name in ADDRESSES],
        "models": plugged_in("models"),
        "base": [one.name for one in CATALOGUE],
        "plans": ["teacher", "own", "gold"],
        "controls": ["none", *CONTROLS],
        "graders": [*graders, *plugged_in("graders")],
        "prompts": [*PROMPT_SETS, *plugged_in("prompts")],
        "filters": [*FILTERS, *plugged_in("filters")],
        "targets": [*TARGETS],
        "studied": [*STUDIED],
        "formats": [*FORMATS, *TUNING_FORMATS, "gguf"],
        "verbs": [*VERBS],
        "shells": [*SCRIPTS],
    }
    return {kind: list(dict.fromkeys(some)) for kind, some in values.items()} | dict(_literals())


def _literals() -> Iterator[tuple[str, list[str]]]:
    """Yield the words of options with a few fixed ones, each a kind of its own."""
    for verb in VERBS:
        for argument in app[verb].assemble_argument_collection():
            if words := _choices(argument.hint):
                yield "=".join(words), list(words)


def _verb(command: App) -> VerbWords:
    arguments = [one for one in command.assemble_argument_collection(parse_docstring=True) if one.show]
    places = [one for one in arguments if one.index is not None]
    own = {name: inner for name, inner in command.resolved_commands().items() if not name.startswith("-")}
    return {
        "help": _first_words(command.help),
        "options": dict(_options(arguments)),
        "places": [_takes(one) for one in places],
        "many": bool(places) and get_origin(places[-1].hint) is tuple,
        "commands": {name: _verb(inner) for name, inner in own.items()},
    }


def _options(arguments: list[Any]) -> Iterator[tuple[str, OptionWords]]:
    for one in (one for one in arguments if one.index is None):
        about: OptionWords = {
            "help": _first_words(one.parameter.help),
            "takes": _takes(one),
            "flag": one.hint is bool,
        }
        yield from ((name, about) for name in one.names if not name.startswith(("--no-", "--empty-")))
    yield "--help", {"help": "What it takes.", "takes": "", "flag": True}


def _takes(argument: Any) -> str:
    """Return the kinds of words that a place or an option takes, with `|` between; "" where nobody can know."""
    if words := _choices(argument.hint):
        return "=".join(words)
    name = str(argument.names[0]).removeprefix("--").replace("-", "_").lower()
    kinds = (argument.hint, *get_args(argument.hint))
    if name == "source" and Path in kinds:
        return "corpus|problems"  # of `study`, which takes a study file too
    return _TAKES.get(name, "file" if Path in kinds else "")


def _choices(hint: Any) -> tuple[str, ...]:
    for one in (hint, *get_args(hint)):
        if get_origin(one) is Literal:
            return tuple(map(str, get_args(one)))
    return ()


def _first_words(text: str | None) -> str:
    """Return the first sentence of a help text, on one line."""
    words = " ".join((text or "").split())
    return words.partition(". ")[0].partition("; ")[0].removesuffix(".")[:100]
