"""The folder that keeps weights, and the hashes of files, remembered while they stay as they are."""

import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from platformdirs import user_cache_path

from stepdown.types import fingerprint

CHUNK = 1 << 20


def models_folder() -> Path:
    """Return where weights are kept: `models` in `STEPDOWN_CACHE`, else in `stepdown` in the user's cache folder."""
    given = os.environ.get("STEPDOWN_CACHE")
    cache = Path(given).expanduser() if given else user_cache_path("stepdown", appauthor=False, opinion=False)
    return cache / "models"


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(CHUNK):
            digest.update(block)
    return digest.hexdigest()


def known_hash(path: Path) -> str:
    """Return the SHA-256 of a file, remembered in the cache, where that can be written, until the file changes."""
    note = _note_of(path)
    if note.exists():
        return note.read_text()
    digest = file_hash(path)
    remember_hash(path, digest)
    return digest


def remember_hash(path: Path, digest: str) -> None:
    """Keep the SHA-256 of a file that was just read whole, where the cache can be written."""
    note = _note_of(path)
    # Whole or absent: another process that read a half-written hash would take this file for another one.
    part = note.with_name(f"{note.name}.{os.getpid()}.part")
    with suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(digest)
        part.replace(note)


def _note_of(path: Path) -> Path:
    stat = path.stat()
    mark = fingerprint((str(path.resolve()), stat.st_size, stat.st_mtime_ns))
    return models_folder() / "hashes" / mark
