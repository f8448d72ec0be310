"""Where a model's next tokens are read: the last place of each row."""

from typing import Any


def last_place(device: Any) -> Any:
    """Return what `logits_to_keep` takes for the scores of each row's next token, a tensor (1,).

    It is an index, so that what the head reads lies together. Of the slice that a number stands for PyTorch copies the
    whole head for each row where a CPU computes in bf16: a second a row at 151,936 words, where the product takes 5 ms.
    """
    import torch

    return torch.tensor([-1], device=device)
