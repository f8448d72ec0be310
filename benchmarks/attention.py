"""Attention over packed rows before and after, on this CPU: alone and in a whole pass, in turns in one run.

python benchmarks/attention.py [--layers 4] [--rounds 5] [--threads 1] [--numbers fp32|bf16] [--json]

In fp32, before: each row with an additive mask of its own length, beside the mask of all tokens that transformers
built and nobody read; after: long rows with the shared start before them and no mask, short ones by a piece of one
mask. In bf16 (only where the processor multiplies it), before: that, by PyTorch's attention; after: by plain products.
Seconds are the process's own (a busy neighbour does not lengthen them on one thread), the least of the rounds. The
bar: no slower (within 5 %).
"""

import argparse
import sys
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
from stepdown.training.precision import computing, runs_in_bf16

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


COMPARED = {
    "fp32": (("before", attend_with_masks, True), ("after", kernels.attend_rows, False)),
    "bf16": (("before", kernels.attend_rows, False), ("after", kernels.attend_by_products, False)),
}


def alone(kernel: Callable[..., Any], lengths: tuple[int, ...], numbers: str) -> float:
    import torch

    torch.manual_seed(0)
    dtype = torch.bfloat16 if numbers == "bf16" else torch.float32
    parts = [torch.randn(1, heads, sum(lengths), 64, dtype=dtype, requires_grad=True) for heads in (9, 3, 3)]
    begun = process_time()
    kernel(*parts, lengths, scale=None, dropout=0.0).sum().backward()
    return process_time() - begun


def whole_pass(
    model: Any, kernel: Callable[..., Any], lengths: tuple[int, ...], training: Training, *, masked: bool
) -> float:
    import torch

    kernels.KERNELS.update(rows=kernel, products=kernel)
    kernels.use_block_diagonal_attention(model, masked=masked)
    shared, *rows = lengths
    places = torch.tensor([[*range(shared), *(shared + n for row in rows for n in range(row))]])
    model.zero_grad()
    begun = process_time()
    with computing(model, training):
        output = model(input_ids=places % 40_000 + 3, position_ids=places, row_lengths=list(lengths), use_cache=False,
                       logits_to_keep=torch.arange(64))  # fmt: skip
    output.logits.sum().backward()
    return process_time() - begun


def measured(options: argparse.Namespace, folder: Path, numbers: str) -> Iterator[Row]:
    SIZES["short"] = {**SIZES["135m"], "num_hidden_layers": options.layers}
    training = Training(precision=numbers)
    model = adapted(load_base(find_base(write_base(folder, "short")), bf16=numbers == "bf16").model, training)
    for name, lengths in ROWS.items():
        times: dict[tuple[str, str], list[float]] = {}
        for _ in range(options.rounds):
            for side, kernel, masked in COMPARED[numbers]:
                times.setdefault(("attention", side), []).append(alone(kernel, lengths, numbers))
                found = whole_pass(model, kernel, lengths, training, masked=masked)
                times.setdefault(("pass", side), []).append(found)
        for what in ("attention", "pass"):
            old, new = (min(times[what, side]) for side in ("before", "after"))
            row = {"numbers": numbers, "rows": name, "what": what, "before_ms": round(old * 1e3, 1)}
            row |= {"after_ms": round(new * 1e3, 1), "ratio": round(new / old, 3), "bar": BAR, "met": new <= BAR * old}
            yield {"benchmark": "attention", **row}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--numbers", choices=COMPARED, help="these alone; both where not given")
    parser.add_argument("--json", action="store_true", help="one object per line")
    options = parser.parse_args()
    load_transformers()
    import torch

    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        for numbers in [options.numbers] if options.numbers else COMPARED:
            if numbers == "bf16" and not runs_in_bf16("auto"):
                print("this processor does not multiply bf16: left out", file=sys.stderr)
                continue
            for row in measured(options, Path(folder), numbers):
                print_row(row, as_json=options.json)


if __name__ == "__main__":
    main()
