"""Attention over packed rows before and after, on this CPU: alone and in a whole pass, in turns in one run.

python benchmarks/attention.py [--layers 4] [--rounds 5] [--threads 1] [--json]

Before: each row with an additive mask of its own length, beside the mask of all tokens that transformers built and
nobody read. After: long rows with the shared start before them and no mask, short ones by a piece of one mask.
Seconds are the process's own (a busy neighbour does not lengthen them on one thread), the least of the rounds. The
bar: no slower (within 5 %).
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from time import process_time
from typing import Any

from rows import Row, print_row
from small_trainings import SIZES, write_base

from stepdown.models.local import find_base, load_base, load_transformers
from stepdown.training import Training
from stepdown.training import attention as kernels
from stepdown.training.model_setup import adapted

ROWS = {
    "6 rows of 170": (12, *[170] * 6),
    "17 rows of 60": (12, *[60] * 17),
    "uneven rows": (12, 60, 100, 140, 180, 240, 300),
    "one row of 1,012": (12, 1012),
}
BAR = 1.05


@lru_cache(maxsize=256)
def additive(length: int, shared: int, dtype: Any) -> Any:
    import torch

    return torch.full((length, shared + length), float("-inf"), dtype=dtype).triu(shared + 1)


def attend_with_masks(query: Any, key: Any, value: Any, lengths: Any, *, scale: float | None, dropout: float) -> Any:
    import torch

    attend = torch.nn.functional.scaled_dot_product_attention
    (start, *queries), (first, *keys), (given, *values) = (part.split(lengths, dim=2) for part in (query, key, value))
    shared = lengths[0]
    rows = [attend(start, first, given, is_causal=True, scale=scale, enable_gqa=True)]
    for own, row_keys, row_values in zip(queries, keys, values, strict=True):
        both = torch.cat([first, row_keys], dim=2), torch.cat([given, row_values], dim=2)
        mask = additive(own.shape[2], shared, own.dtype)
        rows.append(attend(own, *both, attn_mask=mask, scale=scale, enable_gqa=True))
    return torch.cat(rows, dim=2).transpose(1, 2).contiguous()


def alone(kernel: Callable[..., Any], lengths: tuple[int, ...]) -> float:
    import torch

    torch.manual_seed(0)
    parts = [torch.randn(1, heads, sum(lengths), 64, requires_grad=True) for heads in (9, 3, 3)]
    begun = process_time()
    kernel(*parts, lengths, scale=None, dropout=0.0).sum().backward()
    return process_time() - begun


def whole_pass(model: Any, kernel: Callable[..., Any], lengths: tuple[int, ...], *, masked: bool) -> float:
    import torch

    kernels.KERNELS["rows"] = kernel
    kernels.use_block_diagonal_attention(model, masked=masked)
    shared, *rows = lengths
    places = torch.tensor([[*range(shared), *(shared + n for row in rows for n in range(row))]])
    model.zero_grad()
    begun = process_time()
    model(input_ids=places % 40_000 + 3, position_ids=places, row_lengths=list(lengths), use_cache=False,
          logits_to_keep=torch.arange(64)).logits.sum().backward()  # fmt: skip
    return process_time() - begun


def measured(options: argparse.Namespace, folder: Path) -> Iterator[Row]:
    after = kernels.KERNELS["rows"]
    SIZES["short"] = {**SIZES["135m"], "num_hidden_layers": options.layers}
    model = adapted(load_base(find_base(write_base(folder, "short"))).model, Training(precision="fp32"))
    for name, lengths in ROWS.items():
        times: dict[tuple[str, str], list[float]] = {}
        for _ in range(options.rounds):
            for side, kernel, masked in (("before", attend_with_masks, True), ("after", after, False)):
                times.setdefault(("attention", side), []).append(alone(kernel, lengths))
                found = whole_pass(model, kernel, lengths, masked=masked)
                times.setdefault(("pass", side), []).append(found)
        for what in ("attention", "pass"):
            old, new = (min(times[what, side]) for side in ("before", "after"))
            row = {"rows": name, "what": what, "before_ms": round(old * 1e3, 1), "after_ms": round(new * 1e3, 1)}
            yield {"benchmark": "attention", **row, "ratio": round(new / old, 3), "bar": BAR, "met": new <= BAR * old}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="one object per line")
    options = parser.parse_args()
    load_transformers()
    import torch

    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        for row in measured(options, Path(folder)):
            print_row(row, as_json=options.json)


if __name__ == "__main__":
    main()
