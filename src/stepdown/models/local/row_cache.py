"""The keys and values of rows that write together: a buffer for each layer, which rows come into and go from.

A row's last token stands in the last column in use, whenever the row came. So a step fills one column, a sliding window
is counted as in a row that is alone, and what lies before a row's first column is masked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

# How many columns more than it must have a buffer is made with.
SPARE = 256


@dataclass(slots=True)
class Extent:
    """Which part of the buffers is in use: the first `rows`, the columns from `first` up to and without `end`."""

    rows: int = 0
    first: int = 0
    end: int = 0


class _SharedLayer(DynamicLayer):  # type: ignore[misc]
    """A layer's buffers (rows, heads, columns, width), in the form in which transformers' attention asks for them."""

    def __init__(self, extent: Extent, like: Any) -> None:
        super().__init__()
        self.extent, self.device, self.is_initialized = extent, like.keys.device, True
        self.keys, self.values = (
            states.new_zeros(0, states.shape[1], 0, states.shape[3]) for states in (like.keys, like.values)
        )

    def update(self, key_states: Any, value_states: Any, *_: Any, **__: Any) -> tuple[Any, Any]:
        """Write a step's tokens into the column behind the last one; return all that is in use."""
        rows, first, end = self.extent.rows, self.extent.first, self.extent.end
        self.keys[:rows, :, end] = key_states[:, :, 0]
        self.values[:rows, :, end] = value_states[:, :, 0]
        return self.keys[:rows, :, first : end + 1], self.values[:rows, :, first : end + 1]

    def get_seq_length(self) -> int:
        """Return how many columns are in use."""
        return self.extent.end - self.extent.first


class RowCache:
    """The buffers of all layers, and `cache`, which is them as transformers takes them; made at the first `place`."""

    def __init__(self) -> None:
        self.extent = Extent()
        self.layers: list[_SharedLayer] = []
        self.cache: Cache | None = None

    @property
    def bytes_per_token(self) -> int:
        """How many bytes a token of a row takes, in all layers; 0 before anything was placed."""
        pairs = [states for layer in self.layers for states in (layer.keys, layer.values)]
        return sum(states.shape[1] * states.shape[3] * states.element_size() for states in pairs)

    @property
    def held_bytes(self) -> int:
        """How many bytes the buffers take, in use or not."""
        return self.bytes_per_token * self.layers[0].keys.shape[0] * self.layers[0].keys.shape[2] if self.layers else 0

    def place(self, read: DynamicCache, source: Sequence[int], length: int, *, most: int) -> None:
        """Add rows: the k-th is the row `source[k]` of `read`, whose `length` columns end at its last token.

        No row will need more than `most` columns.
        """
        if not self.layers:
            self.layers = [_SharedLayer(self.extent, layer) for layer in read.layers]
            self.cache = Cache(layers=self.layers)
        extent, there = self.extent, self.extent.rows
        self.make_room(rows=there + len(source), used=max(length, (extent.end - extent.first) * (there > 0)), most=most)
        index = torch.tensor(source, device=self.layers[0].keys.device)
        for layer, other in zip(self.layers, read.layers, strict=True):
            for states, others in ((layer.keys, other.keys), (layer.values, other.values)):
                states[there : there + len(source), :, extent.end - length : extent.end] = others[index]
        extent.rows += len(source)

    def make_room(self, *, rows: int, used: int, most: int) -> None:
        """Take so many rows and the last `used` columns into use, and see that there is one more behind them."""
        extent = self.extent
        there, columns = self.layers[0].keys.shape[0], self.layers[0].keys.shape[2]
        if not extent.rows and rows <= there and used < columns:
            extent.end = used
        if rows > there or used > extent.end or extent.end >= columns:
            kept = min(used, extent.end - extent.first) if extent.rows else 0
            there, columns = max(rows, there), max(columns, used + 1, min(used + SPARE, most))
            for layer in self.layers:
                layer.keys, layer.values = (
                    _moved(states[: extent.rows, :, extent.end - kept : extent.end], there, columns, used)
                    for states in (layer.keys, layer.values)
                )
            extent.end = used
        extent.first = extent.end - used

    def keep(self, rows: Sequence[int], *, spoilt: Sequence[int] = ()) -> None:
        """Keep these rows alone, in this order, where only rows that move differ from it by their place.

        Of the `spoilt` nothing is left: what is no number is none under a mask either.
        """
        moved = [(place, row) for place, row in enumerate(rows) if place != row]
        for layer in self.layers:
            for states in (layer.keys, layer.values):
                for row in spoilt:
                    states[row] = 0
                if moved:
                    to, back = zip(*moved, strict=True)
                    part = states[:, :, self.extent.first : self.extent.end]
                    part[list(to)] = part[list(back)]
        self.extent.rows = len(rows)


def _moved(part: Any, rows: int, columns: int, end: int) -> Any:
    """Return a buffer of so many rows and columns, in whose first rows this part ends at the column `end`; else 0."""
    made = part.new_zeros(rows, part.shape[1], columns, part.shape[3])
    made[: part.shape[0], :, end - part.shape[2] : end] = part
    return made


def can_share(model: Any) -> bool:
    """Whether all that a model keeps of a row are keys and values of its tokens, so that others can join it.

    What else a model keeps (the states of linear attention) ends with its batch.
    """
    layers = DynamicCache(config=model.config).layers
    return all(type(layer) in (DynamicLayer, DynamicSlidingWindowLayer) for layer in layers)
