"""What is written to the terminal: data on stdout, words on stderr, and never an escape sequence from a model."""

import os
import sys
from typing import TextIO

from stepdown.errors import StepdownError
from stepdown.events import Event, failure_of
from stepdown.text import clean, json_line


def show(*texts: str) -> None:
    """Write data for a person to stdout."""
    for text in texts:
        sys.stdout.write(clean(text) + "\n")


def show_json(value: object) -> None:
    """Write one value as a line of JSON to stdout."""
    sys.stdout.write(json_line(value).decode() + "\n")


def say(*texts: str) -> None:
    """Write words about the work to stderr, after the data that came before them."""
    sys.stdout.flush()
    for text in texts:
        sys.stderr.write(clean(text) + "\n")
    sys.stderr.flush()


def say_error(error: StepdownError) -> None:
    """Write what happened and the way out to stderr, in colour where the terminal has it."""
    sys.stdout.flush()
    sys.stderr.write(painted("error:", "31;1", sys.stderr) + f" {clean(error.what)}\n")
    if error.hint:
        sys.stderr.write("\n" + painted("hint:", "36", sys.stderr) + f" {clean(error.hint)}\n")
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


def is_lively(stream: TextIO) -> bool:
    """Whether a stream is a terminal that can redraw a line."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"
