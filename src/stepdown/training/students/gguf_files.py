"""GGUF files of a student's merged weights, for the engines in this process.

Source of the tensor names and of the order of rows in a llama's query and key weights: llama.cpp's
`convert_hf_to_gguf.py`, which transformers' `modeling_gguf_pytorch_utils.py` undoes on reading.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from math import prod
from pathlib import Path
from typing import Any

import msgspec

from stepdown.errors import MissingExtra
from stepdown.models.weights import WEIGHTS
from stepdown.training.students.vocabularies import CannotConvert, GgufValue, Values, make_values, template_of

# ggml's numbers of tensor kinds, and llama.cpp's of files that are mostly of one kind.
F32, F16, Q8_0, BLOCK = 0, 1, 8, 32
FILE_TYPES = {F16: 1, Q8_0: 7}
LARGEST_F16 = 65504.0
ARCHITECTURES = frozenset({"llama", "qwen2"})


class TensorChunk(msgspec.Struct, frozen=True):
    """One tensor to write: its shape with rows first, ggml's number of its kind, and how its numbers are read."""

    name: str
    shape: tuple[int, ...]
    kind: int
    read: Callable[[], Any]


def write_gguf(folder: Path, target: Path, *, base: Path | None = None) -> None:
    """Write the weights of a folder in transformers' form as a GGUF file: matrices F16, all else F32.

    Key-values (tokenizer, rope, context) are those of `base`, the GGUF file the weights came from, or made from the
    folder's config and tokenizer; the template is the folder's. Tensors that only the base has are copied from it.
    Raises `CannotConvert` for what this format cannot hold rightly, and `MissingExtra` without gguf.
    """
    reader = _open(base) if base is not None else None
    if not (folder / WEIGHTS).exists():
        raise CannotConvert("its weights are in several files")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    architecture = _check_architecture(config)
    values = _values_of(reader) if reader is not None else make_values(folder, config)
    values = values | template_of(folder)
    with ExitStack() as stack:
        from safetensors import safe_open

        weights = stack.enter_context(safe_open(folder / WEIGHTS, "np"))
        names = _names_of(architecture, int(config["num_hidden_layers"]))
        wide = _in_bf16(folder / WEIGHTS)
        pieces = [_piece(weights, own, names(own), config, wide) for own in weights.keys()]  # noqa: SIM118
        if reader is not None:
            pieces += _others(reader, {piece.name for piece in pieces})
        _write(target, values, pieces, kind=F16)


def requantize(source: Path, target: Path) -> None:
    """Write a GGUF file with its matrices as Q8_0; those whose rows do not fill whole blocks stay as they are."""
    reader = _open(source)
    pieces = [_copied(tensor, Q8_0 if _fills_blocks(tensor) else int(tensor.tensor_type)) for tensor in reader.tensors]
    _write(target, _values_of(reader), pieces, kind=Q8_0)


def _open(path: Path) -> Any:
    try:
        from gguf import GGUFReader
    except ImportError:
        raise MissingExtra("gguf", "embedded", "writing a GGUF file") from None
    return GGUFReader(path)


def _check_architecture(config: dict[str, Any]) -> str:
    architecture = str(config.get("model_type", ""))
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    oddities = {
        f"an architecture `{architecture}`": architecture not in ARCHITECTURES,
        "biases of a llama's attention or feed-forward": config.get("attention_bias") or config.get("mlp_bias"),
        "a sliding window": config.get("use_sliding_window"),
        "a scaled rope": rope.get("rope_type", "default") != "default",
        f"an activation `{config.get('hidden_act')}`": config.get("hidden_act", "silu") != "silu",
    }
    for oddity, is_there in oddities.items():
        if is_there:
            raise CannotConvert(f"{oddity} is not written as GGUF here")
    return architecture


def _values_of(reader: Any) -> Values:
    """Return the key-values of an open GGUF file, without the three that count its parts."""
    return {
        name: GgufValue(field.contents(), int(field.types[0]), int(field.types[-1]) if len(field.types) > 1 else None)
        for name, field in reader.fields.items()
        if not name.startswith("GGUF.")
    }


def _names_of(architecture: str, layers: int) -> Callable[[str], str]:
    """Return what names a tensor of transformers in GGUF."""
    from gguf import MODEL_ARCH, get_tensor_name_map

    arch = {"llama": MODEL_ARCH.LLAMA, "qwen2": MODEL_ARCH.QWEN2}[architecture]
    names = get_tensor_name_map(arch, layers)

    def name(own: str) -> str:
        known: str | None = names.get_name(own, try_suffixes=(".weight", ".bias"))
        if known is None:
            raise CannotConvert(f"the tensor `{own}` has no name in GGUF")
        return known

    return name


def _in_bf16(path: Path) -> Callable[[str], Any]:
    """Return what reads a tensor of bf16, which numpy does not know."""

    def read(own: str) -> Any:
        from safetensors import safe_open

        with safe_open(path, "pt") as weights:
            array = weights.get_tensor(own).float().numpy()
        if abs(array).max(initial=0) > LARGEST_F16:
            raise CannotConvert(f"`{own}` has numbers that F16 cannot hold")
        return array

    return read


def _piece(weights: Any, own: str, name: str, config: dict[str, Any], wide: Callable[[str], Any]) -> TensorChunk:
    """Return a tensor of transformers as GGUF has it."""
    dtype = weights.get_slice(own).get_dtype()
    if dtype not in ("F16", "BF16", "F32"):
        raise CannotConvert(f"its weights are {dtype}, not F16, BF16 or F32")
    if dtype == "BF16":
        # Refused before a file is begun.
        wide(own)
    shape = tuple(weights.get_slice(own).get_shape())
    heads = _heads(own, config) if config["model_type"] == "llama" else 0

    def read() -> Any:
        array = wide(own) if dtype == "BF16" else weights.get_tensor(own)
        return _permuted(array, heads) if heads else array

    return TensorChunk(name, shape, F16 if len(shape) > 1 else F32, read)


def _heads(own: str, config: dict[str, Any]) -> int:
    """Return the heads of a query or key weight, 0 for all others."""
    if ".q_proj." in own:
        return int(config["num_attention_heads"])
    return int(config["num_key_value_heads"]) if ".k_proj." in own else 0


def _permuted(array: Any, heads: int) -> Any:
    """Return rows as ggml's rope wants them: within each head the two halves take turns."""
    halves = array.reshape(heads, 2, array.shape[0] // heads // 2, *array.shape[1:])
    return halves.swapaxes(1, 2).reshape(array.shape)


def _others(reader: Any, known: set[str]) -> Iterable[TensorChunk]:
    """Return what only the base has, such as rope factors; a whole weight that went missing is an error."""
    missing = [tensor for tensor in reader.tensors if tensor.name not in known]
    for tensor in missing:
        if len(tensor.shape) > 1 and tensor.name != "output.weight":
            raise CannotConvert(f"the base's tensor `{tensor.name}` is not among the student's")
    return [_copied(tensor, int(tensor.tensor_type)) for tensor in missing if tensor.name != "output.weight"]


def _copied(tensor: Any, kind: int) -> TensorChunk:
    return TensorChunk(tensor.name, tuple(int(size) for size in reversed(tensor.shape)), kind, lambda: tensor.data)


def _fills_blocks(tensor: Any) -> bool:
    return len(tensor.shape) > 1 and int(tensor.shape[0]) % BLOCK == 0 and int(tensor.tensor_type) in (F32, F16)


def _write(target: Path, values: Values, pieces: Sequence[TensorChunk], *, kind: int) -> None:
    """Write one tensor after the other, so that no more than one is in memory."""
    from gguf import GGUFValueType, GGUFWriter

    writer = GGUFWriter(target, str(values["general.architecture"].value))
    values = values | {"general.file_type": GgufValue(FILE_TYPES[kind], int(GGUFValueType.UINT32))}
    for name, value in values.items():
        if name != "general.architecture":
            sub = None if value.sub is None else GGUFValueType(value.sub)
            writer.add_key_value(name, value.value, GGUFValueType(value.kind), sub_type=sub)
    for piece in pieces:
        _announce(writer, piece)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for piece in pieces:
        writer.write_tensor_data(_as_kind(piece.read(), piece.kind))
    writer.close()


def _announce(writer: Any, piece: TensorChunk) -> None:
    import numpy
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

    block, size = GGML_QUANT_SIZES[GGMLQuantizationType(piece.kind)]
    if piece.kind in (F32, F16):
        dtype, shape = numpy.dtype("float32" if piece.kind == F32 else "float16"), piece.shape
    else:
        dtype, shape = numpy.dtype("uint8"), (*piece.shape[:-1], piece.shape[-1] // block * size)
    writer.add_tensor_info(
        piece.name, shape, dtype, prod(shape) * dtype.itemsize, raw_dtype=GGMLQuantizationType(piece.kind)
    )


def _as_kind(array: Any, kind: int) -> Any:
    """Return numbers in a kind of ggml; blocks that are of it already are handed on."""
    if str(array.dtype) == "uint8":
        return array
    if kind == Q8_0:
        from gguf import GGMLQuantizationType
        from gguf.quants import quantize

        return quantize(array.astype("float32"), GGMLQuantizationType.Q8_0)
    return array.astype("float32" if kind == F32 else "float16")
