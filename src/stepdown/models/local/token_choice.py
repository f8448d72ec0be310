"""The next token of every row of a batch: chosen for all at once, where the scores are."""

from collections.abc import Sequence
from typing import Any

import torch

from stepdown.types import Sampling


def choose_tokens(
    logits: Any, samplings: Sequence[Sampling], numbers: Sequence[float]
) -> tuple[list[int], list[float]]:
    """Return each row's next token and its log-probability at temperature 1.

    `logits` has rows by vocabulary. `numbers` are from 0 to below 1, one for each row; a row at a temperature above 0
    takes the token at which the shares, added up, pass its number, so that no other row has a say in it. A row with
    scores that are no numbers gets a log-probability that is none.
    """
    logits = logits.float()
    chosen = logits.argmax(-1)
    warm = [row for row, sampling in enumerate(samplings) if sampling.temperature > 0]
    if warm:
        places = torch.tensor(warm, device=logits.device)
        some = [samplings[row] for row in warm]
        chosen[places] = _drawn(logits[places], some, [numbers[row] for row in warm])
    scores = logits.gather(1, chosen.unsqueeze(1)).squeeze(1) - logits.logsumexp(-1)
    # One copy to the host, which waits for the device. A double holds every token's number.
    both: list[list[float]] = torch.stack([chosen.double(), scores.double()]).tolist()
    return [int(token) for token in both[0]], both[1]


def _drawn(logits: Any, samplings: Sequence[Sampling], numbers: Sequence[float]) -> Any:
    def column(values: Sequence[float]) -> Any:
        return torch.tensor(values, dtype=torch.float32, device=logits.device).unsqueeze(1)

    # The highest score is taken off first: over a small temperature it would be infinite.
    high = logits.amax(-1, keepdim=True)
    shares = ((logits - high) / column([one.temperature for one in samplings])).softmax(-1)
    if all(one.top_p == 1 for one in samplings):
        return _pick(shares, column(numbers))
    ordered, places = shares.sort(dim=-1, descending=True)
    before = ordered.cumsum(-1) - ordered
    kept = ordered.masked_fill(before >= column([one.top_p for one in samplings]), 0.0)
    # Rows without a limit keep the order of the vocabulary: their text must not depend on a neighbour that has one.
    whole = torch.tensor([one.top_p == 1 for one in samplings], device=logits.device)
    limited = places.gather(1, _pick(kept, column(numbers)).unsqueeze(1)).squeeze(1)
    return torch.where(whole, _pick(shares, column(numbers)), limited)


def _pick(shares: Any, numbers: Any) -> Any:
    """Return of each row the first place at which the sum of its shares passes its number's part of the whole."""
    sums = shares.cumsum(-1)
    whole = sums[:, -1:]
    # A number just below 1 may be rounded up to it, and nothing lies beyond the whole.
    wanted = torch.minimum(numbers * whole, torch.nextafter(whole, torch.zeros_like(whole)))
    return torch.searchsorted(sums, wanted, right=True).squeeze(1).clamp(max=shares.shape[1] - 1)
