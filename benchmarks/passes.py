"""A pass of LoRA in bf16 before and after, in turns in one run: peft's layers, and a head that gives logits.

python benchmarks/passes.py [--model 135m] [--rounds 12] [--threads 2] [--json]

Before: each layer's product, its adapter's two, their scaling and sum as steps of autograd, and logits that leave the
model, of which accelerate makes fp32. After: layers of products alone (`lora_products`), losses made in the head. Sides
take turns in an order of chance over passes of four rows of some 130 tokens; printed are the medians of seconds by the
clock, and of the ratios within a turn. Weights and tokens are random.
"""

import argparse
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from rows import Row, print_row
from small_trainings import SIZES, write_base

from stepdown.models.local import find_base, load_base, load_transformers
from stepdown.training import Training
from stepdown.training.attention import use_block_diagonal_attention
from stepdown.training.laid_rows import lay_rows
from stepdown.training.logits import target_losses, use_head_losses
from stepdown.training.model_setup import adapted
from stepdown.training.precision import computing, runs_in_bf16

SIDES = {"before": (False, False), "layers": (True, False), "head": (False, True), "after": (True, True)}


def batch(chance: random.Random) -> Any:
    def rows(least: int, most: int) -> list[list[int]]:
        return [[chance.randrange(3, 40_000) for _ in range(chance.randrange(least, most))] for _ in range(4)]

    return lay_rows(rows(52, 72), rows(55, 75))


def timed(model: Any, training: Training, laid: Any) -> float:
    model.zero_grad()
    begun = perf_counter()
    with computing(model, training):
        loss = target_losses(model, laid).sum()
    loss.backward()
    return perf_counter() - begun


def measured(options: argparse.Namespace, folder: Path) -> Iterator[Row]:
    from accelerate.utils import convert_outputs_to_fp32

    training, chance = Training(precision="bf16"), random.Random(0)
    model = adapted(load_base(find_base(write_base(folder, options.model)), bf16=True).model, training).train()
    use_block_diagonal_attention(model)
    use_head_losses(model, pieces=False)
    # As accelerate prepares a model for bf16.
    model.forward = convert_outputs_to_fp32(model.forward)
    layers = [one for one in model.modules() if hasattr(one, "lora_A")]
    ours, head = type(layers[0]), model.get_base_model().get_output_embeddings()
    assert head.gives_losses
    times: dict[str, list[float]] = {side: [] for side in SIDES}
    for _ in range(options.rounds + 1):
        laid = batch(chance)
        for side in chance.sample(list(SIDES), len(SIDES)):
            products, head.gives_losses = SIDES[side]
            for layer in layers:
                layer.__class__ = ours if products else ours.__bases__[0]
            times[side].append(timed(model, training, laid))
    for side, found in times.items():
        ratio = median(one / other for one, other in zip(found[1:], times["before"][1:], strict=True))
        row: Row = {"model": options.model, "side": side, "threads": options.threads, "rounds": options.rounds}
        row |= {"milliseconds": round(median(found[1:]) * 1e3, 1), "ratio": round(ratio, 3)}
        yield {"benchmark": "passes", **row}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", choices=SIZES, default="135m")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="one object per line")
    options = parser.parse_args()
    load_transformers()
    import torch

    torch.set_num_threads(options.threads)
    if not runs_in_bf16("auto"):
        print("this processor does not multiply bf16: nothing to compare", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as folder:
        for row in measured(options, Path(folder)):
            print_row(row, as_json=options.json)


if __name__ == "__main__":
    main()
