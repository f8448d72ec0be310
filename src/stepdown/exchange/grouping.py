"""Chains of one problem brought together, in whatever order a file holds them, within bounded memory."""

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path

import msgspec

from stepdown.corpus import unicode_value
from stepdown.errors import UsageError
from stepdown.files import folder_beside
from stepdown.types import Chain

# Problems in one heap: what is held at once when heaps are read back is a heap's chains.
PROBLEMS = 1_024
# Bytes that wait in memory before they go to their heaps on disk.
_WAITING = 1 << 26
_LENGTH = 4


def external_group_by(chains: Iterable[tuple[str, Chain]], folder: Path) -> Iterator[list[Chain]]:
    """Stream all chains of one key at a time, keys and chains in the order they come.

    Needs as much disk in `folder` as the chains have bytes. Memory: 64 MB, the chains of 1,024 keys, and some 180
    bytes for each key.
    """
    with folder_beside(folder / "chains") as index:
        heaps = _Heaps(index)
        for key, chain in chains:
            heaps.add(key, chain)
        yield from heaps.read()


class _Heaps:
    """Chains sorted into files of some thousand keys each; keys are known by 8 bytes of their hash."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._indices: dict[bytes, int] = {}
        self._waiting: dict[int, bytearray] = {}
        self._size = 0
        self._encode = msgspec.msgpack.Encoder().encode

    def add(self, key: str, chain: Chain) -> None:
        digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        index = self._indices.setdefault(digest, len(self._indices))
        try:
            body = self._encode((index, chain))
        except UnicodeEncodeError:
            body = self._encode((index, unicode_value(msgspec.to_builtins(chain))))
        self._waiting.setdefault(index // PROBLEMS, bytearray()).extend(len(body).to_bytes(_LENGTH) + body)
        self._size += len(body)
        if self._size > _WAITING:
            self._spill()

    def read(self) -> Iterator[list[Chain]]:
        self._spill()
        decode = msgspec.msgpack.Decoder(tuple[int, Chain]).decode
        for heap in range(-(-len(self._indices) // PROBLEMS)):
            body, at = memoryview((self._folder / str(heap)).read_bytes()), 0
            groups: dict[int, list[Chain]] = {}
            while at < len(body):
                end = at + _LENGTH + int.from_bytes(body[at : at + _LENGTH])
                index, chain = decode(body[at + _LENGTH : end])
                groups.setdefault(index, []).append(chain)
                at = end
            yield from (groups[index] for index in sorted(groups))

    def _spill(self) -> None:
        try:
            for heap, body in self._waiting.items():
                with (self._folder / str(heap)).open("ab") as file:
                    file.write(body)
        except OSError as error:
            what = f"cannot write to `{self._folder.parent}`: {error.strerror}"
            raise UsageError(what, "make room for a copy of the file there, or write the corpus elsewhere") from error
        self._waiting.clear()
        self._size = 0
