"""What is written to the terminal: data on stdout, words on stderr, and never an escape sequence from a model."""

import os
import re
import sys
from typing import TextIO

from stepdown.errors import StepdownError
from stepdown.strangers import json_of

# Escape sequences go whole; what is left of control characters, and marks that turn the reading direction, goes too.
_SEQUENCE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x9b[0-?]*[ -/]*[@-~]|\x1b[@-Z\\-_]"
)
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def clean(text: str) -> str:
    """Return a text that a terminal can only show: no escape sequences, no control characters but `\\n` and `\\t`."""
    return _CONTROL.sub("", _SEQUENCE.sub("", text.replace("\r\n", "\n")))


def show(*texts: str) -> None:
    """Write data for a person to stdout."""
    for text in texts:
        sys.stdout.write(clean(text) + "\n")


def show_json(value: object) -> None:
    """Write one value as a line of JSON to stdout."""
    sys.stdout.write(json_of(value).decode() + "\n")


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


def painted(text: str, colour: str, stream: TextIO) -> str:
    """Return the text in a colour, plain where the stream is no colour terminal or `NO_COLOR` is set."""
    return f"\x1b[{colour}m{text}\x1b[0m" if is_lively(stream) and not os.environ.get("NO_COLOR") else text


def is_lively(stream: TextIO) -> bool:
    """Whether a stream is a terminal that can redraw a line."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"
