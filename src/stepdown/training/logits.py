"""A model's logits and log-probabilities at the completions of a packed batch."""

from functools import cache
from inspect import signature
from typing import Any

from stepdown.training.objective import Batch


def target_logits(model: Any, batch: Batch) -> Any:
    """Return the logits (targets, vocabulary), in fp32, that predict the batch's `targets` in their order."""
    kept = batch["kept"]
    options = {"logits_to_keep": kept} if selects_logits(model) else {}
    logits = model(
        input_ids=batch["input_ids"],
        position_ids=batch["position_ids"],
        row_lengths=batch["row_lengths"],
        use_cache=False,
        **options,
    ).logits[0]
    return (logits if options else logits[kept]).float()


def completion_logprobs(model: Any, batch: Batch) -> Any:
    """Return log p(completion | prompt) in nats, summed over its tokens and its end: a tensor (rows,)."""
    import torch

    lost = torch.nn.functional.cross_entropy(target_logits(model, batch), batch["targets"], reduction="none")
    return torch.stack([-some.sum() for some in lost.split(batch["target_lengths"])])


def on_device(batch: Batch, device: Any) -> Batch:
    """Return a batch with its tensors on a device."""
    return {name: value.to(device) if hasattr(value, "to") else value for name, value in batch.items()}


def selects_logits(model: Any) -> bool:
    """Tell whether a model can compute the logits of some places alone."""
    return _selects_logits(_inner_type(model))


def cache_name(model: Any) -> str:
    """Return by which name a model takes its keys and values: later versions of transformers have another one."""
    return "cache" if "cache" in signature(_inner_type(model).forward).parameters else "past_key_values"


def _inner_type(model: Any) -> Any:
    # DDP and peft wrap the model whose forward counts.
    inner = getattr(model, "module", model)
    return type(inner.get_base_model() if hasattr(inner, "get_base_model") else inner)


@cache
def _selects_logits(kind: Any) -> bool:
    return "logits_to_keep" in signature(kind.forward).parameters
