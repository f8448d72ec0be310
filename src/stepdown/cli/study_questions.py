"""The questions of `stepdown init` at a terminal: each has an answer for Enter, and is asked again until one can be."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from stepdown.cli.console.terminal import say, say_error
from stepdown.cli.grid import methods_of
from stepdown.corpus import CARD, STUDIED
from stepdown.errors import Interrupted, StepdownError, UnknownName, UsageError
from stepdown.problems import datasets

Answer = TypeVar("Answer")
_MOST_LINE = 10_000


def asking() -> bool:
    """Whether somebody is there to answer."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def ask(what: str, default: str, read: Callable[[str], Answer]) -> Answer:
    """Return what `read` makes of a person's answer, of the default where that is nothing.

    What `read` refuses with a `StepdownError` is said, and asked again. Raises `Interrupted` at the end of input.
    """
    while True:
        sys.stderr.write(f"{what} [{default}]: ")
        sys.stderr.flush()
        line = sys.stdin.readline(_MOST_LINE)
        if not line:
            raise Interrupted
        try:
            return read(line.strip() or default)
        except StepdownError as error:
            say_error(error)


def several(text: str) -> tuple[str, ...]:
    """Return the parts of a list with commas, one at least. Raises `UsageError`."""
    found = tuple(filter(None, map(str.strip, text.split(","))))
    if not found:
        raise UsageError("nothing is named", "name one, or several with commas")
    return found


def numbers(text: str) -> tuple[int, ...]:
    """Return the whole numbers from 0 of a list with commas. Raises `UsageError`."""
    return tuple(whole(one, least=0) for one in several(text))


def whole(text: str, *, least: int = 1) -> int:
    """Return a whole number. Raises `UsageError`."""
    if not text.isascii() or not text.isdigit() or int(text[:9]) < least or len(text) > 9:
        raise UsageError(f"`{text[:40]}` is no whole number from {least} on", "give one such as 20")
    return int(text)


def dollars(text: str) -> float:
    """Return an amount of money. Raises `UsageError`."""
    if not text.isascii() or not text.replace(".", "", 1).isdigit() or len(text) > 12:
        raise UsageError(
            f"`{text[:40]}` is no amount of money", "give one such as 2.50, or 0 where nothing may be paid"
        )
    return float(text)


def dataset(text: str) -> str:
    """Return a data set's name, or a file that is there. Raises `UnknownName`."""
    names = [one.name for one in datasets()]
    if text not in names and not Path(text).expanduser().exists():
        raise UnknownName("data set", text, names, more="or name a file of problems")
    return text


def methods(text: str) -> tuple[str, ...]:
    """Return names of methods. Raises `UnknownName`."""
    names = several(text)
    methods_of(names)
    return names


def targets(text: str) -> tuple[str, ...]:
    """Return what students may learn. Raises `UnknownName`."""
    names = several(text)
    for name in names:
        if name not in STUDIED:
            raise UnknownName("target of a study", name, STUDIED)
    return names


def corpus(text: str) -> str:
    """Return the path of a corpus, also of one still to be made. Raises `UsageError` for what is something else."""
    folder = Path(text).expanduser()
    if "://" not in text and folder.exists() and not (folder / CARD).is_file():
        raise UsageError(f"`{text}` is no corpus", "name a folder of `stepdown sample`, or one that is not there yet")
    return text


def named(text: str) -> str:
    """Return a text of one line as it is."""
    return text


def offer(what: str, names: Sequence[str], most: int = 12) -> None:
    """Say what there is to choose from."""
    if names:
        say(f"{what}: " + ", ".join(f"`{name}`" for name in names[:most]) + ", ..." * (len(names) > most), "")
