"""A user's .toml or .json file read as a type, with one message for what can be wrong with it; lines of TOML."""

import json
from pathlib import Path
from typing import TypeVar

import msgspec

from stepdown.errors import UsageError

T = TypeVar("T")


def read_toml(path: Path, kind: type[T], what: str, hint: str) -> T:
    """Return what a file holds, .json by its name and else TOML. Raises `UsageError`.

    `what` is the file in a message (`the study`, "" for none), `hint` the way out.
    """
    decode = msgspec.json.decode if path.suffix == ".json" else msgspec.toml.decode
    try:
        return decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError, ValueError, RecursionError, OverflowError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise UsageError(
            f"cannot read {what} `{path}`: {why}" if what else f"cannot read `{path}`: {why}", hint
        ) from error


def or_comment(key: str, value: str | None, example: str) -> str:
    """Return a line of a key, as a comment with an example where it has no value."""
    return f"{key} = {value}" if value is not None else f"# {key} = {example}"


def toml_list(values: tuple[str, ...]) -> str:
    """Return texts as TOML writes a list of them."""
    return f"[{', '.join(map(toml_text, values))}]"


def toml_text(value: str) -> str:
    """Return a text as TOML writes it."""
    # A basic string of TOML is one of JSON, but for this one character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
