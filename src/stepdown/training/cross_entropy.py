"""Cross-entropy of each target, computed in blocks: no copy of all logits in fp32, forward or backward."""

from functools import cache
from typing import Any

# Numbers of a block: on a CPU what stays in its cache (128 K to 1 M took the same time), on a card few launches.
_ON_CPU, _ELSEWHERE = 2**19, 2**26


def cross_entropy(logits: Any, targets: Any) -> Any:
    """Return -log softmax(logits)[target] of each row in nats, in fp32: (rows,) of (rows, words) and (rows,).

    The gradient has the dtype of the logits, which are all that is kept for it.
    """
    lost: Any = _function().apply(logits, targets)
    return lost


@cache
def _function() -> Any:
    # Torch is loaded by who trains.
    import torch

    class CrossEntropy(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, logits: Any, targets: Any) -> Any:
            norms = logits.new_empty(len(targets), dtype=torch.float32)
            lost = torch.empty_like(norms)
            for some, chosen, norm, loss in _blocks(logits, logits, targets, norms, lost):
                wide = some.float()
                torch.logsumexp(wide, dim=-1, out=norm)
                torch.sub(norm, wide.gather(-1, chosen[:, None])[:, 0], out=loss)
            ctx.save_for_backward(logits, targets, norms)
            return lost

        @staticmethod
        def backward(ctx: Any, weights: Any) -> Any:
            logits, targets, norms = ctx.saved_tensors
            gradient = torch.empty_like(logits)
            for some, chosen, norm, weight, to in _blocks(logits, logits, targets, norms, weights, gradient):
                shares = torch.sub(some, norm[:, None]).exp_()
                shares.scatter_add_(-1, chosen[:, None], shares.new_full((len(chosen), 1), -1.0))
                to.copy_(shares.mul_(weight[:, None]))
            return gradient, None

    return CrossEntropy


def _blocks(logits: Any, *tensors: Any) -> Any:
    """Stream blocks of rows, as views of all tensors; their length goes by the logits."""
    numbers = _ON_CPU if logits.device.type == "cpu" else _ELSEWHERE
    rows = max(1, numbers // logits.shape[1])
    return zip(*(one.split(rows) for one in tensors), strict=True)
