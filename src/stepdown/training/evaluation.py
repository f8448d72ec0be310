"""How many dev problems a student under training gets right: greedy generation in one batch, graded."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from stepdown.graders import load_grader
from stepdown.runner import plain
from stepdown.training.memory import free_memory
from stepdown.training.objectives.logits import cache_name, selects_logits
from stepdown.types import Grade, Problem

# How many rows are written at once where processes write the same ones, from what each of them could.
Fit = Callable[[int], int]

# The share of free memory that the caches of a batch may take.
SHARE = 0.5


class DevSet(msgspec.Struct, frozen=True):
    """The dev problems: `prompts` are their tokens as evaluation asks them, `longest` the most tokens of an answer."""

    problems: tuple[Problem, ...]
    prompts: tuple[list[int], ...]
    longest: int

    def share(self, rank: int, size: int) -> "DevSet":
        """Return the part of one process of several; the parts have about as many problems, and prompts as long."""
        places = sorted(range(len(self.prompts)), key=lambda place: len(self.prompts[place]))[rank::size]
        return DevSet(
            tuple(self.problems[place] for place in places),
            tuple(self.prompts[place] for place in places),
            self.longest,
        )


def score_dev(dev: DevSet, model: Any, tokenizer: Any, *, fit: Fit | None = None) -> dict[str, int]:
    """Return how many dev problems are `right`, `graded` and in `total`; the model is left as it was.

    `fit`: where weights are split, all processes write the same batches, of as many rows as it says.
    """
    with _answering(model):
        written = write_greedily(model, dev.prompts, longest=dev.longest, end=tokenizer.eos_token_id, fit=fit)
    solutions: list[str] = tokenizer.batch_decode(written, skip_special_tokens=True) if written else []
    verdicts = [grade.verdict for grade in plain(_grade(dev.problems, solutions))]
    graded = sum(verdict != "ungraded" for verdict in verdicts)
    return {"right": verdicts.count("right"), "graded": graded, "total": len(verdicts)}


async def _grade(problems: Sequence[Problem], solutions: Sequence[str]) -> list[Grade]:
    grader = load_grader()
    return await asyncio.gather(*(grader(*pair) for pair in zip(problems, solutions, strict=True)))


def write_greedily(
    model: Any, prompts: Sequence[list[int]], *, longest: int, end: int, fit: Fit | None = None
) -> list[list[int]]:
    """Return the likeliest tokens after each prompt, one by one, without the end token; `longest` of them at most.

    As many rows are written at once as fit the free memory, and fewer where that is not enough after all; with `fit` it
    is the end, since other processes are still in the batch.
    """
    import torch

    places = sorted(range(len(prompts)), key=lambda place: len(prompts[place]))
    width = rows_that_fit(model, max(map(len, prompts), default=0) + longest, len(places))
    width = fit(width) if fit else width
    written, done = dict[int, list[int]](), 0
    while done < len(places):
        some = places[done : done + width]
        try:
            texts = _write([prompts[place] for place in some], model, longest=longest, end=end)
        except torch.OutOfMemoryError:
            if width == 1 or fit:
                raise
            width = max(width // 2, 1)
            continue
        written.update(zip(some, texts, strict=True))
        done += len(some)
    return [written[place] for place in range(len(prompts))]


def rows_that_fit(model: Any, tokens: int, most: int) -> int:
    """Return how many rows of so many tokens can be written at once: what their keys and values take of free memory."""
    config = model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    each: int = 2 * config.num_hidden_layers * heads * head * 4 * max(tokens, 1)
    return min(max(int(free_memory(model.device) * SHARE) // each, 1), max(most, 1))


def _write(prompts: Sequence[list[int]], model: Any, *, longest: int, end: int) -> list[list[int]]:
    """Write a batch, one token of every row at a time; a row that has ended leaves it."""
    import torch
    from transformers import DynamicCache

    width = max(map(len, prompts))
    tokens = torch.tensor([[end] * (width - len(prompt)) + prompt for prompt in prompts], device=model.device)
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=model.device)
    texts: list[list[int]] = [[] for _ in prompts]
    going, cache = list(range(len(prompts))), DynamicCache(config=model.config.get_text_config())
    options = {cache_name(model): cache, **({"logits_to_keep": 1} if selects_logits(model) else {})}
    for _ in range(longest):
        positions = (mask.cumsum(1) - 1).clamp(min=0)[:, -tokens.shape[1] :]
        logits = model(input_ids=tokens, attention_mask=mask, position_ids=positions, use_cache=True, **options).logits
        chosen = logits[:, -1].argmax(-1)
        drawn = chosen.tolist()
        for row, token in zip(going, drawn, strict=True):
            texts[row].append(token)
        staying = [place for place, token in enumerate(drawn) if token != end]
        if not staying:
            break
        if len(staying) < len(going):
            index = torch.tensor(staying, device=model.device)
            cache.batch_select_indices(index)
            chosen, mask, going = chosen[index], mask[index], [going[place] for place in staying]
        tokens, mask = chosen.unsqueeze(1), torch.cat([mask, mask.new_ones(len(going), 1)], 1)
    return [text[:-1] if text and text[-1] == end else text for text in texts]


@contextmanager
def _answering(model: Any) -> Iterator[None]:
    """Have a model answer: without gradients, with the attention that knows padding; then as it was."""
    import torch

    was_training, attention = model.training, model.config._attn_implementation
    model.eval()
    model.set_attn_implementation("sdpa")
    try:
        with torch.no_grad():
            yield
    finally:
        model.set_attn_implementation(attention)
        model.train(was_training)
