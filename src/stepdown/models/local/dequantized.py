"""A GGUF file as a folder in transformers' form, its weights in float32: written once.

transformers goes through all words of a GGUF file for its settings, again for its tokenizer and again for its weights:
a minute for 150,000 words and half a billion weights, where the folder takes two seconds.
"""

import shutil
import sys
from collections.abc import Callable
from importlib.metadata import version
from math import prod
from pathlib import Path

from stepdown.errors import FileError
from stepdown.models.weights import known_hash, models_folder, read_header
from stepdown.models.weights.made_once import made_once
from stepdown.untrusted import reading

# Part of a folder's name, with transformers' version: raise it with what is written here.
FORM = 1
# A file of fewer bytes is read in a second or two, and not worth a copy.
SMALL = 32_000_000
# What has to be free on the disk, as a multiple of the weights in float32.
ROOM = 1.1

_HINT = "make room, or set STEPDOWN_CACHE to another disk"


def dequantized(path: Path, save: Callable[[Path], object]) -> Path | None:
    """Return the folder of a GGUF file, which `save` fills where it is not there or damaged.

    None for a small file, and where there is no room for the folder, which is said: the file itself is to be read then.
    """
    if path.stat().st_size < SMALL:
        return None
    size = 4 * sum(prod(tensor.shape) for tensor in read_header(path).tensors)
    words = f"writing the weights of `{path.name}` in float32, {size / 1e9:.1f} GB, as training reads them"
    try:
        return made_once(folder_of(path), lambda part: _write(part, size, save), words=words, hint=_HINT)
    except FileError as error:
        why = f"{error.what}, so the file itself is read, which takes longer each time; {error.hint}"
        print(why, file=sys.stderr)
        return None


def folder_of(path: Path) -> Path:
    """Return where a GGUF file's folder is, made or not; each version of transformers has its own."""
    name = f"{path.stem}-{known_hash(path)[:16]}-float32-{FORM}-{version('transformers')}"
    return models_folder() / "converted" / name


def _write(part: Path, size: int, save: Callable[[Path], object]) -> None:
    if (free := shutil.disk_usage(part).free) < ROOM * size:
        raise FileError(f"the disk has `{free / 1e9:.1f}` GB free, and they take `{ROOM * size / 1e9:.1f}`", _HINT)
    with reading("", "", make=lambda why: FileError(f"they cannot be written ({why})", _HINT)):
        save(part)
