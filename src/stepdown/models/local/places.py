"""Where a model is computed, and in which numbers: on a graphics card as its weights are stored, else in float32."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

from stepdown.models.weights.folder_identity import device

# How many draws the transformers engine writes at once, and how many calls are kept in flight for it. On a card a step
# takes as long for one row as for a hundred.
WIDTHS = {"cpu": 16, "cuda": 128}
_STORED = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}


class Place(msgspec.Struct, frozen=True):
    """A device, `cpu` or `cuda`, and the dtype of the numbers that are computed there."""

    device: str = "cpu"
    dtype: str = "float32"

    @property
    def source(self) -> str:
        """What a reply's source says of it: nothing of a CPU that computes in float32."""
        return "" if self == Place() else f"{self.device}/{self.dtype}"


def on_card(source: str) -> bool:
    """Whether a source, as a reply's says it, is a graphics card."""
    return "cuda" in source.split("/")[2:]


def place_of(path: Path, *, on: str | None = None) -> Place:
    """Return where the transformers engine computes a model; `on` is `cuda` or "", by default what is here.

    A card of this machine that has no instructions for bfloat16 computes such weights in float32.
    """
    found = device() if on is None else on
    return _place(found, stored_dtype(path) if found and path.is_dir() else "bfloat16", here=on is None)


def gguf_place() -> Place:
    """Return where the transformers engine computes a GGUF file here."""
    return _place(device(), "bfloat16", here=True)


def openvino_place(cpuinfo: Path = Path("/proc/cpuinfo")) -> Place:
    """Return where OpenVINO computes whole-number weights here: in bfloat16 where AVX-512 multiplies it, and bytes.

    With AMX, float32 was measured to be faster at few replies at once. Elsewhere than on Linux it is float32.
    """
    lines = cpuinfo.read_text(errors="replace").splitlines() if cpuinfo.exists() else []
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    return Place(dtype="bfloat16") if "avx512_bf16" in flags and "amx_tile" not in flags else Place()


def _place(found: str, dtype: str, *, here: bool) -> Place:
    if not found:
        return Place()
    return Place(found, "float32" if dtype == "bfloat16" and here and not _has_bfloat16() else dtype)


def stored_dtype(folder: Path) -> str:
    """Return the dtype of a folder's weights: as config.json says it, else that of the first of them."""
    config = _object((folder / "config.json").read_bytes())
    declared = config.get("dtype") or config.get("torch_dtype")
    if declared in _STORED.values():
        return str(declared)
    for weights in sorted(folder.glob("*.safetensors")):
        with weights.open("rb") as file:
            header = _object(file.read(int.from_bytes(file.read(8), "little")))
        for facts in header.values():
            if isinstance(facts, dict) and facts.get("dtype") in _STORED:
                return _STORED[facts["dtype"]]
    return "float32"


def serves_by_transformers() -> bool:
    """Whether models are served by transformers unless another engine is forced: where there is a graphics card."""
    return bool(find_spec("transformers") and device())


def card_name() -> str:
    """Return the name and memory of the graphics card that models are computed on, "" where that is the CPU."""
    if not serves_by_transformers():
        return ""
    import torch

    free, total = torch.cuda.mem_get_info()
    return f"{torch.cuda.get_device_name()} ({free / 1e9:.0f} of {total / 1e9:.0f} GB free)"


def _object(text: bytes) -> dict[str, Any]:
    value = json.loads(text)
    return value if isinstance(value, dict) else {}


def _has_bfloat16() -> bool:
    import torch

    return bool(torch.cuda.is_bf16_supported(including_emulation=False))
