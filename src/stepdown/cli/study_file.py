"""A study file as a source of a command's options: `stepdown run FILE.toml`, `stepdown study FILE.toml`.

Its keys are the options of the command by their names, and what the command is given first: a `dataset` for `run`, a
`corpus` for `study`. Options of the command line go before those of the file. A relative path is one from the file's
folder; what lies only in the working folder is taken from there. A task file of lm-evaluation-harness is such a
source too: `stepdown run gsm8k.yaml` has its problems, its prompts as the method, its first filter as the grader, and
draws as it says.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import msgspec
from cyclopts import App, Argument, ArgumentCollection, Group

from stepdown.errors import StepdownError, UsageError, closest
from stepdown.plugins import is_task_file
from stepdown.text import json_line
from stepdown.toml_files import read_toml
from stepdown.types import StudyFile

# What the command is given first, and an example of it.
FIRST = {"run": ("dataset", "gsm8k"), "study": ("corpus", "corpus/")}
_MADE = {"--out", "--store"}  # paths that need not be there
_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text in quotes"}
_places: ContextVar[Mapping[str, str]] = ContextVar("where in a study file options stand")
_replaces: ContextVar[bool] = ContextVar("whether the command line has options of the study file otherwise")


_cited: ContextVar[tuple[StudyFile, ...]] = ContextVar("the study file of this command")
# Groups of options by which nothing that comes out can change.
_WITHOUT_EFFECT = {"Output", "Money", "Endpoint", "Work"}


def forget_study() -> None:
    """Forget the study file of an earlier command of this process."""
    _places.set({})
    _replaces.set(False)
    _cited.set(())


def cited_study() -> tuple[StudyFile, ...]:
    """Return the study file that this command was given, if it was given one."""
    return _cited.get(())


def overruled(option: str) -> bool:
    """Whether an option stands in the study file alone, while the command line has another of the file's otherwise."""
    return option in _places.get({}) and _replaces.get(False)


def located(error: StepdownError) -> StepdownError:
    """Return an error with the place in the study file of the option that is at fault, if it stands in one."""
    if place := _places.get({}).get(error.option):
        error.what = f"{error.what} (set in {place})"
    return error


def read_study(verb: str, arguments: ArgumentCollection) -> tuple[Path, dict[str, Any]] | None:
    """Return the study file that a command is given with the options in it, checked; None where it is given none.

    Raises `UsageError` with the line for an option that the command does not have, or a value of another type.
    """
    source = next(one for one in arguments if one.index == 0)
    if not source.tokens or not source.tokens[0].value.endswith(".toml"):
        return None
    path, first = Path(source.tokens[0].value), FIRST[verb][0]
    given = read_toml(path, dict[str, Any], "the study file", "`stepdown init` writes one")
    lines = _lines_of(path, given)
    _check_first(path, verb, given, lines)
    named = {name.removeprefix("--"): one for one in arguments for name in one.names if name.startswith("--")}
    placed, found = {}, {}
    for key, value in given.items():
        argument = source if key == first else named.get(key.replace("_", "-"))
        if argument is None or key.startswith(("no-", "empty-")):
            near = closest(key, [name.replace("-", "_") for name in named if not name.startswith(("no-", "empty-"))])
            hint = f"did you mean `{near[0]}`?" if near else f"`stepdown help {verb}` lists what it can have"
            raise UsageError(f"{lines[key]}: there is no `{key}`", hint)
        found[key] = _value(value, argument, lines[key], path.parent)
        if not argument.tokens or argument is source:
            placed["DATASET" if argument is source else argument.names[0]] = lines[key]
    _places.set(placed)
    _replaces.set(len(placed) < len(found))
    _cited.set((StudyFile(hashlib.sha256(path.read_bytes()).hexdigest(), path.name, _beside(arguments)),))
    return path, found


def study_file(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Give the options of a command that the command line leaves out as its study file has them.

    Raises `UsageError`.
    """
    verb = commands[0]
    if (read := read_study(verb, arguments) or _read_task(verb, arguments)) is None:
        return
    path, given = read
    source = next(one for one in arguments if one.index == 0)
    source.tokens = [source.tokens[0].evolve(value=given.pop(FIRST[verb][0]))]
    # Two commands read such a file, and every command this module.
    from cyclopts.config import Dict

    # By no command: cyclopts leaves out keys that are called like one of the app's, and `keep` is a verb.
    Dict(given, source=str(path))(app, (), arguments)


def _read_task(verb: str, arguments: ArgumentCollection) -> tuple[Path, dict[str, Any]] | None:
    """Return the task file of another harness that `run` is given with the options it decides; None for no such file.

    Raises `UsageError`.
    """
    source = next(one for one in arguments if one.index == 0)
    if verb != "run" or not source.tokens or not is_task_file(source.tokens[0].value):
        return None
    # Few commands are given such a file.
    from stepdown.exchange import load_task

    path = Path(source.tokens[0].value)
    return path, load_task(path).options


def _beside(arguments: ArgumentCollection) -> tuple[str, ...]:
    """Return the options that the command line gives and that can change what comes out."""
    given = [one for one in arguments if one.tokens and one.index is None]
    return tuple(one.names[0] for one in given if not _groups(one) & _WITHOUT_EFFECT)


def _groups(argument: Argument) -> set[str]:
    """Return the names of the groups that an option's help stands in."""
    group = argument.parameter.group
    groups = [group] if isinstance(group, str | Group) else group or ()
    return {one if isinstance(one, str) else one.name for one in groups}


def _lines_of(path: Path, keys: Mapping[str, Any]) -> dict[str, str]:
    """Return where each key of a file stands, in words."""
    lines = path.read_text("utf-8").splitlines()
    numbers = {
        key: next((at for at, line in enumerate(lines, 1) if re.match(rf"""\s*\[*["']?{re.escape(key)}\b""", line)), 1)
        for key in keys
    }
    return {key: f"`{path}` line {number}" for key, number in numbers.items()}


def _check_first(path: Path, verb: str, given: Mapping[str, Any], lines: Mapping[str, str]) -> None:
    """Raise `UsageError` where the file is of another command, or does not say what the command is about."""
    first, example = FIRST[verb]
    other = next((one for one, (key, _) in FIRST.items() if one != verb and key in given), None)
    if first not in given and other:
        raise UsageError(f"{lines[FIRST[other][0]]}: this file is for `{other}`", f"stepdown {other} {path}")
    if first not in given:
        raise UsageError(f"`{path}` names no `{first}`", f'add a line such as: {first} = "{example}"')
    value = given[first]
    if isinstance(value, list):
        raise UsageError(f"{lines[first]}: `{len(value)}` values for `{first}`, which is one", "write a file for each")
    if isinstance(value, str) and value.endswith(".toml"):
        raise UsageError(f"{lines[first]}: the {first} is another study, `{value}`", f"name one, such as `{example}`")


def _value(value: Any, argument: Argument, place: str, folder: Path) -> Any:
    """Return a value of the file as the command takes it. Raises `UsageError` for one of another type."""
    kind = _plain(argument.hint)
    many = get_origin(kind) is tuple
    one = get_args(kind)[0] if many else kind
    values: Sequence[Any] = value if many and isinstance(value, list) else [value]
    for each in values:
        try:
            msgspec.convert(each, str if one is Path else one)
        except msgspec.ValidationError as error:
            words = f"one of {', '.join(map(str, get_args(one)))}" if get_origin(one) is Literal else _WORDS.get(one)
            words = f"{words or 'a text in quotes'}{', or a list of them' * many}"
            key, shown = _key(argument), json_line(each).decode()[:80]
            raise UsageError(f"{place}: `{key}` cannot be `{shown}`", f"give {words}") from error
    if one in (str, Path):
        values = [_path(each, folder, exact=one is Path) for each in values]
    if one is Path and argument.index is None and argument.names[0] not in _MADE:
        for each in values:
            if not Path(each).exists():
                raise UsageError(f"{place}: there is no `{each}`", "paths are relative to the file")
    return list(values) if many else values[0]


def _key(argument: Argument) -> str:
    """Return what an option is called in a study file."""
    return argument.names[0].removeprefix("--").replace("-", "_").lower()


def _plain(hint: Any) -> Any:
    """Return a type without None."""
    kinds = [one for one in get_args(hint) if one is not NoneType]
    return kinds[0] if NoneType in get_args(hint) else hint


def _path(text: str, folder: Path, *, exact: bool) -> str:
    """Return a path as seen from the working folder; a text is one if something of its name lies in the folder.

    What stands after a colon is a name in a file (`mine.py:solve`), what stands before `=` whose file it is.
    """
    if folder == Path() or not text or "://" in text or Path(text).is_absolute():
        return text
    whose, equals, named = text.rpartition("=")
    inside = folder / named
    there = inside.exists() or (folder / re.sub(r":\w+$", "", named)).is_file()
    if there or (exact and not Path(text).exists()):
        return f"{whose}{equals}{inside}"
    return text
