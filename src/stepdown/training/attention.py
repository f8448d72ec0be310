"""Block-diagonal attention: packed rows that do not see one another, but for the start that all of them share."""

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from inspect import signature
from typing import Any, Literal, NamedTuple

# Two names, since transformers builds a mask for every name that has a function for masks, needed or not.
ATTENTION, MASKED = "stepdown_rows", "stepdown_rows_masked"

# Up to so many tokens of a row a mask costs less than the shared start before it once more (benchmarks/attention.py).
SHORT = 256
# Of longer rows, with the shared start, the scores are too much to keep for the gradients; they are made in blocks of
# queries, which do not see the later ones (benchmarks/attention.py).
LONG, BLOCK = 1024, 256

Kernel = Literal["rows", "products", "padded", "varlen"]
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

    `half`: 16-bit numbers, which flash attention on a GPU needs, and for which PyTorch's on a CPU is slower than plain
    products; `shared`: the tokens before all rows; `varlen`: whether this torch has its attention over rows of any
    length, which knows neither a shared start nor dropout.
    """
    if device == "cpu" and half and not dropout:
        return "products"
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
    return _laid_again(_attended(row, attend) for row in _rows_with_start(query, key, value, lengths))


def attend_by_products(
    query: Any, key: Any, value: Any, lengths: Lengths, *, scale: float | None, dropout: float
) -> Any:
    """Attend row by row with the scores of a row kept whole, but for long ones; `dropout` must be 0.

    In bf16 on a CPU the gradient of PyTorch's own attention takes five times as long as these products take.
    """
    import torch

    attend = partial(torch.nn.functional.scaled_dot_product_attention, scale=scale, enable_gqa=True)
    factor = query.shape[-1] ** -0.5 if scale is None else scale
    return _laid_again(
        _attended(row, attend) if row.keys.shape[2] > LONG else _multiplied(row, factor)
        for row in _rows_with_start(query, key, value, lengths)
    )


class _Row(NamedTuple):
    """A row's part of the queries (1, heads, own, width); its keys and values (1, key heads, start + own, width)."""

    start: Any
    queries: Any
    keys: Any
    values: Any


def _rows_with_start(query: Any, key: Any, value: Any, lengths: Lengths) -> Iterator[_Row]:
    """Stream the shared start, where there is one, and each row with the start before its keys and values."""
    import torch

    (start, *queries), (first, *keys), (given, *values) = (part.split(lengths, dim=2) for part in (query, key, value))
    if lengths[0]:
        yield _Row(start[:, :, :0], start, first, given)
    for own, row_keys, row_values in zip(queries, keys, values, strict=True):
        if lengths[0]:
            row_keys, row_values = torch.cat([first, row_keys], dim=2), torch.cat([given, row_values], dim=2)
        yield _Row(start, own, row_keys, row_values)


def _attended(row: _Row, attend: Callable[..., Any]) -> Any:
    """Return a row's attention by PyTorch's: a short one with a mask, a long one as its start's queries' last part."""
    import torch

    shared, length = row.start.shape[2], row.queries.shape[2]
    if not shared:
        return attend(row.queries, row.keys, row.values, is_causal=True)
    if length <= SHORT:
        return attend(row.queries, row.keys, row.values, attn_mask=_mask_of(row))
    return attend(torch.cat([row.start, row.queries], dim=2), row.keys, row.values, is_causal=True)[:, :, shared:]


def _multiplied(row: _Row, factor: float) -> Any:
    """Return a row's attention by products: for up to `BLOCK` tokens at once, by all queries of a key head."""
    import torch

    heads, length, width = row.queries.shape[1:]
    groups, shared, mask = row.keys.shape[1], row.start.shape[2], _mask_of(row)
    blocks = []
    for begin in range(0, length, BLOCK):
        end = min(begin + BLOCK, length)
        seen = shared + end
        queries = row.queries.squeeze(0)[:, begin:end].reshape(groups, -1, width)
        scores = torch.bmm(queries, row.keys.squeeze(0)[:, :seen].transpose(1, 2)).view(heads, -1, seen)
        shares = torch.softmax(torch.add(mask[begin:end, :seen], scores, alpha=factor), dim=-1)
        attended = torch.bmm(shares.view(groups, -1, seen), row.values.squeeze(0)[:, :seen])
        blocks.append(attended.view(1, heads, end - begin, -1))
    return torch.cat(blocks, dim=2)


def _laid_again(rows: Iterable[Any]) -> Any:
    """Return rows (1, heads, own, width) laid end to end, (1, tokens, heads, width)."""
    import torch

    return torch.cat(list(rows), dim=2).transpose(1, 2).contiguous()


def _mask_of(row: _Row) -> Any:
    """Return the additive causal mask (own, start + own) of a row: a piece of one that many rows share."""
    shared, length = row.start.shape[2], row.queries.shape[2]
    size = -(-length // SHORT) * SHORT
    return _causal_mask(size, shared, row.queries.dtype, row.queries.device)[:length, : shared + length]


@lru_cache(maxsize=8)
def _causal_mask(size: int, shared: int, dtype: Any, device: Any) -> Any:
    """Return the additive causal mask (size, shared + size) of every row that is not longer."""
    import torch

    return torch.full((size, shared + size), float("-inf"), dtype=dtype, device=device).triu(shared + 1)


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


KERNELS: dict[Kernel, Callable[..., Any]] = {
    "rows": attend_rows,
    "products": attend_by_products,
    "padded": attend_padded,
    "varlen": attend_varlen,
}


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
