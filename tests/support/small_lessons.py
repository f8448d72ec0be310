"""What the tests of training share: a quick training, chains of small sums, them tokenised, and what came out."""

import json
from pathlib import Path
from typing import Any

import msgspec

from small_students import small_model, small_tokenizer
from stepdown.corpus import CHOSEN, REJECTED
from stepdown.models.local import find_base, load_base
from stepdown.training import Training
from stepdown.training.examples import Examples
from stepdown.training.packing import PackedDataset
from stepdown.types import Chain, Grade, Problem

FAST = Training(steps=6, batch=8, evaluations=2, dev=2, checkpoints=6, tokens_per_pass=150, precision="fp32")
FULL = msgspec.structs.replace(FAST, full=True)
DPO = msgspec.structs.replace(FAST, objective="dpo", beta=0.5, learning_rate=1e-3)


def chain(number: int, sample: int = 0, *, found: str | None = None, text: str = "", choice: str = "") -> Chain:
    one, other = number % 7, number % 5
    answer = choice or str(one + other)
    problem = Problem(f"sums/{number}", f"What is {one} plus {other}?", answer, kind="choice" if choice else "number")
    said = text or f"Take {one}. " + "Go on. " * sample + f"Add {other}."
    return Chain(problem, said, "teacher", sample, Grade("right", answer if found is None else found))


def chains(problems: int = 24, each: int = 3) -> list[Chain]:
    return [chain(number, sample) for number in range(problems) for sample in range(each)]


def pair(number: int) -> list[Chain]:
    """The two texts of a pair, chosen and rejected."""
    texts = {CHOSEN: f"Take {number % 7}. Add {number % 5}.", REJECTED: "It is a sum, I guess."}
    return [msgspec.structs.replace(chain(number, text=text), variant=mark) for mark, text in texts.items()]


def pairs(count: int = 24) -> list[Chain]:
    return [one for number in range(count) for one in pair(number)]


def write_base(folder: Path) -> Path:
    small_model().save_pretrained(folder)
    small_tokenizer().save_pretrained(folder)
    return folder


def examples(base: Path, some: list[Chain], training: Training = FAST) -> Examples:
    return Examples(load_base(find_base(base)).tokenizer, training).read(some)


def logged(log: Path, column: str = "loss") -> list[float]:
    """A column of a training's log."""
    found = [json.loads(line) for line in log.read_text().splitlines()]
    return [row[column] for row in found if column in row]


def weights(folder: Path) -> Any:
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def same_weights(one: Path, other: Path, *, apart: float = 0.0) -> bool:
    first, second = weights(one), weights(other)
    return all(bool((first[name].float() - second[name].float()).abs().max() <= apart) for name in first)


def losses(model: Any, passes: PackedDataset, groups: list[list[int]]) -> tuple[float, Any]:
    """The summed loss of rows laid out in these groups, and the gradients it leaves."""
    import torch

    model.zero_grad()
    total = 0.0
    for group in groups:
        one = passes.lay(group)
        inputs = {name: one[name] for name in ("input_ids", "position_ids", "row_lengths")}
        logits = model(**inputs, use_cache=False).logits[0][one["kept"]]
        loss = torch.nn.functional.cross_entropy(logits, one["targets"], reduction="sum")
        loss.backward()
        total += loss.item()
    return total, [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]
