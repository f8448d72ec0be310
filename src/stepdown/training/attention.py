"""Block-diagonal attention: packed rows that do not see one another, but for the start that all of them share."""

from collections.abc import Callable
from functools import lru_cache, partial
from inspect import signature
from typing import Any, Literal

# Two names, since transformers builds a mask for every name that has a function for masks, needed or not.
ATTENTION, MASKED = "stepdown_rows", "stepdown_rows_masked"

# Up to so many tokens of a row a mask costs less than the shared start before it once more (benchmarks/attention.py).
SHORT = 256

Kernel = Literal["rows", "padded", "varlen"]
Lengths = tuple[int, ...]


def use_block_diagonal_attention(model: Any, *, masked: bool = False) -> None:
    """Have a model attend within packed rows only, and never compute what lies between them.

    No mask is built, unless a layer looks through a window, or `masked` asks for it: a model that does not hand
    `row_lengths` on to its attention needs transformers' mask for packed rows instead.
    """
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(ATTENTION, attend_by_row)
    AttentionInterface.register(MASKED, attend_by_row)
    AttentionMaskInterface.register(MASKED, sdpa_mask)
    model.set_attn_implementation(MASKED if masked or window_of(model) else ATTENTION)


def window_of(model: Any) -> int:
    """Return the tokens that a model's layers look back at most, 0 where they see whole rows."""
    return getattr(model.config.get_text_config(), "sliding_window", None) or 0


def attend_by_row(
    module: Any, query: Any, key: Any, value: Any, attention_mask: Any, **options: Any
) -> tuple[Any, None]:
    """Attend causally within each row of `row_lengths`, and to its first part, which all rows share.

    Without `row_lengths` as transformers' `sdpa` does. `query` is (1, heads, tokens, width), `key` and `value` have
    the key heads; the result is (1, tokens, heads, width).
    """
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    lengths = options.pop("row_lengths", None)
    # A window narrower than a row is the mask's business.
    window = getattr(module, "sliding_window", None)
    if lengths is None or (window and max(lengths) > window):
        attended: tuple[Any, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **options)
        return attended
    dropout, scale = options.get("dropout", 0.0), options.get("scaling")
    kernel = choose_kernel(
        query.device.type, half=query.element_size() == 2, shared=lengths[0], dropout=dropout, varlen=has_varlen()
    )
    return KERNELS[kernel](query, key, value, tuple(lengths), scale=scale, dropout=dropout), None


def choose_kernel(device: str, *, half: bool, shared: int, dropout: float, varlen: bool) -> Kernel:
    """Return how rows are attended to: on a GPU by one launch, on a CPU, where a launch costs nothing, row by row.

    `half`: 16-bit numbers, which flash attention needs; `shared`: the tokens before all rows; `varlen`: whether this
    torch has its attention over rows of any length, which knows neither a shared start nor dropout.
    """
    if device != "cuda":
        return "rows"
    return "varlen" if varlen and half and not shared and not dropout else "padded"


@lru_cache(maxsize=1)
def has_varlen() -> bool:
    """Tell whether this torch has `varlen_attn` with a scale and a causal window (2.11 and later)."""
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return False
    return {"scale", "window_size"} <= set(signature(varlen_attn).parameters)


def attend_rows(query: Any, key: Any, value: Any, lengths: Lengths, *, scale: float | None, dropout: float) -> Any:
    """Attend row by row, causally; where a start is shared, a long row with it before it, so that it needs no mask."""
    import torch

    attend = partial(torch.nn.functional.scaled_dot_product_attention, dropout_p=dropout, scale=scale, enable_gqa=True)
    shared = lengths[0]
    (start, *queries), (first, *keys), (given, *values) = (part.split(lengths, dim=2) for part in (query, key, value))
    rows = [attend(start, first, given, is_causal=True)] if shared else []
    for own, row_keys, row_values in zip(queries, keys, values, strict=True):
        if not shared:
            rows.append(attend(own, row_keys, row_values, is_causal=True))
            continue
        both = torch.cat([first, row_keys], dim=2), torch.cat([given, row_values], dim=2)
        if (length := own.shape[2]) <= SHORT:
            mask = _short_mask(shared, own.dtype, own.device)[:length, : shared + length]
            rows.append(attend(own, *both, attn_mask=mask))
        else:
            rows.append(attend(torch.cat([start, own], dim=2), *both, is_causal=True)[:, :, shared:])
    return torch.cat(rows, dim=2).transpose(1, 2).contiguous()


@lru_cache(maxsize=2)
def _short_mask(shared: int, dtype: Any, device: Any) -> Any:
    """Return the additive causal mask (SHORT, shared + SHORT) of every row that is not longer."""
    import torch

    return torch.full((SHORT, shared + SHORT), float("-inf"), dtype=dtype, device=device).triu(shared + 1)


def attend_padded(query: Any, key: Any, value: Any, lengths: Lengths, *, scale: float | None, dropout: float) -> Any:
    """Attend to all rows at once, padded at their ends, where a causal row never looks."""
    import torch

    heads, (gathered, places, rows) = query.shape[1], _padding(lengths, query.device)

    def spread(part: Any) -> Any:
        padded = part[0].index_select(1, gathered).unflatten(1, (rows, -1)).transpose(0, 1)
        # With fewer key heads CUDA falls back to a kernel that keeps all scores.
        return padded.repeat_interleave(heads // part.shape[1], dim=1)

    attended = torch.nn.functional.scaled_dot_product_attention(
        *map(spread, (query, key, value)), dropout_p=dropout, scale=scale, is_causal=True
    )
    return attended.transpose(1, 2).flatten(0, 1).index_select(0, places).unsqueeze(0)


def attend_varlen(query: Any, key: Any, value: Any, lengths: Lengths, *, scale: float | None, dropout: float) -> Any:
    """Attend to all rows by one launch of flash attention, without padding; CUDA and 16-bit numbers only."""
    from torch.nn.attention.varlen import varlen_attn

    ends, longest = _ends(lengths, query.device), max(lengths)
    query, key, value = (part[0].transpose(0, 1) for part in (query, key, value))
    grouped = {"enable_gqa": True} if "enable_gqa" in signature(varlen_attn).parameters else {}
    if not grouped:
        key, value = (part.repeat_interleave(query.shape[1] // part.shape[1], dim=1) for part in (key, value))
    attended = varlen_attn(query, key, value, ends, ends, longest, longest, scale=scale, window_size=(-1, 0), **grouped)
    return attended.unsqueeze(0)


KERNELS: dict[Kernel, Callable[..., Any]] = {"rows": attend_rows, "padded": attend_padded, "varlen": attend_varlen}


# All layers of a pass, and its gradients, ask for the same rows.
@lru_cache(maxsize=2)
def _padding(lengths: Lengths, device: Any) -> tuple[Any, Any, int]:
    """Return the tokens of each row with the shared start, padded; where each token then stands; how many rows."""
    import torch

    shared, *rows = lengths
    longest, start = shared + max(rows), list(range(shared))
    gathered, places, at = list[int](), list(start), shared
    for number, length in enumerate(rows):
        gathered += [*start, *range(at, at + length), *[0] * (longest - shared - length)]
        places += range(number * longest + shared, number * longest + shared + length)
        at += length
    return torch.tensor(gathered, device=device), torch.tensor(places, device=device), len(rows)


@lru_cache(maxsize=2)
def _ends(lengths: Lengths, device: Any) -> Any:
    """Return where each row ends, from 0 on."""
    import torch

    rows = torch.tensor([0, *lengths[1:]])
    return rows.cumsum(0).to(device=device, dtype=torch.int32)
