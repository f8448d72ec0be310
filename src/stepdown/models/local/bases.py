"""Bases: the models that students are trained from, by hub name, folder, GGUF file or embedded name."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

import msgspec

from stepdown.errors import EndpointRefused, MissingExtra, UsageError
from stepdown.extras import has
from stepdown.models.local.dequantized import dequantized, folder_of
from stepdown.models.local.freed_memory import give_memory_back
from stepdown.models.local.transformers import NO_CODE, load_whole_model, loading_folder, without_bars
from stepdown.models.weights import (
    CATALOGUE,
    PLAIN_TEMPLATE,
    Progress,
    check_folder,
    fetch,
    find_weights,
    known_hash,
    read_header,
    require_gguf,
)
from stepdown.text import error_line
from stepdown.types import fingerprint

_HUB = "hf://"
LIBRARIES = ("accelerate", "datasets", "peft", "torch", "transformers", "trl")
# ggml's number of tensors in bf16.
_GGML_BF16 = 30
_FLOAT32 = 4  # bytes of a number
_CATALOGUED = {weights.name: weights.licence for weights in CATALOGUE}


class BaseLocation(msgspec.Struct, frozen=True):
    """Where a base's weights lie: a GGUF file, a folder, or (both None) a name of the hub; `source` is their hash.

    A name of the hub may end in `@COMMIT`, which pins it.
    """

    name: str
    gguf: Path | None = None
    folder: Path | None = None
    source: str = ""
    licence: str = ""

    @property
    def repository(self) -> str:
        """The name of the hub without its revision."""
        return self.name.removeprefix(_HUB).partition("@")[0]

    @property
    def pinned(self) -> dict[str, str]:
        """What transformers is told of the revision, nothing where none is named."""
        revision = self.name.partition("@")[2] if not (self.gguf or self.folder) else ""
        return {"revision": revision} if revision else {}


class Base(msgspec.Struct, frozen=True):
    """A base that is loaded: `model` and `tokenizer` of transformers, and notes for the card.

    `dtype` is what its students are stored in: `bfloat16` where the base is, whose range float16 does not have, else
    `float16`.
    """

    location: BaseLocation
    model: Any
    tokenizer: Any
    source: str
    notes: tuple[str, ...] = ()
    dtype: str = "float16"


def find_base(name: str | Path, *, progress: Progress | None = None) -> BaseLocation:
    """Return where a base's weights lie, checked and fetched where needed, without loading them.

    A name of the catalogue (`smollm2-135m`, with or without `embedded/`), a `.gguf` file, a folder in transformers'
    form or a name of the hub, pinned by `OWNER/NAME@COMMIT`, also as `hf://OWNER/NAME@COMMIT`.
    Raises `UsageError` for pickles, cut-off files and folders that are no model,
    `UnknownName` for an embedded model there is not, and `EndpointRefused` where weights cannot be fetched.
    """
    text = str(name)
    plain = text.removeprefix("embedded/")
    if text.startswith("embedded/") or (plain in _CATALOGUED and not Path(text).exists()):
        weights = find_weights(plain)
        return BaseLocation(text, gguf=fetch(plain, progress=progress), source=weights.sha256, licence=weights.licence)
    if text.startswith(_HUB):
        if text.count("/") != 3:
            raise UsageError(f"`{text}` is no model of the hub", "write `hf://OWNER/NAME@COMMIT`; the commit pins it")
        return BaseLocation(text)
    path = Path(text).expanduser()
    if text.endswith(".gguf"):
        read_header(require_gguf(path))
        return BaseLocation(text, gguf=path, source=known_hash(path))
    if path.is_dir():
        hashes = [known_hash(file) for file in check_folder(path)]
        return BaseLocation(text, folder=path, source=fingerprint(hashes))
    if path.exists() or text.startswith((".", "/", "~")) or text.count("/") > 1:
        raise UsageError(f"there is no base at `{text}`", "give a model's folder, a .gguf file or a name of the hub")
    return BaseLocation(text)


def load_base(location: BaseLocation, *, bf16: bool = False) -> Base:
    """Load a base in fp32 with its tokenizer; one without a chat template is given the plain one, and a note says so.

    With `bf16` its weights are rounded to bf16 as they are read, which takes half the memory; its buffers stay in fp32.
    Raises `MissingExtra`, `UsageError` for what transformers cannot load, `EndpointRefused` for a hub name that is
    neither in the cache nor within reach.
    """
    load_transformers()
    folder = dequantized(location.gguf, lambda part: _save(location, part)) if location.gguf else None
    model, tokenizer = _load(location, folder, bf16=bf16)
    if location.gguf:
        # A folder that a GGUF file lies in is no name of the hub, where peft would ask for it at every checkpoint.
        model.name_or_path = ""
    if tokenizer.eos_token_id is None:
        raise UsageError(f"the tokenizer of `{location.name}` has no end token", "a student must learn where to stop")
    notes = () if tokenizer.chat_template else ("the base has no chat template: a question is its text and a newline",)
    if notes:
        tokenizer.chat_template = PLAIN_TEMPLATE
    source = location.source or str(getattr(model.config, "_commit_hash", "") or "")
    dtype = "bfloat16" if _is_in_bf16(location) else "float16"
    return Base(location=location, model=model, tokenizer=tokenizer, source=source, notes=notes, dtype=dtype)


def load_tokenizer(location: BaseLocation) -> Any:
    """Load the tokenizer of a base alone, with the template that is its own. Raises as `load_base` does."""
    made = folder_of(location.gguf) if location.gguf else None
    return _load_tokenizer(location, made if made and made.exists() else None)


def _load(location: BaseLocation, folder: Path | None = None, *, bf16: bool = False) -> tuple[Any, Any]:
    """Return model and tokenizer of a base, of a GGUF file from the `folder` that was made of it, if there is one."""
    transformers = load_transformers()
    tokenizer, (name, options) = _load_tokenizer(location, folder), _place(location, folder)
    if options:
        options |= {"quantization_config": transformers.GgufConfig(dequantize=True)}
    options |= {"use_safetensors": None if options else True, **location.pinned, **NO_CODE}
    with _explained(location), quiet():
        model = load_whole_model(name, dtype="bfloat16" if bf16 else "float32", **options)
        if bf16 and any(one.is_floating_point() and one.element_size() < _FLOAT32 for one in model.buffers()):
            # Gemma's scale of its embeddings, for one: computed in the dtype of the weights, and stored nowhere.
            del model
            model = load_whole_model(name, dtype="float32", **options)
    if bf16:
        to_bf16(model)
    return model, tokenizer


def to_bf16(model: Any) -> None:
    """Round the weights of a model to bf16; buffers, such as the frequencies of positions, stay as they are."""
    import torch

    for weight in model.parameters():
        weight.data = weight.data.to(torch.bfloat16)


def _save(location: BaseLocation, folder: Path) -> None:
    """Write a GGUF file's model and tokenizer in transformers' form."""
    model, tokenizer = _load(location)
    with quiet():
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    del model
    give_memory_back()


def _load_tokenizer(location: BaseLocation, folder: Path | None) -> Any:
    name, options = _place(location, folder)
    with _explained(location), quiet():
        return load_transformers().AutoTokenizer.from_pretrained(name, **options, **location.pinned, **NO_CODE)


def _place(location: BaseLocation, folder: Path | None = None) -> tuple[str, dict[str, Any]]:
    """Return the folder or name that transformers reads, and what it is told of a GGUF file, else nothing."""
    if location.gguf and not folder:
        return str(location.gguf.resolve().parent), {"gguf_file": location.gguf.name}
    return str(folder or location.folder or location.repository), {}


def _is_in_bf16(location: BaseLocation) -> bool:
    """Tell whether a base's weights are stored in bf16, by what it says of itself."""
    if location.gguf is not None:
        return any(tensor.kind == _GGML_BF16 for tensor in read_header(location.gguf).tensors)
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(_place(location)[0], **location.pinned, **NO_CODE)
    return str(getattr(config, "dtype", None)).endswith("bfloat16")


@contextmanager
def quiet() -> Iterator[None]:
    """Keep libraries of training from drawing bars, and from warning of one another's settings."""
    from transformers.utils import logging

    # The bar over a GGUF's tensors knows no switch; errors are raised, not written.
    with without_bars(logging), redirect_stderr(StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


@contextmanager
def _explained(location: BaseLocation) -> Iterator[None]:
    with loading_folder(
        f"transformers cannot load the base `{location.name}`", "see that it is a causal language model"
    ):
        try:
            yield
        except OSError as error:
            if location.gguf or location.folder:
                raise
            offline = "HF_HUB_OFFLINE is set; " if os.environ.get("HF_HUB_OFFLINE") else ""
            raise EndpointRefused(
                f"the base `{location.name}` is not in the cache and the hub did not give it "
                f"({offline}{error_line(error)})",
                f"check the name, or use a base that needs no hub: {', '.join(f'`{name}`' for name in _CATALOGUED)}",
            ) from error


def check_libraries() -> None:
    """Raise `MissingExtra` where a library of training is not installed; none is loaded, which takes seconds."""
    if absent := [name for name in LIBRARIES if not has(name)]:
        raise MissingExtra("`, `".join(absent), "train", "training a student")


def load_transformers() -> Any:
    """Return transformers, with its telemetry off; raise `MissingExtra` where a library of training is missing."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    # Threads that spin for milliseconds while they wait take a neighbour's core and their own time with it, measured
    # up to ten times; threads that sleep at once are woken for each of thousands of small steps: so, microseconds.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
        os.environ.setdefault("GOMP_SPINCOUNT", "5000")
    # oneDNN keeps the code of the last 1,024 products by their sizes, which are new in nearly every pass: 0.4 GB
    # after 24 passes of a 135M base. A pass uses about a hundred, and is as fast with these alone.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "128")
    try:
        import accelerate  # noqa: F401
        import datasets  # noqa: F401
        import peft  # noqa: F401
        import torch  # noqa: F401
        import transformers
        import trl  # noqa: F401
    except ImportError as error:
        raise MissingExtra(error.name or "transformers", "train", "training a student") from None
    return transformers
