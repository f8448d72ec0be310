"""Whether a model keeps packed rows apart, tried on rows of the training to come."""

from typing import Any

from stepdown.training.packing import PackedDataset


def rows_are_independent(model: Any, dataset: PackedDataset) -> bool:
    """Tell whether a model gives a row the same log-probabilities among others, as `dataset` packs it, as alone."""
    import torch

    examples = dataset.examples
    shortest = sorted(dataset.order[0].tolist(), key=dataset.tokens)[:2]
    rows = [row for example in shortest for row in examples.completions_of(example)]
    unshared = PackedDataset(examples, dataset.order, 1)
    with torch.no_grad():
        alone, packed = (
            model(
                input_ids=one["input_ids"].to(model.device),
                position_ids=one["position_ids"].to(model.device),
                row_lengths=one["row_lengths"],
                use_cache=False,
            ).logits[0, -examples.completions.length(rows[-1]) :]
            for one in (unshared.lay_completions(rows[-1:]), dataset.lay_completions(rows))
        )
    apart = (alone.float().log_softmax(-1) - packed.float().log_softmax(-1)).abs()
    # Rows that see one another differ by whole nats, sums in another order by 1e-4, in 16 bits some by a tenth.
    return bool(apart.mean() < 0.1 if alone.element_size() == 2 else apart.max() < 0.01)
