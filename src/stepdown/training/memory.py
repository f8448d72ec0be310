"""What a training needs of memory: asked before the first step, and the tokens of a pass that fit what is free."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from stepdown.errors import UsageError
from stepdown.training.logits import PIECE, gives_losses, in_pieces, target_losses
from stepdown.training.objective import Batch
from stepdown.training.settings import USUAL_TOKENS

# On a GPU launches cost more than the products of the usual pass; from here on they cost next to nothing.
MOST = 32 * 1024
# What allocators and kernels need besides (a judgement: nothing here counts the parts that lie between blocks).
USABLE = 0.85
# A logit and its gradient: in fp32, or in 16 bits twice where a model caps them; in 16 bits where a head gives losses.
BYTES_OF_A_LOGIT, IN_BF16 = 8, 4
GRADIENT, ADAM, AUTOCAST = 4, 8, 2


class MemoryNeeds(msgspec.Struct, frozen=True):
    """Bytes that a training needs beside the weights that are loaded.

    `state` are gradients, Adam's moments and cast weights, `each` is what a token of a pass keeps for the gradients,
    with its share of the logits; `longest` is the longest example, the smallest pass there is, in tokens. Where logits
    are computed in pieces, a token's share of them is `logits` instead, and all together take `piece` at most.
    """

    state: int
    each: float
    longest: int
    logits: float = 0.0
    piece: float = 0.0

    @property
    def least(self) -> int:
        """The bytes of the smallest pass, with the state."""
        return self.of(self.longest)

    def of(self, tokens: int) -> int:
        """Return the bytes of a pass of so many tokens, with the state."""
        return self.state + round(self.each * tokens + min(self.logits * tokens, self.piece))

    def whole(self) -> "MemoryNeeds":
        """Return what is needed where logits are not computed in pieces."""
        return MemoryNeeds(self.state, self.each + self.logits, self.longest)

    def whole_fits(self, tokens: int, free: int) -> bool:
        """Whether a pass of so many tokens fits with all its logits at once, which spares computing them twice."""
        return self.whole().of(tokens) <= free * USABLE

    def tokens(self, free: int, *, device: str) -> int:
        """Return how many tokens a pass holds where so many bytes are free."""
        if device == "cpu":
            return USUAL_TOKENS
        left = free * USABLE - self.state
        fitting = int(max(left / (self.each + self.logits), (left - self.piece) / self.each))
        rounded = fitting if fitting < USUAL_TOKENS else fitting // USUAL_TOKENS * USUAL_TOKENS
        return min(max(rounded, self.longest, 1), MOST)


def free_memory(device: Any) -> int:
    """Return the bytes that a training may use on a device: of a GPU what is free there, else of the machine."""
    import torch

    if device.type == "cuda":
        torch.cuda.empty_cache()
        return int(torch.cuda.mem_get_info(device)[0])
    import psutil

    return int(psutil.virtual_memory().available)


def check_state(model: Any, free: int, *, bf16: bool, moved: bool, parts: int = 1) -> int:
    """Return the bytes of gradients, Adam's moments and cast weights, before any is allocated.

    `moved`: the weights are still to be moved to where `free` bytes are free; `parts`: the processes between which all
    but the weights is split. Raises `UsageError` where those bytes are too few.
    """
    sizes = [(one.numel(), one.element_size(), one.requires_grad) for one in model.parameters()]
    trained = sum(count for count, _, learns in sizes if learns)
    state: int = trained * (GRADIENT + ADAM + AUTOCAST * bf16) // parts
    weights = moved * sum(count * size for count, size, _ in sizes)
    if weights + state > free:
        raise UsageError(
            f"this training needs `{in_gigabytes(weights + state)}` before its first pass, and "
            f"`{in_gigabytes(free)}` are free: weights {in_gigabytes(weights)}, gradients and Adam's moments of "
            f"{trained:,} weights {in_gigabytes(state)}",
            "leave out `--full`, or take a smaller base"
            if trained > sum(count for count, _, _ in sizes) / 2
            else "a smaller base",
        )
    return state


def check_longest(needs: MemoryNeeds, free: int, *, checkpointing: bool) -> None:
    """Raise `UsageError` where the longest example does not fit beside gradients and moments."""
    if needs.least <= free:
        return
    ways = "" if checkpointing else "`--checkpointing`, which computes twice and keeps a tenth; "
    raise UsageError(
        f"the longest example has `{needs.longest:,}` tokens, which need `{in_gigabytes(needs.least)}` with gradients "
        f"and Adam's moments ({in_gigabytes(needs.state)}), and `{in_gigabytes(free)}` are free",
        f"{ways}a smaller `--max-length`, a smaller base{', or leave out `--full`' * (needs.state > needs.least / 2)}",
    )


def measure_needs(
    model: Any, batches: tuple[Batch, Batch], *, state: int, longest: int, checkpointing: bool
) -> MemoryNeeds:
    """Return the needs of a training from what two passes, a short and a longer one, keep for their gradients.

    With `checkpointing` a block keeps its input alone, and one block at a time is computed again.
    """
    import torch

    tokens = [one["input_ids"].shape[1] for one in batches]
    kept = [_kept(model, one) for one in batches]
    more = tokens[1] - tokens[0]
    blocks = max((kept[1] - kept[0]) / more if more > 0 else kept[1] / tokens[1], 0.0)
    config = model.config.get_text_config()
    if checkpointing:
        layers = config.num_hidden_layers
        blocks = blocks / layers + layers * config.hidden_size * 4
    half = gives_losses(model) and torch.is_autocast_enabled(model.device.type)
    words = config.vocab_size * (IN_BF16 if half else BYTES_OF_A_LOGIT)
    logits = words * max(len(one["targets"]) / length for one, length in zip(batches, tokens, strict=True))
    if in_pieces(model):
        return MemoryNeeds(state, max(blocks, 1.0), longest, logits, words * PIECE)
    return MemoryNeeds(state, max(blocks + logits, 1.0), longest)


def _kept(model: Any, batch: Batch) -> int:
    """Return the bytes that a pass keeps for its gradients, other than weights and logits."""
    import torch

    weights = {one.untyped_storage().data_ptr() for one in (*model.parameters(), *model.buffers())}
    kept: dict[int, int] = {}
    logits = len(batch["targets"]) * model.config.get_text_config().vocab_size

    def note(saved: Any) -> Any:
        storage = saved.untyped_storage()
        if storage.data_ptr() not in weights and saved.numel() != logits:
            kept[storage.data_ptr()] = storage.nbytes()
        return saved.detach()  # an output that is saved itself holds the graph, and all weights, for ever

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(note, lambda saved: saved):
        loss = target_losses(model, batch)
    del loss
    return sum(kept.values())


def in_gigabytes(count: float) -> str:
    """Return bytes for people, such as `3.2 GB`."""
    return f"{count / 1e9:,.1f} GB"


@contextmanager
def explained_shortage() -> Iterator[None]:
    """Raise `UsageError` with a way out for a device that is out of memory where no smaller pass can help."""
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        raise UsageError(
            f"{shortage(error)} outside of the passes of a training",
            "free some, or take a smaller `--max-length` or base; the same command goes on from the last checkpoint",
        ) from error


def shortage(error: Exception) -> str:
    """Return what a device says that is out of memory, in a line."""
    return f"the device is out of memory ({(str(error).splitlines() or ['no memory left'])[0][:200]})"
