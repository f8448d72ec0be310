"""Block-diagonal attention: packed rows that do not see one another, but for the start that all of them share."""

from functools import lru_cache, partial
from typing import Any

from stepdown.training.packing import PackedDataset

ATTENTION = "stepdown_rows"


def use_block_diagonal_attention(model: Any) -> None:
    """Have a model attend within packed rows only, and never compute what lies between them.

    A model that does not hand `row_lengths` on to its attention gets transformers' mask for packed rows instead.
    """
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(ATTENTION, attend_by_row)
    AttentionMaskInterface.register(ATTENTION, sdpa_mask)
    model.set_attn_implementation(ATTENTION)


def attend_by_row(
    module: Any, query: Any, key: Any, value: Any, attention_mask: Any, **options: Any
) -> tuple[Any, None]:
    """Attend causally within each row of `row_lengths`, and to its first part, which all rows share.

    Without `row_lengths` as transformers' `sdpa` does. `query` is (1, heads, tokens, width), `key` and `value` have
    the key heads; the result is (1, tokens, heads, width).
    """
    import torch
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    lengths = options.pop("row_lengths", None)
    # A window narrower than a row is the mask's business.
    window = getattr(module, "sliding_window", None)
    if lengths is None or (window and max(lengths) > window):
        attended: tuple[Any, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **options)
        return attended
    attend = partial(
        torch.nn.functional.scaled_dot_product_attention,
        dropout_p=options.get("dropout", 0.0),
        scale=options.get("scaling"),
        enable_gqa=True,
    )
    (start, *queries), (first, *keys), (given, *values) = (part.split(lengths, dim=2) for part in (query, key, value))
    shared = lengths[0]
    rows = [attend(start, first, given, is_causal=True)] if shared else []
    for own, row_keys, row_values in zip(queries, keys, values, strict=True):
        if shared:
            both = torch.cat([first, row_keys], dim=2), torch.cat([given, row_values], dim=2)
            rows.append(attend(own, *both, attn_mask=_mask(own.shape[2], shared, own.dtype, own.device)))
        else:
            rows.append(attend(own, row_keys, row_values, is_causal=True))
    return torch.cat(rows, dim=2).transpose(1, 2).contiguous(), None


@lru_cache(maxsize=256)
def _mask(length: int, shared: int, dtype: Any, device: Any) -> Any:
    """Return the additive causal mask (length, shared + length): the shared prefix, and earlier tokens of the row."""
    import torch

    mask = torch.full((length, shared + length), float("-inf"), dtype=dtype, device=device)
    return mask.triu(shared + 1)


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
    # Rows that see one another differ by whole nats, sums in another order by 1e-4.
    return bool((alone.log_softmax(-1) - packed.log_softmax(-1)).abs().max() < 0.01)
