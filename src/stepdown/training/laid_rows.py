"""Rows (a prompt and a completion each) laid end to end, without padding, and read back."""

from collections.abc import Sequence

from stepdown.training.objective import Batch


def lay_rows(prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]], *, shared: int = 0) -> Batch:
    """Return rows (a prompt and a completion each) laid end to end, as tensors.

    `input_ids` and `position_ids` (1, tokens); `row_lengths`, of which the first is `shared`: the tokens that every
    prompt begins with, which stand before the rows and are seen by all; `kept`, the places whose next token is
    learned; `targets`, those next tokens, `target_lengths` of each row.
    """
    import torch

    tokens = list(prompts[0][:shared])
    positions = list(range(shared))
    kept: list[int] = []
    targets: list[int] = []
    lengths = [len(prompt) + len(completion) for prompt, completion in zip(prompts, completions, strict=True)]
    for prompt, completion, length in zip(prompts, completions, lengths, strict=True):
        before = len(tokens) - shared
        tokens.extend(prompt[shared:])
        tokens.extend(completion)
        positions.extend(range(shared, length))
        kept.extend(range(before + length - len(completion) - 1, before + length - 1))
        targets.extend(completion)
    return {
        "input_ids": torch.tensor([tokens]),
        "position_ids": torch.tensor([positions]),
        "row_lengths": [shared, *(length - shared for length in lengths)],
        "kept": torch.tensor(kept),
        "targets": torch.tensor(targets),
        "target_lengths": list(map(len, completions)),
    }


def rows_of(laid: Batch) -> list[list[int]]:
    """Return the rows of a packed batch, each whole: its prompt, with the start that all share, and its completion."""
    tokens: list[int] = laid["input_ids"][0].tolist()
    shared, *lengths = laid["row_lengths"]
    rows, begin = list[list[int]](), shared
    for length in lengths:
        rows.append(tokens[:shared] + tokens[begin : begin + length])
        begin += length
    return rows


def prompts_of(batch: Batch) -> list[list[int]]:
    """Return the prompts of a packed batch."""
    rows = zip(rows_of(batch), batch["target_lengths"], strict=True)
    return [row[: len(row) - length] for row, length in rows]
