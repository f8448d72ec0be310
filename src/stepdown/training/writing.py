"""Texts of a model under training, written in one batch: the likeliest, or drawn as it finds them likely."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from stepdown.models.local import last_place
from stepdown.training.logits import cache_name, selects_logits
from stepdown.training.memory import free_memory

# How many rows are written at once where processes write the same ones, from what each of them could.
Fit = Callable[[int], int]
# Which token follows, of logits (rows, vocabulary): a tensor (rows,).
Choose = Callable[[Any], Any]

# The share of free memory that the caches of a batch may take.
SHARE = 0.5


def write_greedily(
    model: Any, prompts: Sequence[list[int]], *, longest: int, end: int, fit: Fit | None = None
) -> list[list[int]]:
    """Return the likeliest tokens after each prompt, one by one, without the end token; `longest` of them at most."""
    texts = _write_all(model, prompts, lambda logits: logits.argmax(-1), longest=longest, end=end, fit=fit)
    return [text[:-1] if text and text[-1] == end else text for text in texts]


def write_draws(model: Any, prompts: Sequence[list[int]], *, longest: int, end: int) -> list[list[int]]:
    """Return a draw after each prompt at temperature 1, with its end token where it has ended by `longest` tokens.

    The draws follow torch's seed, and depend on which prompts stand together.
    """
    return _write_all(model, prompts, _drawn, longest=longest, end=end)


def _drawn(logits: Any) -> Any:
    return logits.float().softmax(-1).multinomial(1).squeeze(1)


def _write_all(
    model: Any,
    prompts: Sequence[list[int]],
    choose: Choose,
    *,
    longest: int,
    end: int,
    fit: Fit | None = None,
) -> list[list[int]]:
    """Write after all prompts: as many at once as fit the free memory, and fewer where that is not enough after all.

    With `fit` it is the end, since other processes are still in the batch.
    """
    import torch

    places = sorted(range(len(prompts)), key=lambda place: len(prompts[place]))
    width = rows_that_fit(model, max(map(len, prompts), default=0) + longest, len(places))
    width = fit(width) if fit else width
    written, done = dict[int, list[int]](), 0
    while done < len(places):
        some = places[done : done + width]
        try:
            texts = _write([prompts[place] for place in some], model, choose, longest=longest, end=end)
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


def _write(prompts: Sequence[list[int]], model: Any, choose: Choose, *, longest: int, end: int) -> list[list[int]]:
    """Write a batch, one token of every row at a time; a row that has ended leaves it, with its end token."""
    import torch
    from transformers import DynamicCache

    width = max(map(len, prompts))
    tokens = torch.tensor([[end] * (width - len(prompt)) + prompt for prompt in prompts], device=model.device)
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=model.device)
    texts: list[list[int]] = [[] for _ in prompts]
    going, cache = list(range(len(prompts))), DynamicCache(config=model.config.get_text_config())
    options = {
        cache_name(model): cache,
        **({"logits_to_keep": last_place(model.device)} if selects_logits(model) else {}),
    }
    for _ in range(longest):
        positions = (mask.cumsum(1) - 1).clamp(min=0)[:, -tokens.shape[1] :]
        logits = model(input_ids=tokens, attention_mask=mask, position_ids=positions, use_cache=True, **options).logits
        chosen = choose(logits[:, -1])
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
    return texts


@contextmanager
def answering(model: Any) -> Iterator[None]:
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
