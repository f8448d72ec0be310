"""Hostile text made safe to show: in a terminal, in Markdown and HTML, in one line of a message, in JSON."""

import re
from html import escape

import msgspec

# Marks that turn the reading direction: they make a text show something else than what it says.
_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
# Escape sequences go whole; what is left of control characters goes too, and half of a surrogate pair.
_SEQUENCE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x9b[0-?]*[ -/]*[@-~]|\x1b[@-Z\\-_]"
)
_CONTROL = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{_BIDI}\ud800-\udfff]")
# Control characters that JSON may hold as they are, line separators and direction marks.
_JSON = re.compile(f"[\x7f-\x9f\u2028\u2029{_BIDI}]")
# What Markdown reads as a mark; a colon and a dot only where they would make a link.
_MARKDOWN = re.compile(r"([\\`*_\[\]#!|~@$]|\A[-+=]|:(?=//)|(?<=www)\.)", re.IGNORECASE)


def clean(text: str) -> str:
    """Return the text without escape sequences, and without control characters but `\\n` and `\\t`."""
    return _CONTROL.sub("", _SEQUENCE.sub("", text.replace("\r\n", "\n")))


def one_line(text: str) -> str:
    """Return the text as one line of printable characters."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def in_markdown(text: str, most: int = 300) -> str:
    """Return the text as one line that Markdown and HTML can only show, cut to `most` characters."""
    line = one_line(text[: most + 1])
    line = line if len(text) <= most else line[:most] + "…"
    return _MARKDOWN.sub(r"\\\1", escape(line, quote=False))


def error_line(error: BaseException, most: int = 200) -> str:
    """Return the first line of an error's message, at most `most` characters; the error's type where it has none."""
    line = next((line for line in str(error).splitlines() if line.strip()), "")
    return one_line(line)[:most] or type(error).__name__


def json_line(value: object) -> bytes:
    """Return a value as one line of JSON; control characters and direction marks are escaped, as in `\\u009b`."""
    encoded = msgspec.json.encode(value)
    if encoded.isascii():
        return encoded.replace(b"\x7f", b"\\u007f")
    return _JSON.sub(lambda mark: f"\\u{ord(mark[0]):04x}", encoded.decode()).encode()
