"""What is said where nobody expected anything to go wrong: files and disks that refuse, and faults of ours."""

import errno
import os
import re
from pathlib import Path

from stepdown.errors import FileError, StepdownError
from stepdown.full_disks import full_disk
from stepdown.version import __version__

INTERNAL = 70  # EX_SOFTWARE of sysexits.h
BROKEN_PIPE = 141  # what a shell reports of a command that SIGPIPE ended
_LONGEST = 300
_PACKAGE = Path(__file__).parents[2]
_FRAME = re.compile(r'^ *File "(.+)", line (\d+), in ', re.M)


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
    """Return a fault of ours, or of a person's own code, in one line; its traceback goes into a file that is named."""
    import tempfile
    import traceback

    details = f"stepdown {__version__}\n{''.join(traceback.format_exception(error))}"
    theirs = _place_of_a_person(details)
    whose = theirs or "stepdown has a fault"
    what = f"{whose}: {type(error).__name__}: {' '.join(str(error).split())}"[:_LONGEST]
    try:
        handle, path = tempfile.mkstemp(prefix="stepdown-", suffix=".log")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(details)
    except OSError:
        return StepdownError(what, "its details could not be written; the same command may go on from what was kept")
    todo = f"mend it; its traceback is in {path}" if theirs else f"please report it, with the details in {path}"
    return StepdownError(what, f"{todo}; what was answered is kept")


def _place_of_a_person(details: str) -> str:
    """Return the line of a person's own code in a traceback that ours called last, empty where that is no such code.

    What a worker raised has its traceback as a note, behind those of this process.
    """
    import sysconfig

    files = [(Path(name), line) for name, line in _FRAME.findall(details)]
    ours = [place for place, (file, _) in enumerate(files) if file.is_relative_to(_PACKAGE)]
    libraries = [sysconfig.get_paths()[name] for name in ("stdlib", "purelib", "platlib")]
    for file, line in files[ours[-1] + 1 : ours[-1] + 2] if ours else ():
        if file.is_file() and not any(file.is_relative_to(one) for one in libraries):
            return f"`{file.name}`, line {line}, raised"
    return ""
