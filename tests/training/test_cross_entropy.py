"""Losses in blocks are PyTorch's own, and so are their gradients; nothing else of the size of the logits is kept."""

from typing import Any

import pytest

from small_students import TRAINS
from stepdown.training import cross_entropy as module
from stepdown.training.cross_entropy import cross_entropy

pytestmark = TRAINS
WORDS = 40


def drawn(rows: int, dtype: Any) -> tuple[Any, Any]:
    import torch

    torch.manual_seed(0)
    logits = (torch.randn(rows, WORDS) * 4).to(dtype)
    # One word that is as good as certain, one that is as good as impossible.
    logits[0, 3], logits[1, 3] = 90.0, -90.0
    targets = torch.randint(WORDS, (rows,))
    targets[:2] = 3
    return logits.requires_grad_(), targets


@pytest.mark.parametrize("block", [1, WORDS, 3 * WORDS, 10**6])
@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_losses_and_gradients_are_those_of_pytorch(name: str, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(module, "_ON_CPU", block)
    logits, targets = drawn(10, getattr(torch, name))
    before, weights = logits.detach().clone(), torch.linspace(-1, 1, 10)
    found = cross_entropy(logits, targets)
    right = torch.nn.functional.cross_entropy(logits.float(), targets, reduction="none")
    assert found.dtype is torch.float32
    torch.testing.assert_close(found, right, rtol=1e-6, atol=1e-5)
    for by in (weights, torch.ones(10)):
        [gradient], [other] = (
            torch.autograd.grad((loss * by).sum(), logits, retain_graph=True) for loss in (found, right)
        )
        assert gradient.dtype is logits.dtype
        torch.testing.assert_close(gradient, other, rtol=1e-5 if name == "float32" else 0.01, atol=1e-5)
    assert torch.equal(logits.detach(), before)


def test_what_is_kept_for_the_gradient_is_the_logits_themselves() -> None:
    import torch

    logits, targets = drawn(10, torch.bfloat16)
    kept: list[Any] = []

    def note(saved: Any) -> Any:
        kept.append(saved)
        return saved

    with torch.autograd.graph.saved_tensors_hooks(note, lambda saved: saved):
        cross_entropy(logits, targets)
    large = [saved for saved in kept if saved.numel() > 10]
    assert [saved.data_ptr() for saved in large] == [logits.data_ptr()]
