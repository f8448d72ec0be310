"""Options that would change nothing are refused: who gives one believes that it does something."""

import os
from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from dataclasses import fields
from typing import Any

import msgspec
from msgspec import structs

from stepdown.cli.study_file import overruled
from stepdown.errors import UsageError

# The options that stand on the command line under way, such as `--top-p`: one typed at its default counts as given.
_SHORT = {"-n": "--limit", "-j": "--jobs", "-m": "--model"}
_typed: ContextVar[frozenset[str]] = ContextVar("typed options", default=frozenset())
_command: ContextVar[str] = ContextVar("command", default="")


def note_typed(tokens: Sequence[str]) -> None:
    """Keep which options a command line has."""
    words = tokens[: [*tokens, "--"].index("--")]
    named = (word.partition("=")[0].replace("_", "-") for word in words if word.startswith("-"))
    _typed.set(frozenset(_SHORT.get(name, name) for name in named))
    _command.set(os.urandom(8).hex())


def command_mark() -> str:
    """Return a word of its own for the command under way, which all its runs have in common."""
    return _command.get() or os.urandom(8).hex()


def given(options: Any, *names: str) -> list[str]:
    """Return the options among these that were given, as a command line has them, at their default too."""
    changed = changed_options(options, *names)
    return [flag for flag in _flags(options, *names) if flag in changed or flag in _typed.get()]


def changed_options(options: Any, *names: str) -> list[str]:
    """Return the options among these that have another value than their default, as a command line has them."""
    return [flag for flag, (value, default) in _flags(options, *names).items() if value != default]


def refuse(names: Iterable[str], why: str, hint: str) -> None:
    """Raise `UsageError` where any of these options was given, and `why` says why it would do nothing.

    One that a study file gives is left aside where the command line says otherwise than the file.
    """
    if unused := [one for one in names if not overruled(one)]:
        listed = ", ".join(f"`{name}`" for name in unused)
        raise UsageError(f"{why}, so {listed} would have no effect", hint, option=unused[0])


def _flags(options: Any, *names: str) -> dict[str, tuple[object, object]]:
    """Return the value and the default of options by their name on a command line."""
    declared = structs.fields(options) if isinstance(options, msgspec.Struct) else fields(options)
    return {
        f"--{field.name.replace('_', '-')}": (getattr(options, field.name), field.default)
        for field in declared
        if not names or field.name in names
    }
