"""What can be typed: verbs, their options and what each takes, kept as JSON in the user's cache."""

import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import TypedDict

from stepdown.version import __version__


class OptionWords(TypedDict):
    """An option: its first words of help, and what it takes: a key of `values`, or ""; `flag` takes nothing."""

    help: str
    takes: str
    flag: bool


class VerbWords(TypedDict):
    """A verb or a command of one: `places` say what each word takes, the last of them for all that follow if `many`."""

    help: str
    options: dict[str, OptionWords]
    places: list[str]
    many: bool
    commands: "dict[str, VerbWords]"


class TypedWords(TypedDict):
    """All verbs, and the words that never change on a machine, by kind."""

    verbs: dict[str, VerbWords]
    values: dict[str, list[str]]


Makes = Callable[[], TypedWords]


def read_table(make: Makes) -> TypedWords:
    """Return the table of this installation, from the cache, or made and put there."""
    path = _folder() / f"words-{_mark()}.json"
    with suppress(OSError, ValueError):
        table: TypedWords = json.loads(path.read_bytes())
        return table
    table = make()
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        for old in path.parent.glob("words-*.json"):
            old.unlink(missing_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        part.write_text(json.dumps(table), "utf-8")
        part.replace(path)
    return table


def _folder() -> Path:
    given = os.environ.get("STEPDOWN_CACHE")
    if given:
        return Path(given).expanduser() / "completion"
    from platformdirs import user_cache_path  # half of what an answer takes, where a cache is named

    return user_cache_path("stepdown", appauthor=False, opinion=False) / "completion"


def _mark() -> str:
    """Return what changes when another version, a plugin, or a verb under development is there."""
    package = Path(__file__).parents[1]
    folders = (package, package.parent, package / "cli", package / "cli" / "verbs", package / "settings")
    files = [entry for folder in folders[2:] for entry in os.scandir(folder) if entry.name.endswith(".py")]
    times = [os.stat(one).st_mtime_ns for one in (*folders, *files)]
    text = f"{__version__} {sys.prefix} {max(times)} {len(files)}"
    return blake2b(text.encode(), digest_size=6).hexdigest()
