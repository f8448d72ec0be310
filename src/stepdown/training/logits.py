"""A model's logits, losses and log-probabilities at the completions of a packed batch."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from inspect import signature
from typing import Any

from stepdown.training.cross_entropy import cross_entropy
from stepdown.training.laid_rows import lay_rows
from stepdown.training.objective import Batch

# The logits of more targets than these, which no usual pass has, are computed in pieces, each of them twice.
PIECE = 1024
# What no head writes, and nothing that a model does with logits leaves as it is.
_MARK = 64.0


def target_logits(model: Any, batch: Batch) -> Any:
    """Return the logits (targets, vocabulary), in fp32, that predict the batch's `targets` in their order."""
    return _logits(model, batch).float()


def _logits(model: Any, batch: Batch) -> Any:
    kept = batch["kept"]
    options = {"logits_to_keep": kept} if selects_logits(model) else {}
    logits = model(
        input_ids=batch["input_ids"],
        position_ids=batch["position_ids"],
        row_lengths=batch["row_lengths"],
        use_cache=False,
        **options,
    ).logits[0]
    return logits if options else logits[kept]


def target_losses(model: Any, batch: Batch) -> Any:
    """Return the cross-entropy of each of the batch's `targets` in nats, in fp32: a tensor (targets,).

    Where `use_head_losses` found that a model does nothing more to its logits, they never leave its head: accelerate,
    which makes fp32 of all that a model returns, has losses alone to carry. In pieces there are the logits of `PIECE`
    targets at a time, or their gradients.
    """
    import torch
    from torch.utils.checkpoint import checkpoint

    targets = batch["targets"]
    if not gives_losses(model):
        return cross_entropy(_logits(model, batch), targets)
    head = _head(model)
    whole = head.forward

    def piece(hidden: Any, own: Any) -> Any:
        return cross_entropy(whole(hidden), own)

    def losses(hidden: Any) -> Any:
        rows = hidden.squeeze(0)
        if len(targets) <= PIECE or not in_pieces(model):
            return piece(rows, targets)[None, :, None]
        pairs = zip(rows.split(PIECE), targets.split(PIECE), strict=True)
        lost = [checkpoint(piece, *pair, use_reentrant=False, preserve_rng_state=False) for pair in pairs]
        return torch.cat(lost)[None, :, None]

    # Within the model's own forward: what wraps it (DDP, FSDP2, autocast) sees nothing else.
    with _head_as(head, losses):
        return target_logits(model, batch)[:, 0]


def use_head_losses(model: Any, *, pieces: bool = True) -> None:
    """Have a model's head give losses instead of logits, unless the model does more to logits than its head.

    With `pieces` it computes those of many targets in pieces, each of them twice.
    """
    import torch

    head = _head(model)
    if head is None or not selects_logits(model):
        return
    head.in_pieces = pieces
    if hasattr(head, "gives_losses"):
        return
    found = torch.zeros(0)
    tried = on_device(lay_rows([[0]], [[0]]), model.device)
    # Whatever a model does with numbers that are no logits, this one is left whole.
    with torch.no_grad(), _head_as(head, lambda hidden: hidden.new_full((1, 1, 1), _MARK)), suppress(RuntimeError):
        found = target_logits(model, tried)
    head.gives_losses = found.shape == (1, 1) and found.item() == _MARK


def in_pieces(model: Any) -> bool:
    """Tell whether a model computes logits in pieces where they are many."""
    return gives_losses(model) and _head(model).in_pieces


def gives_losses(model: Any) -> bool:
    """Tell whether a model's head gives losses, so that its logits are in the numbers that it computes in."""
    return getattr(_head(model), "gives_losses", False)


def _head(model: Any) -> Any:
    return _inner(model).get_output_embeddings()


@contextmanager
def _head_as(head: Any, forward: Callable[[Any], Any]) -> Iterator[None]:
    before = vars(head).get("forward")
    head.forward = forward
    try:
        yield
    finally:
        del head.forward
        if before is not None:
            head.forward = before


def completion_logprobs(model: Any, batch: Batch) -> Any:
    """Return log p(completion | prompt) in nats, summed over its tokens and its end: a tensor (rows,)."""
    import torch

    lost = target_losses(model, batch)
    return torch.stack([-some.sum() for some in lost.split(batch["target_lengths"])])


def on_device(batch: Batch, device: Any) -> Batch:
    """Return a batch with its tensors on a device."""
    return {name: value.to(device) if hasattr(value, "to") else value for name, value in batch.items()}


def selects_logits(model: Any) -> bool:
    """Tell whether a model can compute the logits of some places alone."""
    kind: Any = type(_inner(model))
    return _selects_logits(kind)


def cache_name(model: Any) -> str:
    """Return by which name a model takes its keys and values: later versions of transformers have another one."""
    return "cache" if "cache" in signature(type(_inner(model)).forward).parameters else "past_key_values"


def _inner(model: Any) -> Any:
    # DDP and peft wrap the model whose forward counts.
    inner = getattr(model, "module", model)
    return inner.get_base_model() if hasattr(inner, "get_base_model") else inner


@cache
def _selects_logits(kind: Any) -> bool:
    return "logits_to_keep" in signature(kind.forward).parameters
