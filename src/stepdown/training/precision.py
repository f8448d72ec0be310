"""In which numbers a training computes: fp32, or bf16 where the device has instructions for it."""

from contextlib import AbstractContextManager
from typing import Any

from stepdown.errors import UsageError
from stepdown.training.settings import Training
from stepdown.training.world import computes_on_cpu


def runs_in_bf16(precision: str) -> bool:
    """Tell whether to compute in bf16: as asked, or for `auto` where the device has instructions for it.

    Raises `UsageError` where bf16 is asked of a GPU that would emulate it.
    """
    import torch

    if torch.cuda.is_available() and precision != "fp32" and not computes_on_cpu(precision):
        able = bool(torch.cuda.is_bf16_supported(including_emulation=False))
        if precision == "bf16" and not able:
            raise UsageError(
                "this GPU has no instructions for bf16, and would emulate it many times slower", "`--precision fp32`"
            )
        return able
    # Without them a CPU converts at every product: measured 3.5 times slower than fp32 (AVX-512 without either).
    able = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return precision == "bf16" or (precision == "auto" and bool(able))


def freezes_in_bf16(training: Training) -> bool:
    """Tell whether a base is frozen and in bf16: under an adapter, where that is computed in."""
    return not training.full and runs_in_bf16(training.precision)


def computing(model: Any, training: Training) -> AbstractContextManager[None]:
    """Return a context in which a model computes as it is trained: under autocast where that is in bf16."""
    import torch

    enabled = runs_in_bf16(training.precision)
    context: AbstractContextManager[None] = torch.autocast(model.device.type, torch.bfloat16, enabled=enabled)
    return context
