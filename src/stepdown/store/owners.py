"""Which process has something of the store in its hands, and whether it still lives."""

import os
import platform
import secrets
from functools import cache
from pathlib import Path
from weakref import WeakValueDictionary

_PROC = Path("/proc")
_ENDED = "ZX"  # a zombie has ended, whoever has not yet asked how
_STOPPED = "Tt"
# How much longer than its lease an owner is believed that is known to run: its loop may be busy, its file locked.
_BELIEVED = 10 * 60.0


class Owner:
    """One user of the store in this process, alive until its `end`, or until nothing holds it any more.

    `name` is `HOST PID START RANDOM`.
    """

    def __init__(self) -> None:
        self.name = f"{_host()} {os.getpid()} {_started(os.getpid())[0]} {secrets.token_hex(4)}"
        _HERE[self.name] = self

    def end(self) -> None:
        """Let others take over what is still in these hands."""
        _HERE.pop(self.name, None)


_HERE: WeakValueDictionary[str, Owner] = WeakValueDictionary()


def is_here(owner: str) -> bool:
    """Whether an owner is one of this process, and has not ended."""
    return owner in _HERE


def lives(owner: str, expires: float, now: float) -> bool:
    """Whether an owner whose lease ends at `expires` (unix seconds) can still be at work.

    On another machine, or in another container, only its lease says so.
    """
    host, _, rest = owner.partition(" ")
    pid, _, rest = rest.partition(" ")
    if host != _host() or not pid.isdigit():
        return now < expires
    started, state = _started(int(pid))
    if not state or state in _ENDED or started != rest.partition(" ")[0]:
        return False
    if int(pid) == os.getpid():
        return owner in _HERE and now < expires
    return now < expires + (0.0 if state in _STOPPED else _BELIEVED)


def process_of(owner: str) -> str:
    """Return an owner as a person reads it."""
    host, pid, *_ = [*owner.split(" "), "", ""]
    return f"process {pid} on {host.partition('/')[0]}" if pid else "another process"


@cache
def _host() -> str:
    """Return a name within which a process id means one process: the machine since its start, and its namespace."""
    parts = [platform.node().replace(" ", "_") or "host"]
    try:
        parts.append((_PROC / "sys/kernel/random/boot_id").read_text().strip()[:8])
        parts.append(os.readlink(_PROC / "self/ns/pid").strip("pid:[]"))
    except OSError:
        pass
    return "/".join(parts)


def _started(pid: int) -> tuple[str, str]:
    """Return when a process started, in the system's own measure, and its state; state "" where there is none."""
    try:
        # The name, in brackets, may hold anything; field 3 follows it, and field 22 is the start.
        fields = (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
        return fields[19], fields[0]
    except (FileNotFoundError, ProcessLookupError):
        return ("", "") if _PROC.joinpath("self/stat").exists() else ("", _running(pid))
    except (OSError, IndexError):
        return "", "?"


def _running(pid: int) -> str:
    """Return a state where the system has no `/proc`."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return ""
    except OSError:
        return "R"
    return "R"
