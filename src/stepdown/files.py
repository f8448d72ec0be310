"""Files and folders that are written whole or not at all, and the cleaning up after writers that were killed."""

import errno
import os
import platform
import re
import secrets
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import IO

from stepdown.errors import UsageError, WorkerLost
from stepdown.full_disks import unwritable

# What a process of another machine left is only taken for left when it is this old, in seconds.
_ABANDONED = 24 * 3600.0
_LOCK = ".lock"
# What a disk that knows no locks answers to one.
NO_LOCKS = frozenset({errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP})
_LONGEST = 60  # characters of a file's name in that of its unfinished form
_ADDRESS = re.compile(r"https?:/")
_LEFT = re.compile(r"\.stepdown-([0-9a-f]{6})-(\d{1,10})-[0-9a-z_-]+")


def no_such_file(path: object, hint: str) -> UsageError:
    """Return the error of a file that is not there, or of an address of the web, which no command reads."""
    if _ADDRESS.match(str(path)):
        hint = "an address of the web is not read: fetch the file first, or name one of the hub, `hf://datasets/...`"
    return UsageError(f"there is no file `{path}`", hint)


@contextmanager
def replacing(out: Path, force: bool) -> Iterator[Path]:
    """Give a path to write a file to that takes `out`'s place when all is written, and goes away when not.

    A link is followed; the new file gets the old one's permissions. Raises `UsageError` for what is no regular file, a
    file that is there (without `force`) and a place that cannot be written.
    """
    target = check_target(out, force)
    sweep(target)
    part = _unfinished(target)
    try:
        yield part
        _finish(part, target)
    except OSError as error:
        raise unwritable(out, error, "give a place that can be written") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


@contextmanager
def replacing_folder(out: Path) -> Iterator[Path]:
    """Give an empty folder to fill that takes the place of `out` when all is written, and goes away otherwise.

    Whoever calls has checked that what is at `out` may go; it goes only when the new folder stands. Raises `OSError`.
    """
    sweep(out)
    part = _unfinished(out)
    try:
        part.mkdir(parents=True)
        yield part
        _swap(part, out)
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextmanager
def resumable_folder(out: Path, key: str) -> Iterator[Path]:
    """Give a folder to fill that takes the place of `out`, as `replacing_folder` does, and outlives a kill.

    Whoever fills it for the same `key` finds what was done before; for another key it is begun anew. An error removes
    it, but for workers that died and for an interruption. Raises `UsageError` where another process fills it.
    """
    sweep(out)
    part = out.with_name(f".{out.name[:_LONGEST]}.stepdown-work-{key}")
    part.mkdir(parents=True, exist_ok=True)
    with locked(part / _LOCK, f"another process writes `{out}`"):
        for left in out.parent.glob(f".{_escaped(out.name[:_LONGEST])}.stepdown-work-*"):
            if left != part and not is_locked(left / _LOCK):
                _remove(left)
        try:
            yield part
            (part / _LOCK).unlink()
            # A worker whose command was killed may have outlived it for a moment, and left what it was writing.
            for left in part.rglob(".*.stepdown-*"):
                if _LEFT.search(left.name):
                    _remove(left)
            _swap(part, out)
        except Exception as error:
            if not isinstance(error, WorkerLost):
                shutil.rmtree(part, ignore_errors=True)
            raise


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Hold a lock file, which the system frees when this process ends; raise `UsageError` where another holds it."""
    with path.open("a+b") as file:
        if not try_lock(file):
            raise UsageError(what, "wait for it, or name another place")
        yield


def is_locked(path: Path) -> bool:
    """Whether another process holds a lock file."""
    try:
        with path.open("rb") as file:
            return not try_lock(file)
    except FileNotFoundError:
        return False
    except OSError:
        return True


def try_lock(file: IO[bytes]) -> bool:
    """Take the lock of an open file, which the system frees when it is closed; False where another process holds it.

    Where the disk knows no locks, as a cluster's Lustre is often mounted, everybody is let in.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in NO_LOCKS
    return True


def _swap(part: Path, out: Path) -> None:
    """Put a folder that is filled in the place of another, or of none."""
    old = out.with_name(f".{out.name}.old-{os.getpid()}")
    if out.exists():
        out.rename(old)
    try:
        part.rename(out)
    except OSError:
        if old.exists():
            old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def folder_beside(out: Path) -> Iterator[Path]:
    """Give an empty folder next to a file that is being made; it goes away with the `with`, or is swept later."""
    target = Path(os.path.realpath(out))
    if found := _LEFT.search(target.name):  # of a file that is being made itself
        target = target.with_name(target.name[1 : found.start()])
    sweep(target)
    folder = tempfile.mkdtemp(prefix=f"{_unfinished(target).name}-", dir=target.parent)
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_whole(out: Path, body: bytes, *, force: bool = True) -> None:
    """Write a file, as `replacing` does."""
    with replacing(out, force) as part:
        part.write_bytes(body)


def check_target(out: Path, force: bool) -> Path:
    """Return where a file named so is written. Raises `UsageError` where there is something that may not go."""
    target = out
    try:
        target = Path(os.path.realpath(out))
        mode = target.stat().st_mode
    except FileNotFoundError:
        return target
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot write `{out}`: {why}", "give a place that can be written") from error
    if stat.S_ISDIR(mode):
        raise UsageError(f"`{out}` is a directory", "name a file")
    if not stat.S_ISREG(mode):
        raise UsageError(f"`{out}` is not a regular file, so it is not replaced", "name a file")
    if not force:
        raise UsageError(f"`{out}` is there already", "give another name, or --force to replace it")
    return target


def sweep(target: Path) -> None:
    """Remove what was left next to a file by those that were killed while they wrote it."""
    with suppress(OSError):
        for left in target.parent.glob(f".{_escaped(target.name[:_LONGEST])}.stepdown-*"):
            found = _LEFT.fullmatch(left.name.removeprefix(f".{target.name[:_LONGEST]}"))
            if found and _is_left(left, *found.groups()):
                _remove(left)


def _remove(left: Path) -> None:
    with suppress(OSError):
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink()


def _is_left(left: Path, host: str, process: str) -> bool:
    if host == _host():
        return not _runs(int(process))
    try:
        return time.time() - left.lstat().st_mtime > _ABANDONED
    except OSError:
        return False


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _unfinished(target: Path) -> Path:
    name = f".{target.name[:_LONGEST]}.stepdown-{_host()}-{os.getpid()}-{secrets.token_hex(3)}"
    return target.with_name(name)


def _finish(part: Path, target: Path) -> None:
    with part.open("rb") as written:
        os.fsync(written.fileno())
    with suppress(FileNotFoundError):
        shutil.copymode(target, part)
    part.replace(target)


def _escaped(name: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", name)


@cache
def _host() -> str:
    return blake2b(platform.node().encode(), digest_size=3).hexdigest()
