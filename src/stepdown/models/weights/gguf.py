"""What a GGUF file says of itself, and the copy of it that OpenVINO reads rightly.

Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import mmap
import os
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from math import prod
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgspec

from stepdown.errors import MissingExtra, UsageError
from stepdown.types import fingerprint
from stepdown.untrusted import reading

SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9
# ggml's numbers of the tensor kinds OpenVINO reads rightly: F32, F16, Q4_0, Q8_0, Q4_K, Q6_K.
# It misreads Q4_1 without a word and refuses Q5_0; the rest is converted too, to be safe.
OPENVINO_KINDS = frozenset({0, 1, 2, 8, 12, 14})
F16, Q8_0, BLOCK = 1, 8, 32
# Numbers in a block, and bytes that it takes, of the usual kinds.
SIZES = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 10: (256, 84),
    11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 30: (1, 2),
}  # fmt: skip
# Rows of a tensor that a thread takes at once, and threads: each holds several copies of its rows in float32.
ROWS, WORKERS = 4096, 8
MOST_ALIGNMENT, MOST_CONTEXT = 1 << 20, 1 << 31


class Tensor(msgspec.Struct, frozen=True):
    """One tensor of a GGUF file: `shape` with the innermost dimension first, `kind` as ggml numbers it."""

    name: str
    shape: tuple[int, ...]
    kind: int
    offset: int

    @property
    def least(self) -> int:
        """The bytes it takes, 1 where its kind is none of the usual."""
        block, size = SIZES.get(self.kind, (0, 1))
        return prod(self.shape) // block * size if block else 1


class Header(msgspec.Struct, frozen=True):
    """The facts of a GGUF file that choose its engine.

    `context` is the trained context in tokens, `template` the chat template ("" if none), `end` the byte
    where the key-value section ends, `data` the byte where tensors begin.
    """

    architecture: str
    context: int
    tokenizer: str
    template: str
    alignment: int
    tensors: tuple[Tensor, ...]
    end: int
    data: int

    @property
    def openvino_reads(self) -> bool:
        """Whether OpenVINO reads every tensor as it is meant."""
        return all(tensor.kind in OPENVINO_KINDS for tensor in self.tensors)

    @property
    def half(self) -> bool:
        """Whether every matrix is F16: unquantized weights, as a student's are."""
        return all(tensor.kind == F16 for tensor in self.tensors if len(tensor.shape) > 1)


class Cursor:
    """A place in the bytes of a GGUF file, which reading moves on; raises `struct.error`, `ValueError` at its end."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data, self.at = data, 0

    def number(self, code: str) -> Any:
        """Return the next number of this `struct` code."""
        (value,) = struct.unpack_from("<" + code, self.data, self.at)
        self.at += struct.calcsize("<" + code)
        return value

    def text(self) -> str:
        """Return the next text."""
        length = self.number("Q")
        if length > len(self.data) - self.at:
            raise ValueError("a text runs over the end of the file")
        self.at += length
        return self.data[self.at - length : self.at].decode("utf-8", "replace")

    def value(self, kind: int) -> Any:
        """Return the next value of a kind; None for an array, which is passed over."""
        if kind == STRING:
            return self.text()
        if kind == ARRAY:
            return self.skip_array()
        return self.number(SCALARS[kind])

    def skip_array(self) -> None:
        """Pass over an array."""
        kind, count = self.number("I"), self.number("Q")
        if kind != STRING:
            self.at += struct.calcsize(SCALARS[kind]) * count
        else:
            for _ in range(count):
                length = self.number("Q")
                self.at += length


def read_header(path: Path) -> Header:
    """Return the header of a GGUF file; raises `UsageError` where the file is none."""
    with (
        reading(f"`{path}` is not a whole GGUF file", "download it again, or give another file"),
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        return _parse(Cursor(data))


def _parse(cursor: Cursor) -> Header:
    magic, version = cursor.number("I"), cursor.number("I")
    if magic != 0x46554747 or version not in (2, 3):
        raise ValueError("its first bytes are not those of GGUF version 2 or 3")
    tensor_count, value_count = cursor.number("Q"), cursor.number("Q")
    values = {cursor.text(): cursor.value(cursor.number("I")) for _ in range(value_count)}
    end = cursor.at
    tensors = tuple(_tensor(cursor) for _ in range(tensor_count))
    architecture = str(values.get("general.architecture", ""))
    alignment = int(values.get("general.alignment", 32))
    context = int(values.get(f"{architecture}.context_length", 2048))
    if not 0 < alignment <= MOST_ALIGNMENT or not 0 < context <= MOST_CONTEXT:
        raise ValueError(f"an alignment of {alignment} and a context of {context}")
    data, size = _aligned(cursor.at, alignment), len(cursor.data)
    if any(data + tensor.offset + tensor.least > size for tensor in tensors):
        raise ValueError("it is cut off: its tensors lie beyond its end")
    return Header(
        architecture=architecture,
        context=context,
        tokenizer=str(values.get("tokenizer.ggml.model", "")),
        template=str(values.get("tokenizer.chat_template", "")),
        alignment=alignment,
        tensors=tensors,
        end=end,
        data=data,
    )


def _tensor(cursor: Cursor) -> Tensor:
    name, dimensions = cursor.text(), cursor.number("I")
    shape = tuple(cursor.number("Q") for _ in range(dimensions))
    return Tensor(name, shape, cursor.number("I"), cursor.number("Q"))


def _aligned(at: int, alignment: int) -> int:
    return -(-at // alignment) * alignment


def openvino_copy(path: Path, header: Header, folder: Path) -> Path:
    """Return the file itself if OpenVINO reads it rightly, else a copy whose other tensors are Q8_0 (or F16).

    The copy lies in `folder`, under a name that changes with the file; it is written once, atomically.
    """
    if header.openvino_reads:
        return path
    stat = path.stat()
    mark = fingerprint((str(path.resolve()), stat.st_size, stat.st_mtime_ns))[:16]
    copy = folder / f"{path.stem}-{mark}.gguf"
    if not copy.exists():
        folder.mkdir(parents=True, exist_ok=True)
        partial = copy.with_name(f"{copy.name}.{os.getpid()}-{threading.get_ident()}.part")
        try:
            with reading(f"`{path}` holds tensors that cannot be converted", "try STEPDOWN_ENGINE=llamacpp"):
                _convert(path, header, partial)
            partial.replace(copy)
        finally:
            partial.unlink(missing_ok=True)
    return copy


def _convert(path: Path, header: Header, target: Path) -> None:
    try:
        from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
    except ImportError:
        raise MissingExtra("gguf", "embedded", f"reading `{path.name}` with OpenVINO") from None
    sizes = {int(kind): GGML_QUANT_SIZES[kind] for kind in GGMLQuantizationType}
    kinds = [_target_kind(tensor) for tensor in header.tensors]
    lengths = [
        prod(tensor.shape) // sizes[kind][0] * sizes[kind][1]
        for tensor, kind in zip(header.tensors, kinds, strict=True)
    ]
    with path.open("rb") as source, target.open("wb") as file:
        file.write(source.read(header.end))
        begin = _write_tensor_table(file, header, kinds, lengths)
    with ThreadPoolExecutor(min(WORKERS, os.cpu_count() or 1)) as pool:
        parts = _parts(header, kinds, lengths, sizes)
        for _ in pool.map(lambda part: _write_part(path, target, header.data, begin, part), parts):
            continue
    with target.open("r+b") as file:
        file.seek(0, os.SEEK_END)
        _pad(file, header.alignment)


class _Part(NamedTuple):
    """Some rows of a tensor: where they are read and written after the files' first tensors, and of which kinds."""

    rows: int
    old: int
    old_at: int
    old_bytes: int
    new: int
    new_at: int
    new_bytes: int


def _parts(header: Header, kinds: list[int], lengths: list[int], sizes: dict[int, tuple[int, int]]) -> Iterator[_Part]:
    """Stream all rows of all tensors, so many at once as a thread takes."""
    at = 0
    for tensor, kind, length in zip(header.tensors, kinds, lengths, strict=True):
        rows = prod(tensor.shape[1:])
        old_row, new_row = (tensor.shape[0] // sizes[one][0] * sizes[one][1] for one in (tensor.kind, kind))
        for row in range(0, rows, ROWS):
            count = min(ROWS, rows - row)
            old = (tensor.kind, tensor.offset + row * old_row, count * old_row)
            yield _Part(count, *old, kind, at + row * new_row, count * new_row)
        at = _aligned(at + length, header.alignment)


def _write_part(path: Path, target: Path, old_begin: int, new_begin: int, part: _Part) -> None:
    with path.open("rb") as source:
        source.seek(old_begin + part.old_at)
        raw = source.read(part.old_bytes)
    written = raw if part.new == part.old else _requantized(raw, part)
    assert len(written) == part.new_bytes, "rows have the length that their kind and shape say"
    with target.open("r+b") as file:
        file.seek(new_begin + part.new_at)
        file.write(written)


def _target_kind(tensor: Tensor) -> int:
    if tensor.kind in OPENVINO_KINDS:
        return tensor.kind
    return Q8_0 if tensor.shape[0] % BLOCK == 0 else F16


def _write_tensor_table(file: IO[bytes], header: Header, kinds: list[int], lengths: list[int]) -> int:
    """Write where each tensor will lie, and return the byte where they begin."""
    offset = 0
    for tensor, kind, length in zip(header.tensors, kinds, lengths, strict=True):
        name = tensor.name.encode()
        file.write(struct.pack("<Q", len(name)) + name)
        file.write(struct.pack(f"<I{len(tensor.shape)}Q", len(tensor.shape), *tensor.shape))
        file.write(struct.pack("<IQ", kind, offset))
        offset = _aligned(offset + length, header.alignment)
    _pad(file, header.alignment)
    return file.tell()


def _pad(file: IO[bytes], alignment: int) -> None:
    file.write(b"\0" * (_aligned(file.tell(), alignment) - file.tell()))


def _requantized(raw: bytes, part: _Part) -> bytes:
    import numpy
    from gguf import GGMLQuantizationType
    from gguf.quants import dequantize, quantize

    blocks = numpy.frombuffer(raw, dtype=numpy.uint8).reshape(part.rows, -1)
    floats = dequantize(blocks, GGMLQuantizationType(part.old))
    return bytes(quantize(floats, GGMLQuantizationType(part.new)).tobytes())


def require_gguf(path: Path) -> Path:
    """Return the path if a file is there, or raise `UsageError`."""
    if not path.is_file():
        raise UsageError(f"there is no file `{path}`", "give the path of a GGUF file, or embedded/<name>")
    return path
