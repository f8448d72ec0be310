"""What is written to the terminal: data on stdout, words on stderr, and never an escape sequence from a model."""

import os
import re
import sys
from contextlib import suppress
from typing import TextIO

from stepdown.errors import StepdownError
from stepdown.events import Event, failure_of
from stepdown.text import Measure, WordFlow, clean, folded, json_line

_COLOUR = re.compile(r"\x1b\[[\d;]*m")
_USUAL = 80  # columns of a terminal that does not say how many it has


def show(*texts: str) -> None:
    """Write data for a person to stdout."""
    for text in texts:
        sys.stdout.write(_folded(clean(text), sys.stdout) + "\n")


def show_json(value: object) -> None:
    """Write one value as a line of JSON to stdout."""
    sys.stdout.write(json_line(value).decode() + "\n")


class _Written:
    """What was written piece by piece to stdout: whether its last line goes on, and in a terminal how."""

    goes_on = False
    flow: WordFlow | None = None


def write_piece(text: str) -> None:
    """Write a piece of a text that is still being written to stdout, at once, in a terminal by whole words."""
    width = columns(sys.stdout)
    if width is not None and not _Written.goes_on:
        _Written.flow = WordFlow(width, _measure_painted)
    sys.stderr.flush()
    sys.stdout.write(text if width is None or _Written.flow is None else _Written.flow.add(text))
    sys.stdout.flush()
    _Written.goes_on = not text.endswith("\n")


def _measure_painted(text: str) -> int:
    """Return how many columns a text takes, colours aside."""
    measure = measure_on(sys.stdout) or len
    return measure(_COLOUR.sub("", text))


def end_line() -> None:
    """End the line of what was written piece by piece, if it goes on."""
    if _Written.goes_on:
        write_piece("\n")


def say(*texts: str) -> None:
    """Write words about the work to stderr, after the data that came before them."""
    if sys.stdout.isatty() and sys.stderr.isatty():
        end_line()
    sys.stdout.flush()
    for text in texts:
        sys.stderr.write(_folded(clean(text), sys.stderr) + "\n")
    sys.stderr.flush()


def say_error(error: StepdownError) -> None:
    """Write what happened and the way out to stderr, in colour where the terminal has it."""
    sys.stdout.flush()
    for name, colour, text in (("error:", "31;1", error.what), ("hint:", "36", error.hint)):
        if text or colour == "31;1":
            text_lines = _folded(f"{name} {clean(text)}", sys.stderr).removeprefix(name)
            sys.stderr.write("\n" * (name == "hint:") + painted(name, colour, sys.stderr) + text_lines + "\n")
    sys.stderr.flush()


def report(error: StepdownError, *, as_json: bool, code: int | None = None) -> int:
    """Write the error that ends a command, with `as_json` to stdout too, and return the command's exit code."""
    say_error(error)
    if as_json:
        show_json(Event(error=failure_of(error, code)))
    return error.exit_code if code is None else code


def painted(text: str, colour: str, stream: TextIO) -> str:
    """Return the text in a colour, plain where the stream is no colour terminal or `NO_COLOR` is set."""
    return f"\x1b[{colour}m{text}\x1b[0m" if is_lively(stream) and not os.environ.get("NO_COLOR") else text


def columns(stream: TextIO) -> int | None:
    """Return how wide a terminal is, `COLUMNS` before what it says itself; None for what is no terminal."""
    if not stream.isatty():
        return None
    given = os.environ.get("COLUMNS", "")
    with suppress(OSError, ValueError):
        return (int(given) if given.isdecimal() else 0) or os.get_terminal_size(stream.fileno()).columns or _USUAL
    return _USUAL


def measure_on(stream: TextIO) -> Measure | None:
    """Return what says how many columns a text takes on a terminal, None for a stream that is none."""
    if not stream.isatty():
        return None
    # Only a terminal has columns, and most commands write to none.
    from rich.cells import cell_len

    return cell_len


def _folded(text: str, stream: TextIO) -> str:
    """Return a text with its lines broken between words where the stream is a terminal that is narrower."""
    width = columns(stream)
    if width is None:
        return text
    measure = measure_on(stream)
    return "\n".join(part for line in text.split("\n") for part in folded(line, width, measure or len))


def is_lively(stream: TextIO) -> bool:
    """Whether a stream is a terminal that can redraw a line."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"
