"""Corpora in object stores: read from a copy in the cache, written here and then copied whole, the card last."""

import shutil
from collections.abc import Callable
from pathlib import Path

from stepdown.corpus.card import CARD, README
from stepdown.corpus.folder import BEHIND, PART
from stepdown.corpus.shard_places import PLACES
from stepdown.models.weights import models_folder
from stepdown.object_stores import check_folder, copy_of, fetch_folder, put_folder
from stepdown.questions import FILE

_FILES = {CARD, README, BEHIND, FILE, PLACES}


def copies_folder() -> Path:
    """Return where copies of corpora are kept: `corpora` in `STEPDOWN_CACHE`, beside the weights."""
    return models_folder().parent / "corpora"


def local_copy(address: str) -> Path:
    """Return the folder of a corpus in a store, copied into the cache; raises as `fetch_folder`."""
    return fetch_folder(address, copies_folder(), last=CARD)


def write_remote(address: str, write: Callable[[Path], object], *, force: bool = False) -> Path:
    """Write a corpus in the cache by `write`, copy it to an address, and return the copy that stays here.

    Where it is killed on the way there is no card at the address, so no corpus. Raises `UsageError`, `MissingExtra`.
    """
    check_folder(address, last=CARD, ours=is_corpus_file, force=force)
    folder = copy_of(address, copies_folder())
    folder.parent.mkdir(parents=True, exist_ok=True)
    if folder.exists() and not (folder / CARD).is_file():
        shutil.rmtree(folder)
    write(folder)
    put_folder(folder, address, last=CARD)
    return folder


def is_corpus_file(name: str) -> bool:
    """Whether a corpus has files of this name."""
    return name in _FILES or PART.fullmatch(name) is not None
