"""How a model's files reach a node that has them at no path of its own: by the object store, checked by their hash."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from stepdown.models.weights.cache import CHUNK, models_folder

# What the object store is given at once: a file of gigabytes must not have to fit it whole.
PART = 64 * CHUNK


class SentFile(NamedTuple):
    """A file by its name in the model's folder, and references to its parts in the object store."""

    name: str
    parts: list[Any]


def files_of(path: Path) -> list[Path]:
    """Return the files of a model: a GGUF file itself, or those that lie in a folder, not in folders within it."""
    if path.is_file():
        return [path]
    return sorted(file for file in path.iterdir() if file.is_file() and not file.name.endswith(".part"))


def send(path: Path, ray: Any) -> list[SentFile]:
    """Put a model's files into the object store; blocks while it reads them."""
    return [SentFile(file.name, [ray.put(part) for part in _parts(file)]) for file in files_of(path)]


def _parts(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while part := opened.read(PART):
            yield part


def receive(files: list[SentFile], source: str, ray: Any, *, file: bool) -> Path:
    """Write files that were sent into this node's cache, and return the path they lie at: of the one file, or folder.

    Two workers of a node may do so at once: each writes a folder of its own, and the first to end has it.
    """
    folder = models_folder() / "sent" / source.replace("/", "-")
    if not folder.is_dir():
        fresh = folder.with_name(f"{folder.name}.{os.getpid()}.part")
        fresh.mkdir(parents=True, exist_ok=True)
        for name, parts in files:
            with (fresh / Path(name).name).open("wb") as opened:
                for part in parts:
                    opened.write(ray.get(part))
        try:
            fresh.rename(folder)
        except OSError:
            shutil.rmtree(fresh, ignore_errors=True)
    return folder / Path(files[0].name).name if file else folder
