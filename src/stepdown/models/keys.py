"""Settings of endpoints: from the environment, else from the nearest `.env` file upward."""

import os
from pathlib import Path


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
    """Return the first of these variables that is set, "" if none is.

    The environment goes first; then the nearest `.env` in the working folder (or `folder`) or above it,
    which is read and never exported.
    """
    for variable in variables:
        if value := os.environ.get(variable, "").strip():
            return value
    settings = read_env_file(folder or Path.cwd())
    return next((settings[variable] for variable in variables if settings.get(variable)), "")


def read_env_file(folder: Path) -> dict[str, str]:
    """Return the lines `KEY=VALUE` of the nearest `.env` in the folder or above it."""
    for place in (folder, *folder.parents):
        file = place / ".env"
        if file.is_file():
            text = file.read_text(encoding="utf-8", errors="replace")
            return dict(pair for line in text.splitlines() if (pair := _read_line(line)))
    return {}


def _read_line(line: str) -> tuple[str, str] | None:
    name, equals, value = line.strip().removeprefix("export ").partition("=")
    name, value = name.strip(), value.strip()
    if not equals or not name or name.startswith("#"):
        return None
    if value[:1] in {'"', "'"}:
        return name, value[1:].partition(value[0])[0]
    return name, value.partition(" #")[0].strip()
