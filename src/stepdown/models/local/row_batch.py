"""Rows that write together, a token each at a step; others join them, and some leave, between two steps."""

from collections.abc import Callable, Sequence
from inspect import signature
from math import isfinite
from typing import Any

import torch
from transformers.cache_utils import DynamicCache

from stepdown.models.local.draws import RowDraw
from stepdown.models.local.last_place import last_place
from stepdown.models.local.row_cache import RowCache, can_share
from stepdown.models.local.token_choice import choose_tokens


class RowBatch:
    """The `rows` under way of one model; `take(draw, token, score)` is called with each token that is written.

    A model that keeps more of a row than keys and values writes one row at a time (`shares` is false). Where `join` or
    `step` raises, no row has lost a token, and the batch is to be thrown away; its rows can be read into another.
    """

    def __init__(self, model: Any, take: Callable[[RowDraw, int, float], None]) -> None:
        self.rows: list[RowDraw] = []
        self.shares = can_share(model)
        self._model, self._take, self._device = model, take, model.device
        self._cache, self._last = RowCache(), last_place(model.device)
        self._own: Any = None
        # Its name before transformers 5.23, or for architectures of others.
        self._word = "cache" if "cache" in signature(model.forward).parameters else "past_key_values"

    @property
    def bytes_per_token(self) -> int:
        """How many bytes a token of a row takes; 0 as long as nothing was read."""
        return self._cache.bytes_per_token

    @property
    def held_bytes(self) -> int:
        """How many bytes its buffers take, in use or not."""
        return self._cache.held_bytes

    def join(self, draws: Sequence[RowDraw]) -> None:
        """Read the prompts of draws, each different one once, write their first tokens, and add them to the rows."""
        prompts = [tuple(draw.read) for draw in draws]
        different = list(dict.fromkeys(prompts))
        longest = max(map(len, different))
        gaps = [longest - len(prompt) for prompt in different]
        tokens = torch.tensor([[0] * gap + list(one) for gap, one in zip(gaps, different, strict=True)])
        cache = DynamicCache() if self.shares else None
        logits, read = self._read(tokens.to(self._device), gaps, cache)
        source = [different.index(prompt) for prompt in prompts]
        written = self._choose(draws, logits[torch.tensor(source, device=self._device)])
        if self.shares:
            self._cache.place(read, source, longest, most=max(draw.need for draw in (*self.rows, *draws)))
        else:
            self._own = read
        self.rows += draws
        self._write(draws, *written)

    def step(self) -> None:
        """Write one token of every row."""
        lengths = [len(draw.prompt) + len(draw.tokens) - 1 for draw in self.rows]
        if self.shares:
            self._cache.make_room(rows=len(self.rows), used=max(lengths), most=max(draw.need for draw in self.rows))
        tokens = torch.tensor([[draw.tokens[-1]] for draw in self.rows], device=self._device)
        gaps = [max(lengths) - length for length in lengths]
        logits, self._own = self._read(tokens, gaps, self._cache.cache or self._own, before=max(lengths))
        self._cache.extent.end += 1
        self._write(self.rows, *self._choose(self.rows, logits))

    def leave(self) -> list[RowDraw]:
        """Take the rows that have ended, or that nobody waits for, out of the batch, and return them."""
        # Asked once: whoever waits may go away at any moment.
        going = [draw.going for draw in self.rows]
        ended = [place for place, goes in enumerate(going) if not goes]
        if not ended:
            return []
        left = [self.rows[place] for place in ended]
        spoilt = [place for place in ended if not isfinite(self.rows[place].score)]
        count = sum(going)
        behind = [place for place in range(count, len(going)) if going[place]]
        order = [place if going[place] else behind.pop() for place in range(count)]
        self._cache.keep(order, spoilt=spoilt)
        self.rows = [self.rows[place] for place in order]
        return left

    def _read(self, tokens: Any, gaps: Sequence[int], cache: Any, *, before: int = 0) -> tuple[Any, Any]:
        """Return the scores of every row's next token, rows by vocabulary, and the grown cache.

        Of the columns, `before` that are in the cache and those of `tokens`, a row's first `gap` ones are empty.
        """
        columns = before + tokens.shape[1]
        places = torch.arange(columns, device=self._device) - torch.tensor(gaps, device=self._device).unsqueeze(1)
        output = self._model(
            input_ids=tokens,
            attention_mask=places >= 0 if any(gaps) else None,
            position_ids=places[:, before:].clamp(min=0),
            use_cache=True,
            logits_to_keep=self._last,
            **{self._word: cache},
        )
        return output.logits[:, -1], getattr(output, self._word)

    def _choose(self, draws: Sequence[RowDraw], logits: Any) -> tuple[list[int], list[float]]:
        return choose_tokens(logits, [draw.sampling for draw in draws], [draw.number() for draw in draws])

    def _write(self, draws: Sequence[RowDraw], tokens: Sequence[int], scores: Sequence[float]) -> None:
        for draw, token, score in zip(draws, tokens, scores, strict=True):
            self._take(draw, token, score)
