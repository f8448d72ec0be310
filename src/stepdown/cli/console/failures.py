"""What is said where nobody expected anything to go wrong: files and disks that refuse, and faults of ours."""

import errno
import os
from pathlib import Path

from stepdown.errors import FileError, StepdownError
from stepdown.full_disks import full_disk
from stepdown.version import __version__

INTERNAL = 70  # EX_SOFTWARE of sysexits.h
BROKEN_PIPE = 141  # what a shell reports of a command that SIGPIPE ended
_LONGEST = 300


def is_broken_pipe(error: OSError) -> bool:
    """Tell whether an error says that the output's reader has gone, rather than that a file cannot be used."""
    return isinstance(error, BrokenPipeError) or (error.errno == errno.EBADF and error.filename is None)


def describe_os_error(error: OSError) -> FileError:
    """Return an error of the system in words, with the file it is about where it says one."""
    if full := full_disk(error):
        return full
    reason = error.strerror or str(error) or type(error).__name__
    path = f"`{error.filename}`: " if error.filename is not None else ""
    hint = "see that the file can be used, or name another; what was answered is kept, and the same command goes on"
    return FileError(f"{path}{reason}", hint)


def report_fault(error: Exception) -> StepdownError:
    """Return a fault of ours in one line; its traceback goes into a file, which the hint names."""
    import tempfile
    import traceback

    what = f"stepdown has a fault: {type(error).__name__}: {' '.join(str(error).split())}"[:_LONGEST]
    details = f"stepdown {__version__}\n{''.join(traceback.format_exception(error))}"
    try:
        handle, path = tempfile.mkstemp(prefix="stepdown-", suffix=".log")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(details)
    except OSError:
        return StepdownError(what, "its details could not be written; the same command may go on from what was kept")
    return StepdownError(what, f"please report it, with the details in {Path(path)}; what was answered is kept")
