"""Of many targets logits are computed in pieces: the losses and gradients are those of all at once."""

from inspect import signature
from pathlib import Path
from typing import Any

import pytest

from small_lessons import DPO, FAST, chains, examples, pairs
from small_students import TRAINS, small_model
from stepdown.training.attention import use_block_diagonal_attention
from stepdown.training.logits import PIECE, gives_losses, in_pieces, target_losses, use_head_losses
from stepdown.training.memory import MemoryNeeds, measure_needs
from stepdown.training.model_setup import add_adapter
from stepdown.training.packing import PackedDataset

pytestmark = TRAINS


def learned(model: Any, objective: Any, batch: Any) -> tuple[float, list[Any], int]:
    """The loss of a batch, the gradients it leaves, and for how many targets logits were there at once."""
    from torch.utils._python_dispatch import TorchDispatchMode

    targets = [0]

    class Targets(TorchDispatchMode):  # type: ignore[misc]
        def __torch_dispatch__(self, operation: Any, types: Any, given: Any = (), named: Any = None) -> Any:
            found = operation(*given, **(named or {}))
            shape = getattr(found, "shape", ())
            # The head's weights too have a number for each of the 320 words, in 64 rows.
            if shape[-1:] == (320,) and shape != (64, 320):
                targets.append(found.numel() // 320)
            return found

    model.zero_grad()
    with Targets():
        loss = objective.loss(model, batch).value
        loss.backward()
    return loss.item(), [one.grad.clone() for one in model.parameters() if one.grad is not None], max(targets)


@pytest.mark.parametrize("kind", ["llama", "qwen2"])
@pytest.mark.parametrize(("training", "adapter"), [(FAST, False), (FAST, True), (DPO, False)])
def test_losses_and_gradients_in_pieces_are_those_of_the_whole(
    training: Any, adapter: bool, kind: Any, base: Path
) -> None:
    found = examples(base, pairs(48) if training is DPO else chains(), training)
    model = add_adapter(small_model(kind), training) if adapter else small_model(kind)
    use_block_diagonal_attention(model)
    packed = PackedDataset(found, None, 1)
    found.objective.begin(model, packed.batches(range(len(found.owners)), tokens=200))
    batch = found.objective.collate(packed.lay(range(len(found.owners))))
    whole, gradients, all_at_once = learned(model, found.objective, batch)
    use_head_losses(model)
    pieces, others, at_once = learned(model, found.objective, batch)
    assert len(batch["targets"]) == all_at_once > PIECE == at_once
    assert pieces == pytest.approx(whole, rel=1e-6)
    largest = max(float(one.abs().max()) for one in gradients)
    apart = max(float((one - other).abs().max()) for one, other in zip(gradients, others, strict=True))
    assert apart < 1e-5 * largest


def test_a_model_that_bounds_its_logits_is_left_whole(base: Path) -> None:
    from transformers import GraniteConfig, GraniteForCausalLM

    sizes = small_model().config.to_dict()
    names = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
    for scaling, allowed in ((1.0, True), (8.0, False)):
        model = GraniteForCausalLM(GraniteConfig(**{name: sizes[name] for name in names}, logits_scaling=scaling))
        use_block_diagonal_attention(model)
        use_head_losses(model)
        assert in_pieces(model) is allowed
        use_head_losses(model, pieces=False)
        assert (gives_losses(model), in_pieces(model)) == (allowed, False)
    batch = PackedDataset(examples(base, chains()), None, 1).lay(range(72))
    assert len(target_losses(model, batch)) == len(batch["targets"]) > PIECE


@pytest.mark.parametrize("pieces", [False, True])
def test_what_wraps_a_model_has_losses_to_carry_and_no_logits(
    pieces: bool, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, shapes = examples(base, chains()), list[tuple[int, ...]]()
    model, batch = small_model(), PackedDataset(found, None, 1).lay(range(4))
    use_block_diagonal_attention(model)
    whole, targets = target_losses(model, batch), len(batch["targets"])
    monkeypatch.setattr("stepdown.training.logits.PIECE", 10)
    assert targets > 10
    forward = model.forward

    def noted(**options: Any) -> Any:
        output = forward(**options)
        shapes.append(tuple(output.logits.shape))
        return output

    noted.__signature__ = signature(forward)  # type: ignore[attr-defined]
    monkeypatch.setattr(model, "forward", noted)
    assert target_losses(model, batch).tolist() == whole.tolist()
    use_head_losses(model, pieces=pieces)
    assert target_losses(model, batch).tolist() == pytest.approx(whole.tolist(), rel=1e-6)
    assert shapes == [(1, targets, 320), (1, 1, 1), (1, targets, 1)]


def test_logits_in_pieces_take_the_memory_of_one_piece(base: Path) -> None:
    import torch

    model = small_model()
    use_block_diagonal_attention(model)
    packed = PackedDataset(examples(base, chains()), None, 1)
    options: Any = {"state": 0, "longest": 50, "checkpointing": False}
    whole = measure_needs(model, (packed.lay([0]), packed.lay([0, 3, 6])), **options)
    use_head_losses(model)
    few, many = (
        measure_needs(model, (packed.lay([0]), packed.lay(rows)), **options) for rows in ([0, 3, 6], range(72))
    )
    assert few.least == pytest.approx(whole.least, abs=1)
    assert few.each == pytest.approx(many.each, rel=0.1)
    assert few.of(100_000) == round(few.each * 100_000 + PIECE * 320 * 8) < whole.of(100_000)
    with torch.autocast("cpu", torch.bfloat16):
        half = measure_needs(model, (packed.lay([0]), packed.lay([0, 3, 6])), **options)
    assert (half.piece, half.logits) == (few.piece / 2, few.logits / 2)


def test_passes_take_more_tokens_where_their_logits_are_in_pieces() -> None:
    whole = MemoryNeeds(state=0, each=3e6, longest=300)
    pieces = MemoryNeeds(state=0, each=1e6, longest=300, logits=2e6, piece=2e9)
    assert [one.tokens(8 * 10**9, device="cuda") for one in (whole, pieces)] == [2048, 4096]
    assert pieces.whole() == whole
    assert not pieces.whole_fits(4096, 8 * 10**9) and pieces.whole_fits(2048, 8 * 10**9)
    # What fits in one piece needs what it would need whole.
    assert [one.tokens(10**9, device="cuda") for one in (whole, pieces)] == [300, 300]
