"""Settings of endpoints: from the environment, else from the nearest `.env` file upward."""

import os
from contextlib import suppress
from pathlib import Path

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
    """Return the lines `KEY=VALUE` of the nearest `.env` in the folder (the working one if None) or above it.

    None of a file that cannot be read; the first megabyte of a larger one.
    """
    try:
        folder = folder or Path.cwd()
    except OSError:  # the working folder was removed
        return {}
    for place in (folder, *folder.parents):
        with suppress(OSError):
            file = place / ".env"
            if file.is_file():
                with file.open("rb") as opened:
                    text = opened.read(_MOST).decode("utf-8-sig", errors="replace")
                return dict(pair for line in text.splitlines() if (pair := _read_line(line)))
    return {}


def _read_line(line: str) -> tuple[str, str] | None:
    name, equals, value = line.strip().partition("=")
    name = name.strip()
    if name.split()[:1] == ["export"]:
        name = name.removeprefix("export").strip()
    value = value.strip()
    if not equals or not name or name.startswith("#"):
        return None
    quote = value[:1]
    if quote in {'"', "'"} and (end := _end_of_quote(value, quote)) > 0:
        inside = value[1:end]
        return name, inside.replace('\\"', '"') if quote == '"' else inside
    return name, "" if value.startswith("#") else value.partition(" #")[0].strip()


def _end_of_quote(value: str, quote: str) -> int:
    """Return where a quoted value ends; a backslash keeps a double quote inside."""
    end = value.find(quote, 1)
    while quote == '"' and end > 0 and value[end - 1] == "\\":
        end = value.find(quote, end + 1)
    return end
