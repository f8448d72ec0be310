"""A student as its base and its adapter: how they are merged, and weights that are left out and made again."""

from pathlib import Path
from typing import Any

import msgspec

from stepdown.errors import UsageError
from stepdown.files import folder_beside
from stepdown.full_disks import explained_full_disk
from stepdown.models.local import find_base, load_base, load_student, quiet
from stepdown.models.weights import GGUF, WEIGHTS, StudentCard, check_safetensors, file_hash, read_card
from stepdown.training.model_setup import add_adapter
from stepdown.training.settings import Training
from stepdown.training.sharding import ADAPTER, load_weights
from stepdown.training.students.card_files import write_card
from stepdown.training.students.gguf_files import write_gguf
from stepdown.untrusted import reading

FOLDER = "adapter"


def merge(model: Any, dtype: Any) -> Any:
    """Return a peft model's base with the adapter merged into its weights, rounded once, from float64, to a dtype.

    The model is spent, on the CPU (Apple's graphics have no float64). Sums in float64 do not depend on how a processor
    adds up: after rounding to 16 bits the same base and adapter give the same weights everywhere, but for a sum that
    lies at the very middle of two. What is no plain LoRA (DoRA, a bias, weights that are saved besides) is merged as
    peft does it.
    """
    model = model.to("cpu")
    if not merges_exactly(model):
        return model.merge_and_unload()
    for layer in _adapted(model):
        layer.lora_A.double()
        layer.lora_B.double()
        weight = layer.get_base_layer().weight
        for name in layer.active_adapters:
            weight.data = weight.data.double() + layer.get_delta_weight(name)
        weight.data = weight.data.to(dtype)
    return model.unload()


def merges_exactly(model: Any) -> bool:
    """Whether a model is a base with a plain LoRA adapter, which `merge` adds in float64."""
    saved = any(name.endswith("modules_to_save") for name, _ in model.named_modules())
    return hasattr(model, "get_base_model") and not saved and all(map(_is_plain, _adapted(model)))


def _adapted(model: Any) -> list[Any]:
    return [layer for layer in model.modules() if hasattr(layer, "lora_A")]


def _is_plain(layer: Any) -> bool:
    """Whether a layer is its base's weight and the product of two matrices, and nothing else."""
    from peft.tuners.lora import Linear

    return isinstance(layer, Linear) and not layer.lora_variant and not any(layer.lora_bias.values())


def leave_out_weights(folder: Path) -> None:
    """Remove the weights of a student that keeps its adapter; its card says what its replies called their source.

    One that is without them already is left as it is. Raises `UsageError` where base and adapter would not make them
    again: without an adapter, with another base by that name, or of a student that was not merged in float64.
    """
    card = read_card(folder)
    if card is None or not (folder / FOLDER / ADAPTER).is_file():
        raise UsageError(
            f"`{folder}` has no adapter to make its weights of again", "they are kept where all are trained (`--full`)"
        )
    if not card.left_out:
        if not card.exact:
            raise UsageError(
                f"an earlier build trained `{folder}`: base and adapter would not make the very same weights again",
                "they are kept; train it again, into another folder, to leave them out",
            )
        _check_base(folder, card, find_base(card.base).source or card.base_source)
        source = load_student(str(folder)).capabilities.source
        write_card(folder, msgspec.structs.replace(card, left_out=source))
    # The card first: who is killed here finds weights that nothing counts on.
    for name in (GGUF, WEIGHTS):
        (folder / name).unlink(missing_ok=True)


def restore_weights(folder: Path) -> None:
    """Put the weights of a student together again, of its base and its adapter; nothing where they are there.

    Raises `UsageError` where they do not come out as they were: by another base, or another adapter.
    """
    card = read_card(folder)
    if card is None or not card.left_out:
        return
    check_safetensors(folder / FOLDER / ADAPTER)
    location = find_base(card.base)
    with explained_full_disk(folder), folder_beside(folder / WEIGHTS) as workplace:
        with quiet():
            base = load_base(location)
            _check_base(folder, card, base.source)
            model = add_adapter(base.model, _training(folder, card))
            with reading(f"the adapter of `{folder}` does not fit its base", "copy the folder again, whole"):
                load_weights(model, folder / FOLDER)
            save_merged(model, workplace, card.dtype or "float16")
        if file_hash(workplace / WEIGHTS) != card.weights:
            raise UsageError(
                f"base and adapter of `{folder}` make other weights than it was tested with",
                "is the adapter still its own? Train it again, into another folder",
            )
        (workplace / WEIGHTS).replace(folder / WEIGHTS)
        if not card.gguf:
            write_gguf(folder, workplace / GGUF, base=location.gguf)
            (workplace / GGUF).replace(folder / GGUF)
    write_card(folder, msgspec.structs.replace(card, left_out=""))


def save_merged(model: Any, folder: Path, dtype: str) -> bool:
    """Write config and weights of a model, of a peft model merged, in a dtype; return whether `merge` was exact.

    Raises `UsageError` for weights that are no numbers of that dtype.
    """
    import torch

    kind, exact = getattr(torch, dtype), merges_exactly(model)
    model = (merge(model, kind) if hasattr(model, "get_base_model") else model).to(kind)
    broken = [name for name, weight in model.state_dict().items() if not bool(weight.isfinite().all())]
    if broken:
        raise UsageError(
            f"the weights `{broken[0]}` are not numbers that {dtype} can hold: the training ran away",
            "lower the learning rate, or take an earlier checkpoint",
        )
    # One file, whatever the size: its hash is the student's identity.
    model.save_pretrained(folder, max_shard_size="1000GB")
    # Safetensors' files are their owner's alone; the folder is to be read like its other files.
    (folder / WEIGHTS).chmod((folder / "config.json").stat().st_mode)
    return exact


def _check_base(folder: Path, card: StudentCard, source: str) -> None:
    if source != card.base_source:
        raise UsageError(
            f"`{card.base}` is `{source[:16]}` here, and `{folder}` was trained on `{card.base_source[:16]}`",
            "put that base back, or train again",
        )


def _training(folder: Path, card: StudentCard) -> Training:
    """Return what makes the adapter of a student's training the one it is. Raises `UsageError` for another's."""
    from safetensors import safe_open

    with safe_open(folder / FOLDER / ADAPTER, "np") as file:
        names = [name for name in file.keys() if ".lora_A." in name]  # noqa: SIM118
        ranks = {file.get_slice(name).get_shape()[0] for name in names}
    rank, alpha, dropout = (card.training.get(name, "") for name in ("rank", "alpha", "dropout"))
    whole = isinstance(rank, int) and isinstance(alpha, int) and isinstance(dropout, int | float)
    if not whole or ranks != {rank}:
        raise UsageError(f"the adapter of `{folder}` is not the one of its card", "copy the folder again, whole")
    return Training(rank=int(rank), alpha=int(alpha), dropout=float(dropout))
