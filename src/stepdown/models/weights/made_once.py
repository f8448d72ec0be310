"""Folders that are made of weights once and kept: whole or not at all, known by the hash of each file in them."""

import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from stepdown.errors import FileError
from stepdown.files import replacing_folder
from stepdown.full_disks import full_disk
from stepdown.models.weights.cache import file_hash
from stepdown.models.weights.downloads import locked

MANIFEST = "manifest.json"


class Manifest(msgspec.Struct, frozen=True):
    """The SHA-256 of each file of a folder that was made; written last."""

    files: dict[str, str]


def made_once(whole: Path, make: Callable[[Path], object], *, words: str, hint: str) -> Path:
    """Return the folder `whole`, made where it is not there or damaged: `make` is given an empty one to fill.

    Two processes make it once; one that is killed leaves nothing that counts. A folder that is there is only read.
    `words` say on stderr what is made. Raises `FileError` with the `hint` where nothing can be written beside it.
    """
    if intact(whole):
        return whole
    lock = whole.parent / f"{whole.name}.lock"
    try:
        whole.parent.mkdir(parents=True, exist_ok=True)
        lock.touch()
        with locked(lock):
            if not intact(whole):
                again = "damaged, so it is made again" if whole.exists() else "made once"
                print(f"{words} ({again})", file=sys.stderr)
                with replacing_folder(whole) as part:
                    make(part)
                    files = {file.name: file_hash(file) for file in sorted(part.iterdir())}
                    (part / MANIFEST).write_bytes(msgspec.json.encode(Manifest(files)))
    except OSError as error:
        raise full_disk(error, whole.parent) or FileError(
            f"`{whole.parent}` cannot be written ({error.strerror or error}), where models are converted", hint
        ) from error
    return whole


def intact(folder: Path) -> bool:
    """Whether a folder is whole: every file is there with the hash that it was written with."""
    try:
        known = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
        return bool(known.files) and all(file_hash(folder / name) == sha for name, sha in known.files.items())
    except (OSError, msgspec.DecodeError, RecursionError):
        return False
