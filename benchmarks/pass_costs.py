"""What one pass of a training costs, counted op by op on a CPU, and what an H100 would take for it.

`python benchmarks/training.py --estimate` prints it. Launches are ops that compute (views are free), with the attention
of a pass as one of them; bytes are what these ops read and write, FLOPs those of products. All three are counted over
forward, backward and loss of models with one block and with two, on few tokens and on more, and drawn out in straight
lines to as many blocks and tokens as there are. Adam's step is not among them.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from rows import Row
from small_trainings import SIZES, write_base
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from stepdown.models.local import find_base, load_base
from stepdown.training import Training
from stepdown.training import attention as kernels
from stepdown.training.logits import target_logits
from stepdown.training.model_setup import adapted
from stepdown.training.precision import computing

# An H100 SXM: what is usual to reach of 990 TFLOP/s in bf16 and of 3.35 TB/s, and what a launch costs its host.
FLOPS, BYTES, LAUNCH = 400e12, 2.3e12, 5e-6
COUNTED = (64, 192)
PASSES = (1024, 16 * 1024)


class Counting(TorchDispatchMode):  # type: ignore[misc]
    """Counts the ops that compute, and the bytes they read and write."""

    def __init__(self) -> None:
        super().__init__()
        self.launches, self.bytes = 0, 0

    def __torch_dispatch__(self, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = op(*args, **(kwargs or {}))
        if not op.is_view and "detach" not in str(op) and "empty" not in str(op):
            self.launches += 1
            # An embedding reads its rows, not the table.
            read = () if "embedding" in str(op) else tree_leaves((args, kwargs))
            tensors = [one for one in (*read, *tree_leaves(found)) if isinstance(one, torch.Tensor)]
            self.bytes += sum(one.numel() * one.element_size() for one in tensors)
        return found


def one_launch(query: Any, key: Any, value: Any, lengths: Any, *, scale: float | None, dropout: float) -> Any:
    """Stand for attention that is one launch, as on CUDA: over one row of all tokens, and so with too many FLOPs."""
    attended = torch.nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=True)
    return attended.transpose(1, 2)


def counted(size: str, layers: int, training: Training) -> list[tuple[float, float, float]]:
    """Return launches, bytes and FLOPs of a pass of each of `COUNTED` tokens, half of them learned."""
    SIZES["counted"] = {**SIZES[size], "num_hidden_layers": layers}
    with TemporaryDirectory() as folder:
        base = load_base(find_base(write_base(Path(folder), "counted")))
    model = adapted(base.model, training)
    kernels.use_block_diagonal_attention(model)
    return [_count(model, tokens, training) for tokens in COUNTED]


def _count(model: Any, tokens: int, training: Training) -> tuple[float, float, float]:
    learned = torch.arange(tokens // 2)
    batch = {
        "input_ids": torch.randint(3, 200, (1, tokens)), "position_ids": torch.arange(tokens).unsqueeze(0),
        "row_lengths": [0, tokens], "kept": learned + tokens // 2 - 1, "targets": torch.randint(3, 200, learned.shape),
    }  # fmt: skip
    counting, flops = Counting(), FlopCounterMode(display=False)
    model.zero_grad()
    with computing(model, training), counting, flops:
        logits = target_logits(model, batch)
        torch.nn.functional.cross_entropy(logits, batch["targets"], reduction="sum").backward()
    return counting.launches, counting.bytes, flops.get_total_flops()


def estimates() -> Iterator[Row]:
    """Stream, for each model, what a pass costs and what an H100 would take for it."""
    known = dict(kernels.KERNELS)
    kernels.KERNELS.update(rows=one_launch, products=one_launch)
    try:
        for size in ("135m", "0.5b"):
            for full in (False, True):
                yield from _estimate(size, full)
    finally:
        kernels.KERNELS.update(known)


def _estimate(size: str, full: bool) -> Iterator[Row]:
    training = Training(full=full, precision="bf16")
    one, two = (counted(size, layers, training) for layers in (1, 2))
    for tokens in PASSES:
        first, second = (_drawn_out(some, tokens) for some in (one, two))
        more = SIZES[size]["num_hidden_layers"] - 1
        launches, read, flops = (a + more * (b - a) for a, b in zip(first, second, strict=True))
        host, device = launches * LAUNCH, flops / FLOPS + read / BYTES
        yield {
            "benchmark": "training-estimate", "model": size, "full": full, "tokens_per_pass": tokens,
            "launches": round(launches), "gigabytes": round(read / 1e9, 2),
            "teraflops": round(flops / 1e12, 2), 
            "bound_by": "launches" if host > device else "bytes and products",
            "milliseconds": round(max(host, device) * 1e3, 1), "tokens_per_second": round(tokens / max(host, device)),
        }  # fmt: skip


def _drawn_out(counts: list[tuple[float, float, float]], tokens: int) -> list[float]:
    """Return the counts of a pass of so many tokens, on a straight line through two shorter ones."""
    few, many = COUNTED
    return [a + (b - a) * (tokens - few) / (many - few) for a, b in zip(*counts, strict=True)]
