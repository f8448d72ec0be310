"""Rows without padding: what goes through the model at once, and attention that keeps rows apart."""

from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any

from stepdown.training.examples import Examples
from stepdown.training.sampling_order import Numbers, split_passes

ATTENTION = "stepdown_rows"


class Passes:
    """All passes of a training in their order, `passes` to a step: a data set of transformers' trainer.

    One item holds some rows of its step laid end to end: `input_ids` and `position_ids` (1, tokens), `row_lengths`,
    `kept` (the places whose next token is trained), `targets` (those next tokens) and `trained`, the number of
    targets in the whole step, over which the loss is a mean however the step is split. The first `shared` tokens,
    with which every prompt begins, stand there once, before the rows, and all rows see them.
    """

    def __init__(self, examples: Examples, order: Numbers, passes: int, *, shared: int = 0) -> None:
        self.examples, self.order, self.passes, self.shared = examples, order, passes, shared

    def __len__(self) -> int:
        return len(self.order) * self.passes

    def __getitem__(self, place: int) -> dict[str, Any]:
        if not 0 <= place < len(self):
            raise IndexError(place)
        step, part = divmod(place, self.passes)
        rows = self.order[step].tolist()
        group = split_passes([self.tokens(row) for row in rows], self.passes)[part]
        return self.lay([rows[one] for one in group], trained=sum(map(self.examples.completions.length, rows)))

    def tokens(self, row: int) -> int:
        """Return the tokens of a row, prompt and completion."""
        examples = self.examples
        return examples.prompts.length(examples.problem_of[row]) + examples.completions.length(row)

    def step_tokens(self, step: int) -> int:
        """Return the tokens of all rows of a step, counted from 0; what they share counts for each."""
        return sum(map(self.tokens, self.order[step].tolist()))

    def lay(self, rows: Sequence[int], *, trained: int) -> dict[str, Any]:
        """Return rows laid end to end as tensors."""
        import torch

        start, examples = self.shared, self.examples
        tokens = list(examples.prompts[examples.problem_of[rows[0]]][:start])
        places = list(range(start))
        kept: list[int] = []
        targets: list[int] = []
        for row in rows:
            completion = examples.completions[row]
            before, length = len(tokens) - start, self.tokens(row)
            tokens.extend(examples.prompts[examples.problem_of[row]][start:])
            tokens.extend(completion)
            places.extend(range(start, length))
            kept.extend(range(before + length - len(completion) - 1, before + length - 1))
            targets.extend(completion)
        return {
            "input_ids": torch.tensor([tokens]),
            "position_ids": torch.tensor([places]),
            "row_lengths": [start, *(self.tokens(row) - start for row in rows)],
            "kept": torch.tensor(kept),
            "targets": torch.tensor(targets),
            "trained": trained,
        }


def shared_start(examples: Examples) -> int:
    """Return with how many tokens all prompts begin alike (the template's opening), short of a whole prompt."""
    first, shared = examples.prompts[0], examples.prompts.length(0) - 1
    for place in range(1, len(examples.prompts)):
        prompt = examples.prompts[place]
        shared = min(shared, len(prompt) - 1)
        while shared and prompt[:shared] != first[:shared]:
            shared -= 1
    return shared


def count_passes(passes: Passes, *, tokens: int, world: int) -> int:
    """Return into how many passes each step is split: a multiple of `world` processes, about `tokens` tokens each.

    With `tokens` of 0 every row is a pass of its own.
    """
    batch = passes.order.shape[1]
    if tokens == 0:
        return int(batch)
    most = max(passes.step_tokens(step) for step in range(len(passes.order)))
    each = -(-most // (tokens * world))
    return int(min(max(each, 1), max(batch // world, 1)) * world)


def keep_rows_apart(model: Any) -> None:
    """Have a model attend within rows only, and never compute what lies between them.

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
        found: tuple[Any, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **options)
        return found
    attend = partial(
        torch.nn.functional.scaled_dot_product_attention,
        dropout_p=options.get("dropout", 0.0),
        scale=options.get("scaling"),
        enable_gqa=True,
    )
    (start, *queries), (first, *keys), (given, *values) = (part.split(lengths, dim=2) for part in (query, key, value))
    shared = lengths[0]
    rows = [attend(start, first, given, is_causal=True)] if shared else []
    for some, their, held in zip(queries, keys, values, strict=True):
        if shared:
            both = torch.cat([first, their], dim=2), torch.cat([given, held], dim=2)
            rows.append(attend(some, *both, attn_mask=_seen(some.shape[2], shared, some.dtype, some.device)))
        else:
            rows.append(attend(some, their, held, is_causal=True))
    return torch.cat(rows, dim=2).transpose(1, 2).contiguous(), None


@lru_cache(maxsize=256)
def _seen(length: int, shared: int, dtype: Any, device: Any) -> Any:
    """Return the mask (length, shared + length) by which a row sees what is shared and what of it came before."""
    import torch

    mask = torch.full((length, shared + length), float("-inf"), dtype=dtype, device=device)
    return mask.triu(shared + 1)


def rows_are_apart(model: Any, passes: Passes) -> bool:
    """Tell whether a model gives a row the same log-probabilities among others, as `passes` lay it, as alone."""
    import torch

    rows = sorted(passes.order[0].tolist(), key=passes.tokens)[:2]
    whole = Passes(passes.examples, passes.order, 1)
    with torch.no_grad():
        found = [
            model(
                input_ids=one["input_ids"].to(model.device),
                position_ids=one["position_ids"].to(model.device),
                row_lengths=one["row_lengths"],
                use_cache=False,
            ).logits[0, -len(passes.examples.completions[rows[-1]]) :]
            for one in (whole.lay(rows[-1:], trained=1), passes.lay(rows, trained=1))
        ]
    # Rows that see one another differ by whole nats, sums in another order by 1e-4.
    return bool((found[0].log_softmax(-1) - found[1].log_softmax(-1)).abs().max() < 0.01)
