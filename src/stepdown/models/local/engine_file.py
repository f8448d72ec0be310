"""Where the resident engine of this user is: a file that only this user may read, and a lock that its process holds."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from hmac import compare_digest
from hmac import new as hmac_of
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from stepdown.files import try_lock
from stepdown.models.weights.cache import models_folder
from stepdown.version import __version__

_PACKAGES = ("openvino-genai", "xllamacpp", "transformers", "torch")
_MOST = 4096
_PRIVATE = 0o600
_OTHERS = 0o077


class EngineAddress(msgspec.Struct, frozen=True):
    """Where a resident engine listens on this machine, and the token by which it and its clients know one another.

    `made_by` are the versions that its replies may depend on: one of another version is not asked.
    """

    pid: int
    port: int
    token: str
    made_by: str

    def proof(self, nonce: str, side: str) -> str:
        """Return what only those who have the token can say of a nonce; each side says another thing."""
        return hmac_of(self.token.encode(), f"{side} {nonce}".encode(), sha256).hexdigest()

    def proves(self, proof: str, nonce: str, side: str) -> bool:
        """Whether a side has proved that it has the token."""
        return compare_digest(proof.encode(), self.proof(nonce, side).encode())


def engine_folder() -> Path:
    """Return the folder that the engine's files lie in: that of the weights it loads."""
    return models_folder().parent


def made_by() -> str:
    """Return the versions of what computes a reply in this environment."""
    found = [f"stepdown {__version__}"]
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):
            found.append(f"{name} {version(name)}")
    return ", ".join(found)


def find_engine() -> EngineAddress | None:
    """Return the resident engine that is said to run, None without one that this command may ask.

    A file that others could have written or read is none, and neither is an engine of another version.
    """
    found = read_address()
    return found if found is not None and found.made_by == made_by() else None


def read_address() -> EngineAddress | None:
    """Return what the file says of an engine of any version, None where it says nothing or others may read it."""
    try:
        with _file().open("rb") as file:
            stat = os.fstat(file.fileno())
            mine = not hasattr(os, "getuid") or (stat.st_uid == os.getuid() and not stat.st_mode & _OTHERS)
            return msgspec.json.decode(file.read(_MOST), type=EngineAddress) if mine else None
    except (OSError, msgspec.DecodeError, RecursionError):
        return None


def write_address(address: EngineAddress) -> None:
    """Say where the engine of this process is, whole or not at all."""
    part = engine_folder() / f"engine.{address.pid}.part"
    with suppress(FileNotFoundError):
        part.unlink()
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "wb") as file:
        file.write(msgspec.json.encode(address))
    part.replace(_file())


def remove_address(address: EngineAddress) -> None:
    """Take the file away, unless it is another engine's by now."""
    if read_address() == address:
        _file().unlink(missing_ok=True)


def _file() -> Path:
    return engine_folder() / "engine.json"


@contextmanager
def sole_engine() -> Iterator[bool]:
    """Hold the lock of the one engine for a `with`; False where another process holds it."""
    engine_folder().mkdir(parents=True, exist_ok=True)
    with (engine_folder() / "engine.lock").open("a+b") as file:
        yield try_lock(file)
