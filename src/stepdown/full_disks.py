"""A full disk, also where a library says so in an error of its own; and what is said of it."""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

from stepdown.errors import FileError, StepdownError, UsageError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# What safetensors, tokenizers and polars say of those, SQLite, torch (of how far it came) and numpy.
_WORDS = re.compile(
    r"No space left on device|Disk quota exceeded|File too large|\(os error (?:28|122|27)\)|database or disk is full"
    r"|unexpected pos \d+ vs \d+|\d+ requested and \d+ written"
)
_DEEPEST = 10
_LONGEST = 200


def full_disk(error: BaseException, out: object = None) -> FileError | None:
    """Return in words that the disk is full; None where neither `error` nor what it came of says so.

    A file that may not grow (a quota, `ulimit -f`) counts too. `out` is what was written, where the error names none.
    """
    at: BaseException | None = error
    for _ in range(_DEEPEST):
        if at is None:
            return None
        full = isinstance(at, OSError) and at.errno in _FULL
        if full or _WORDS.search(str(at)):
            name = getattr(at, "filename", None) or out
            reason = (isinstance(at, OSError) and at.strerror) or " ".join(str(at).split())[:_LONGEST]
            return FileError(
                f"`{name}`: {reason}" if name else reason,
                "free some space; what was kept is still there, and the same command goes on from it",
            )
        at = at.__cause__ or at.__context__
    return None


def unwritable(out: object, error: OSError, hint: str) -> StepdownError:
    """Return what is said of a place that could not be written to: a full disk, or else `hint` as the way out."""
    return full_disk(error, out) or UsageError(f"cannot write `{out}`: {error.strerror or error}", hint)


@contextmanager
def explained_full_disk(out: object) -> Iterator[None]:
    """Raise `FileError` for any error inside the `with` that comes of a full disk."""
    try:
        yield
    except StepdownError:
        raise
    except Exception as error:
        if full := full_disk(error, out):
            raise full from error
        raise
