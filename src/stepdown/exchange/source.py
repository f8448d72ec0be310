"""What a reader of foreign chains is given, and what it learns of the file beside the chains."""

from collections import Counter
from hashlib import blake2b
from pathlib import Path

import msgspec

# Of each form: what is said of problems without chains.
NONE = "{} problems had no chain: they are left out"


class ChainSource(msgspec.Struct, frozen=True):
    """A file of chains: `dataset` names its problems, `teacher` wrote the chains that name none.

    `scratch` is a folder on a disk with room for a copy of the chains; `seen` counts what the card is to say of the
    file, by the sentence that says it, with `{}` where the count stands.
    """

    path: Path
    dataset: str
    teacher: str
    scratch: Path
    seen: Counter[str]

    @property
    def fresh(self) -> "ChainSource":
        """This source with nothing seen, for a worker."""
        return msgspec.structs.replace(self, seen=Counter())

    @property
    def notes(self) -> tuple[str, ...]:
        """The sentences for the card, counts filled in, in the order they were first met."""
        return tuple(text.replace("{}", f"{count:,}") for text, count in self.seen.items() if count)


def digest_of(path: Path) -> str:
    """Return what tells a file's bytes from another's, by which an imported file is known again."""
    digest = blake2b(digest_size=8)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


SPLITS = {"train": "train", "dev": "dev", "valid": "dev", "validation": "dev", "val": "dev", "test": "test"}


def dataset_of(path: Path) -> str:
    """Return the data set a file's name speaks of: `quarel/train` for `quarel_train.jsonl.gz`, else the bare name."""
    stem = path.name.split(".")[0] or path.name
    name, _, last = stem.replace("-", "_").rpartition("_")
    return f"{name}/{SPLITS[last.lower()]}" if name and last.lower() in SPLITS else stem
