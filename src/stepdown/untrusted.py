"""Parsing of files that strangers wrote: whatever a library raises over them becomes an error of ours."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from stepdown.errors import StepdownError, UsageError
from stepdown.text import error_line

Make = Callable[[str], StepdownError]


@contextmanager
def reading(what: str, hint: str, *, make: Make | None = None) -> Iterator[None]:
    """Raise `UsageError` for anything that a parser raises, Rust's panics too; errors of ours pass.

    Nobody can list what a parser raises over bytes that were made to break it, so only the parsing belongs inside.
    `what` says what cannot be done, such as "cannot read `x.gguf`"; the parser's message is added. `make` returns
    another error for that message.
    """
    try:
        yield
    except StepdownError:
        raise
    except BaseException as error:
        # Panics of Rust reach Python beside `Exception`, as an interruption does.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        why = error_line(error)
        raise (make(why) if make else UsageError(f"{what} ({why})", hint)) from error
