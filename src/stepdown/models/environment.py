"""Settings of endpoints: from the environment, else from the nearest `.env` file upward."""

import os
from contextlib import suppress
from io import StringIO
from pathlib import Path

from dotenv import dotenv_values

_MOST = 1 << 20


class Secret:
    """A key that shows itself to nobody: not in a repr, a traceback's locals or an encoded struct."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __repr__(self) -> str:
        return "Secret(...)"

    def reveal(self) -> str:
        """Return the key, for a request header."""
        return self._text

    def scrub(self, text: str) -> str:
        """Return the text without the key in it."""
        return text.replace(self._text, "***") if self._text else text


def find_setting(*variables: str, folder: Path | None = None) -> str:
    """Return the first of these variables that is set, "" if none is; quotes around it are no part of it.

    The environment goes first; then the nearest `.env` in the working folder (or `folder`) or above it,
    which is read and never exported.
    """
    for variable in variables:
        if value := unquoted(os.environ.get(variable, "")):
            return value
    settings = read_env_file(folder)
    return next((settings[variable] for variable in variables if settings.get(variable)), "")


def unquoted(value: str) -> str:
    """Return a setting without blanks and quotes around it: `docker --env-file` and Windows leave them there."""
    value = value.strip()
    while len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        value = value[1:-1].strip()
    return value


def read_env_file(folder: Path | None = None) -> dict[str, str]:
    """Return the settings in the nearest `.env` in the folder (the working one if None) or above it.

    None of a file that cannot be read; the first megabyte of a larger one. Nothing in it is expanded.
    """
    try:
        folder = folder or Path.cwd()
    except OSError:  # the working folder was removed
        return {}
    for at in (folder, *folder.parents):
        with suppress(OSError):
            file = at / ".env"
            if file.is_file():
                with file.open("rb") as opened:
                    text = opened.read(_MOST).decode("utf-8-sig", errors="replace")
                found = dotenv_values(stream=StringIO(text), interpolate=False)
                return {name: value for name, value in found.items() if value is not None}
    return {}
