"""Where a store's file lies: on which kind of file system, and whether it is still there."""

import ctypes
import os
import stat
import struct
import sys
from pathlib import Path

from stepdown.errors import StoreError
from stepdown.store.owners import Owner, is_here, lives, process_of

# File systems of other machines, or of a program, by the number `statfs` gives (statfs(2), linux/magic.h). A WAL needs
# memory that all processes share, which these do not give, or not to all who have the file.
NETWORKS = {
    0x6969: "NFS", 0x517B: "SMB", 0xFE534D42: "SMB", 0xFF534D42: "CIFS", 0x0BD00BD0: "Lustre", 0x65735546: "FUSE",
    0x01021997: "9P", 0x00C36400: "Ceph", 0x5346414F: "AFS", 0x47504653: "GPFS", 0x19830326: "BeeGFS",
    0xAAD7AAEA: "PanFS", 0x73757245: "Coda", 0x564C: "NCP", 0x013111A8: "IBRIX", 0x7461636F: "OCFS2",
    0x01161970: "GFS2", 0x6B414653: "AFS", 0x20030528: "OrangeFS", 0x786F4256: "VirtualBox",
}  # fmt: skip
_STATFS_BYTES = 512


def network_of(path: Path) -> str:
    """Return the name of the network file system a file lies on, or is to lie on; "" for a disk of this machine."""
    return NETWORKS.get(_magic(_existing(Path(os.path.abspath(path)))), "")


def _existing(path: Path) -> Path:
    return next((ancestor for ancestor in (path, *path.parents) if ancestor.exists()), Path("/"))


def _magic(path: Path) -> int:
    """Return the number of a path's file system; 0 where the system does not say."""
    if not sys.platform.startswith("linux"):
        return 0
    into = ctypes.create_string_buffer(_STATFS_BYTES)
    try:
        failed = ctypes.CDLL(None, use_errno=True).statfs(os.fsencode(path), into)
    except (OSError, AttributeError):
        return 0
    # The first field is a word as long as a pointer, of which some systems fill in the sign.
    return 0 if failed else int(struct.unpack_from("l", into)[0]) & 0xFFFFFFFF


def check_file(path: Path) -> None:
    """Refuse what is no file before SQLite touches it. Raises `StoreError`.

    The file is not opened here: closing it again would take the locks of every connection this process has to it
    (POSIX; sqlite.org/howtocorrupt.html, 2.2), and another process would take the log away under them.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise StoreError(
            f"cannot open the store `{path}`: {getattr(error, 'strerror', error)}",
            "give another place with --store PATH or STEPDOWN_STORE",
        ) from error
    if not stat.S_ISREG(found.st_mode):
        raise StoreError(f"`{path}` is not a regular file", "give another place with --store PATH or STEPDOWN_STORE")


def file_identity(path: str) -> tuple[int, int] | None:
    """Return the device and inode of a file, None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


class WriterLock:
    """A file beside a store on a network file system, whose locks cannot be relied on: one process writes at a time.

    Further connections of that process share it; it goes with the first.
    """

    def __init__(self, path: Path, network: str) -> None:
        self.path, self._owner = path.with_name(f"{path.name}-owner"), Owner()
        try:
            self._take()
        except FileExistsError:
            holder = self._holder()
            if is_here(holder):
                return
            if lives(holder, float("inf"), 0.0):
                raise StoreError(
                    f"the store `{path}` lies on {network} and is being written by {process_of(holder)}",
                    f"there only one process may write: wait for it, or keep the store on a disk of this machine; "
                    f"if that process is gone, remove `{self.path}`",
                ) from None
            self.path.unlink(missing_ok=True)
            self._take()

    def _take(self) -> None:
        with os.fdopen(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644), "w") as file:
            file.write(self._owner.name)

    def _holder(self) -> str:
        try:
            return self.path.read_text(errors="replace")[:1000]
        except OSError:
            return ""

    def release(self) -> None:
        """Let others write."""
        if self._holder() == self._owner.name:
            self.path.unlink(missing_ok=True)
