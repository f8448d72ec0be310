"""Reading a .toml or .json file of a user's as a type, with one message for what can be wrong with it."""

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
