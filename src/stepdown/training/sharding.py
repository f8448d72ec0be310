"""FSDP2: weights, gradients and Adam's moments split over processes; checkpoints as one process writes them.

accelerate and transformers shard and gather; here is what they leave open: that a checkpoint is the same whoever wrote
it, so that any number of processes goes on with it, and that a group of CPUs shards too, which accelerate leaves out.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from stepdown.errors import UsageError

_TRUE = {"1", "t", "true", "y", "yes", "on"}
ADAPTER, WHOLE, OPTIMIZER, SCHEDULER = "adapter_model.safetensors", "model.safetensors", "optimizer.pt", "scheduler.pt"


def is_sharded() -> bool:
    """Tell whether the launcher asks for FSDP2. Raises `UsageError` for FSDP's first version."""
    if os.environ.get("ACCELERATE_USE_FSDP", "").lower() not in _TRUE:
        return False
    if os.environ.get("FSDP_VERSION", "1") != "2":
        raise UsageError(
            "FSDP's first version (`ACCELERATE_USE_FSDP`) is not supported: its weights are not saved as they were",
            "`accelerate launch --use_fsdp --fsdp_version 2 ...`, or `FSDP_VERSION=2` with torchrun",
        )
    # Each process loads the base itself: whatever it is read from, a GGUF file too, it is the same everywhere.
    os.environ["FSDP_CPU_RAM_EFFICIENT_LOADING"] = "false"
    return True


def shard_on_cpu(trainer: Any) -> None:
    """Have a trainer's accelerator shard in a group of CPUs too: it has the code, and asks for it on GPUs alone."""
    from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin

    state = trainer.accelerator.state
    if state.distributed_type == DistributedType.MULTI_CPU:
        state.distributed_type = DistributedType.FSDP
        state.fsdp_plugin = FullyShardedDataParallelPlugin()
        trainer.is_fsdp_enabled = True


def gathered(value: Any) -> Any:
    """Return a nested value with every split tensor whole, on the CPU; all processes must ask for it."""
    from torch.distributed.tensor import DTensor

    if isinstance(value, DTensor):
        return value.detach().full_tensor().cpu()
    if isinstance(value, Mapping):
        return {name: gathered(one) for name, one in value.items()}
    return [gathered(one) for one in value] if isinstance(value, list) else value


def load_weights(model: Any, checkpoint: Path) -> None:
    """Load the weights of a checkpoint into a model that is not split."""
    from safetensors.torch import load_file

    if (checkpoint / ADAPTER).exists():
        from peft import set_peft_model_state_dict

        set_peft_model_state_dict(model, load_file(checkpoint / ADAPTER))
        return
    unknown = model.load_state_dict(load_file(checkpoint / WHOLE), strict=False).unexpected_keys
    assert not unknown, unknown


def load_optimizer(optimizer: Any, scheduler: Any, checkpoint: Path) -> None:
    """Load the state of an optimizer of split weights, each process its part, and of the learning rate."""
    import torch

    saved = torch.load(checkpoint / OPTIMIZER, map_location="cpu", weights_only=True)
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    for place, state in saved["state"].items():
        saved["state"][place] = {name: _split_as(weights[place])(value) for name, value in state.items()}
    optimizer.load_state_dict(saved)
    scheduler.load_state_dict(torch.load(checkpoint / SCHEDULER, weights_only=True))


def _split_as(weight: Any) -> Callable[[Any], Any]:
    """Return what splits a tensor as a weight is, where it has its shape."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    def split(value: Any) -> Any:
        if not isinstance(weight, DTensor) or getattr(value, "shape", None) != weight.shape:
            return value
        return distribute_tensor(value.to(weight.device), weight.device_mesh, weight.placements)

    return split
