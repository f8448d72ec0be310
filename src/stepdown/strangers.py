"""What strangers wrote: whatever a library raises over their files is an error of ours, and JSON shows their marks."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from stepdown.errors import StepdownError, UsageError

Make = Callable[[str], StepdownError]
_SHOWN = 200
# Control characters that JSON may hold as they are, and marks that turn the reading direction: a terminal obeys them.
_MARKS = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


@contextmanager
def reading(what: str, hint: str, *, make: Make | None = None) -> Iterator[None]:
    """Raise `UsageError` for anything that a parser raises, Rust's panics too; errors of ours pass.

    Nobody can list what a parser raises over bytes that were made to break it. Only the parsing stands inside.
    `what` says what cannot be done, such as "cannot read `x.gguf`"; the parser's words are added. `make` makes
    another error of these words.
    """
    try:
        yield
    except StepdownError:
        raise
    except BaseException as error:
        # Panics of Rust reach Python beside `Exception`, as an interruption does.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        said = words_of(error)
        raise (make(said) if make else UsageError(f"{what} ({said})", hint)) from error


def words_of(error: BaseException) -> str:
    """Return the first line of what an error says, without what a terminal would obey; its kind where it says none."""
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    said = " ".join("".join(one if one.isprintable() else " " for one in line).split())
    return said[:_SHOWN] or type(error).__name__


def json_of(value: object) -> bytes:
    """Return a value as JSON of one line that a terminal can only show: control characters and marks as `\\u009b`."""
    said = msgspec.json.encode(value)
    if said.isascii():
        return said.replace(b"\x7f", b"\\u007f")
    return _MARKS.sub(lambda mark: f"\\u{ord(mark[0]):04x}", said.decode()).encode()
