"""A GGUF file as a model in OpenVINO's own format: made once, kept whole or not at all, known by its hashes.

OpenVINO reads a GGUF file anew at each start, tokenizer and all, and multiplies by weights that have a scale for each
32 of them. Its own format is read in a sixth of the time, and one scale for each row (int8), or for each 128 weights
(int4), is faster to multiply by.
"""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from stepdown.errors import FileError, StepdownError, UsageError
from stepdown.models.weights.cache import known_hash
from stepdown.models.weights.gguf import Header, openvino_copy
from stepdown.models.weights.made_once import made_once
from stepdown.models.weights.openvino_tokenizers import small_tokenizer, tokenizer_beside
from stepdown.untrusted import reading

MODEL = "openvino_model.xml"
# Part of a converted model's name, with OpenVINO's version: raise it with what is written here. Other numbers want
# another name of the form too, as a reply's source says only that.
CONVERTER = 1
# Bits of a weight, and how many share a scale: 0 is a whole row.
FORMS = {"int8": (8, 0), "int4": (4, 128)}
# By what else the scale that the widest weight of a group asks for is multiplied; and the least scale of float16.
SHARES, TINY = (0.9, 0.8, 1.1), 6e-8
# Rows of a matrix that are worked on at once: those of a whole vocabulary in float32 take gigabytes.
ROWS = 2048
# More workers than this gain little, and each holds several copies of its rows in float32.
WORKERS = 8
# What the parts take beside the GGUF file while it is converted, at most, as a multiple of it.
ROOM = 4

_HINT = "make room, set STEPDOWN_CACHE to another disk, or STEPDOWN_ENGINE=openvino-gguf to run the file as it is"


def converted(path: Path, header: Header, form: str, folder: Path, genai: Any) -> Path:
    """Return the folder of a GGUF file's model in OpenVINO's format, made in `folder` where it is not there or damaged.

    The same file gives the same weights on any machine; each version of OpenVINO has a folder of its own. `form` is a
    key of `FORMS`; `genai` is the module. Two processes make it once; one that is killed leaves nothing that counts. A
    model that is there is only read. Raises `UsageError` for a file that OpenVINO does not read and `FileError` where
    the disk is full or not to be written.
    """
    return made_once(
        _place_of(path, form, folder),
        lambda part: _make(path, header, form, part, genai),
        words=f"converting `{path.name}` to OpenVINO's {form} format",
        hint=_HINT,
    )


def is_made(path: Path, form: str, folder: Path) -> bool:
    """Whether a GGUF file's model in this form is there, whole or not; one that runs as it is needs none."""
    return not form or _place_of(path, form, folder).exists()


def _place_of(path: Path, form: str, folder: Path) -> Path:
    made_by = f"{CONVERTER}-{version('openvino-genai')}"
    return folder / f"{path.stem}-{known_hash(path)[:16]}-{form}-{made_by}"


def _make(path: Path, header: Header, form: str, part: Path, genai: Any) -> None:
    size, free = path.stat().st_size, shutil.disk_usage(part).free
    if free < ROOM * size:
        raise _full(path, f"it takes up to `{ROOM * size / 1e9:.1f}` GB and `{free / 1e9:.1f}` GB are free")

    def refusal(why: str) -> StepdownError:
        # What the library says of a full disk names no cause: the disk does.
        if shutil.disk_usage(part).free < size:
            return _full(path, why)
        return UsageError(f"OpenVINO cannot load `{path}` ({why})", "try STEPDOWN_ENGINE=llamacpp")

    with reading("", "", make=refusal):
        # The file itself is linked in the one, under a name that nobody chose: nothing else is written there.
        raw, words = part / "raw", part / "words"
        raw.mkdir()
        words.mkdir()
        with tokenizer_beside(path, header, words):
            _read(_linked(path, header, raw), small_tokenizer(words, genai), genai)
            tied = all(tensor.name != "output.weight" for tensor in header.tensors)
            _requantize(raw / MODEL, part / MODEL, form, tied=tied)
        for file in words.glob("openvino_*tokenizer.*"):
            file.rename(part / file.name)
        shutil.rmtree(raw)
        shutil.rmtree(words)


def _full(path: Path, why: str) -> FileError:
    return FileError(f"`{path.name}` cannot be converted: the disk is full ({why})", _HINT)


def _linked(path: Path, header: Header, folder: Path) -> Path:
    """Return a place in the folder where OpenVINO finds the file: what it saves goes beside it."""
    if not header.openvino_reads:
        return openvino_copy(path, header, folder)
    link = folder / path.name
    try:
        link.symlink_to(path.resolve())
    except OSError:
        shutil.copyfile(path, link)
    return link


def _read(path: Path, tokenizer: Any, genai: Any) -> None:
    """Have OpenVINO read a GGUF file and save beside it the model it made of it; any tokenizer will do."""

    def load(device: str) -> None:
        scheduler = genai.SchedulerConfig()
        genai.ContinuousBatchingPipeline(str(path), tokenizer, scheduler, device, enable_save_ov_model=True)

    # It saves the model before it compiles it, which takes seconds and gigabytes: a device of no name spares that.
    with suppress(RuntimeError):
        load("NONE")
    if not (path.parent / MODEL).exists():
        load("CPU")


def _requantize(source: Path, target: Path, form: str, *, tied: bool) -> None:
    """Write the model again with its matrices in this form; a table of words that is the last matrix too is kept once.

    It holds most of the model in memory.
    """
    import openvino

    model = openvino.Core().read_model(source)
    places = [place for node in model.get_ordered_ops() if (place := _place(node)) is not None]
    # The numbers of 4 bits are not copied by the model: they must live until it is saved.
    kept: list[Any] = []
    table: Any = None
    for place in places:
        is_table, is_last = place.user.get_type_name() == "Gather", place is places[-1]
        # Words differ by little: what takes them in and chooses among them keeps 8 bits.
        matrix = table if is_last and tied else None
        matrix = matrix or _matrix(place, *FORMS["int8" if is_table or is_last else form], kept)
        table = matrix if is_table else table
        place.user.input(place.at).replace_source_output(matrix.output(0))
    openvino.save_model(model, str(target), compress_to_fp16=False)
    openvino.Core().read_model(target)  # one that is cut off is refused here


class _Place(NamedTuple):
    """Where a matrix is used: by which node, at which of its inputs, and the constants it is made of."""

    user: Any
    at: int
    codes: Any
    zeros: Any
    scales: Any
    shape: tuple[int, int]


def _place(user: Any) -> _Place | None:
    """Return what a node multiplies by or looks up in, None where that is no matrix of (codes - zeros) * scales."""
    at = {"MatMul": 1, "Gather": 0}.get(user.get_type_name())
    if at is None:
        return None
    node, found = user.input_value(at).get_node(), []
    rows, columns = tuple(user.input_value(at).get_partial_shape().to_shape()) if _is_matrix(user, at) else (0, 0)
    for kind in ("Convert", "Reshape", "Multiply", "Subtract"):
        if node.get_type_name() != kind:
            return None
        found.append(node)
        node = node.input_value(0).get_node()
    multiply, subtract = found[2:]
    zeros, scales = subtract.input_value(1).get_node().input_value(0).get_node(), multiply.input_value(1).get_node()
    return _Place(user, at, node.input_value(0).get_node(), zeros, scales, (rows, columns))


def _is_matrix(user: Any, at: int) -> bool:
    shape = user.input_value(at).get_partial_shape()
    return bool(shape.is_static and len(shape) == 2)


def _matrix(place: _Place, bits: int, group: int, kept: list[Any]) -> Any:
    """Return the node of a matrix: whole numbers of so many bits times a scale for each group of a row's columns."""
    import numpy
    import openvino
    from openvino import opset13

    rows, columns = place.shape
    while group and columns % group:
        group //= 2
    blocks = [slice(at, at + ROWS) for at in range(0, rows, ROWS)]
    arrays = [_numbers(constant) for constant in place[2:5]]
    with ThreadPoolExecutor(min(WORKERS, os.cpu_count() or 1)) as pool:
        parts = list(pool.map(lambda block: _coded(_floats(arrays, block), bits, group or columns), blocks))
    codes, scales = (numpy.concatenate(of_all) for of_all in zip(*parts, strict=True))
    if bits == 4:
        halves = codes.reshape(-1).view(numpy.uint8) & 15
        kept.append(halves[0::2] | (halves[1::2] << 4))
        constant = opset13.constant(openvino.Tensor(kept[-1], openvino.Shape(codes.shape), openvino.Type.i4))
    else:
        constant = opset13.constant(codes)
    scaled = opset13.multiply(opset13.convert(constant, "f16"), opset13.constant(scales))
    if group:
        scaled = opset13.reshape(scaled, opset13.constant(numpy.array([rows, columns], numpy.int64)), False)
    return opset13.convert(scaled, "f32")


def _floats(arrays: list[Any], block: slice) -> Any:
    """Return some rows of a matrix in float32, of shape (rows, groups, columns of a group)."""
    codes, zeros, scales = (array[block].astype("float32") for array in arrays)
    codes -= zeros
    codes *= scales
    return codes


def _numbers(constant: Any) -> Any:
    """Return a constant as an array; numbers of 4 bits come two to a byte, the first in its lower half."""
    import numpy

    values = numpy.asarray(constant.data)
    if constant.get_element_type().to_string() != "u4":
        return values
    packed = values.view(numpy.uint8).reshape(-1)
    return numpy.stack([packed & 15, packed >> 4], axis=-1).reshape(tuple(constant.get_output_shape(0)))


def _coded(block: Any, bits: int, group: int) -> tuple[Any, Any]:
    """Return a block's whole numbers and scales, by whichever of a few scales for each group errs least (int4)."""
    import numpy

    most = 2 ** (bits - 1)
    grouped = block.reshape(len(block), -1, group)
    high, low = grouped.max(-1, keepdims=True), grouped.min(-1, keepdims=True)
    widest = numpy.where(high > -low, high, low)
    codes, scales = _rounded(grouped, widest / -most, most)
    if bits == 8:
        return codes[:, 0], scales[:, 0]
    least = _error(grouped, codes, scales)
    for share in SHARES:
        others, coarse = _rounded(grouped, widest / -most * share, most)
        error = _error(grouped, others, coarse)
        better = error < least
        codes, scales, least = (
            numpy.where(better, new, old) for new, old in ((others, codes), (coarse, scales), (error, least))
        )
    return codes, scales


def _rounded(grouped: Any, wanted: Any, most: int) -> tuple[Any, Any]:
    import numpy

    scales = wanted.astype(numpy.float16)
    scales[scales == 0] = TINY
    codes = grouped / scales.astype(numpy.float32)
    numpy.rint(codes, out=codes)
    numpy.clip(codes, -most, most - 1, out=codes)
    return codes.astype(numpy.int8), scales


def _error(grouped: Any, codes: Any, scales: Any) -> Any:
    return ((codes * scales.astype("float32") - grouped) ** 2).sum(-1, keepdims=True)
