"""How many dev problems a student under training gets right: greedy generation in batches, graded."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from stepdown.graders import load_grader
from stepdown.runner import plain
from stepdown.types import Grade, Problem

BATCH = 16


class DevSet(msgspec.Struct, frozen=True):
    """The dev problems: `prompts` are their tokens as evaluation asks them, `longest` the most tokens of an answer."""

    problems: tuple[Problem, ...]
    prompts: tuple[list[int], ...]
    longest: int


def score_dev(dev: DevSet, model: Any, tokenizer: Any) -> dict[str, int]:
    """Return how many dev problems are `right`, `graded` and in `total`; the model is left as it was."""
    with _answering(model):
        solutions = [text for some in _batches(dev) for text in _answer(some, dev, model, tokenizer)]
    order = [index for some in _batches(dev) for index in some]
    problems = [dev.problems[index] for index in order]
    verdicts = [grade.verdict for grade in plain(_grade(problems, solutions))]
    graded = sum(verdict != "ungraded" for verdict in verdicts)
    return {"right": verdicts.count("right"), "graded": graded, "total": len(verdicts)}


async def _grade(problems: Sequence[Problem], solutions: Sequence[str]) -> list[Grade]:
    grader = load_grader()
    return await asyncio.gather(*(grader(*pair) for pair in zip(problems, solutions, strict=True)))


def _batches(dev: DevSet) -> Iterator[list[int]]:
    """Stream places of problems with prompts of like length, so that little is padded."""
    places = sorted(range(len(dev.prompts)), key=lambda place: len(dev.prompts[place]))
    return (places[start : start + BATCH] for start in range(0, len(places), BATCH))


def _answer(places: list[int], dev: DevSet, model: Any, tokenizer: Any) -> list[str]:
    import torch

    prompts = [dev.prompts[index] for index in places]
    width, end = max(map(len, prompts)), tokenizer.eos_token_id
    tokens = torch.tensor([[end] * (width - len(prompt)) + prompt for prompt in prompts], device=model.device)
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=model.device)
    written = model.generate(
        input_ids=tokens,
        attention_mask=mask,
        max_new_tokens=dev.longest,
        do_sample=False,
        num_beams=1,
        temperature=None,
        top_p=None,
        top_k=None,
        eos_token_id=end,
        pad_token_id=end,
    )
    texts: list[str] = tokenizer.batch_decode(written[:, width:], skip_special_tokens=True)
    return texts


@contextmanager
def _answering(model: Any) -> Iterator[None]:
    """Have a model answer with its adapter merged, which is faster, and put back bit for bit what was there."""
    import torch

    adapted = [module for module in model.modules() if hasattr(module, "lora_A")]
    before = [module.get_base_layer().weight.data for module in adapted]
    was_training, was_cached = model.training, model.config.use_cache
    model.eval()
    model.config.use_cache = True
    try:
        with torch.no_grad():
            for module, weight in zip(adapted, before, strict=True):
                module.get_base_layer().weight.data = weight.clone()
            if adapted:
                model.merge_adapter()
            yield
    finally:
        if adapted:
            model.unmerge_adapter()
        for module, weight in zip(adapted, before, strict=True):
            module.get_base_layer().weight.data = weight
        model.config.use_cache = was_cached
        model.train(was_training)
