"""A LoRA layer as one step of autograd has peft's outputs and gradients, and what is no plain layer is left to peft."""

from typing import Any

import msgspec
import pytest

from small_lessons import FAST
from small_students import TRAINS, small_model
from stepdown.training.lora_products import use_lora_products
from stepdown.training.model_setup import adapted, add_adapter
from stepdown.training.precision import computing

pytestmark = [pytest.mark.slow, *TRAINS]
BF16 = msgspec.structs.replace(FAST, precision="bf16")


def layers_of(model: Any) -> list[Any]:
    return [one for one in model.modules() if hasattr(one, "lora_A")]


def taught(model: Any) -> Any:
    """A model whose adapter adds something, as that of no fresh one does."""
    import torch

    torch.manual_seed(1)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    return model


def learned(model: Any, training: Any = FAST) -> tuple[Any, list[Any]]:
    """The logits of some tokens, and the gradients that they leave."""
    import torch

    tokens = torch.randint(5, 300, (1, 24), generator=torch.Generator().manual_seed(0))
    model.zero_grad()
    with computing(model, training):
        logits = model(input_ids=tokens).logits.float()
    torch.nn.functional.cross_entropy(logits[0, :-1], tokens[0, 1:]).backward()
    return logits.detach(), [one.grad.clone() for one in model.parameters() if one.grad is not None]


def apart(some: tuple[Any, list[Any]], others: tuple[Any, list[Any]]) -> float:
    """The difference of logits and gradients as a share of their size, mean over all tensors."""
    pairs = list(zip([some[0], *some[1]], [others[0], *others[1]], strict=True))
    return sum(float((one - other).norm() / other.norm()) for one, other in pairs) / len(pairs)


@pytest.mark.parametrize("kind", ["llama", "qwen2"])
def test_outputs_and_gradients_are_those_of_peft(kind: Any) -> None:
    import peft

    # Three of a block's seven layers have a bias in Qwen's.
    models = [taught(add_adapter(small_model(kind), FAST)) for _ in range(2)]
    use_lora_products(models[0])
    assert {type(one) is peft.tuners.lora.Linear for one in layers_of(models[0])} == {False}
    assert {type(one) is peft.tuners.lora.Linear for one in layers_of(models[1])} == {True}
    ours, pefts = map(learned, models)
    assert len(ours[1]) == 2 * 2 * 7
    assert apart(ours, pefts) < 5e-6


def test_in_bf16_they_are_as_near_to_those_of_fp32_as_peft_s() -> None:
    ours, pefts = [], []
    for seed in range(6):
        exact, inexact, peft = (taught(adapted(small_model(seed=seed), one)) for one in (FAST, BF16, BF16))
        for layer in layers_of(peft):
            layer.__class__ = type(layer).__bases__[0]
        right, found = learned(exact), learned(inexact, BF16)
        assert {str(one.dtype) for one in found[1]} == {"torch.float32"}
        ours.append(apart(found, right))
        pefts.append(apart(learned(peft, BF16), right))
    assert 0.01 < sum(ours) < 1.1 * sum(pefts)


def test_an_adapter_that_is_disabled_or_merged_adds_what_it_does_with_peft() -> None:
    import torch

    tokens = torch.tensor([[5, 6, 7]])
    bare = small_model()(input_ids=tokens).logits
    model = taught(adapted(small_model(), FAST))
    with_adapter = model(input_ids=tokens).logits
    with model.disable_adapter():
        assert torch.equal(model(input_ids=tokens).logits, bare)
    assert not torch.allclose(with_adapter, bare, atol=1e-3)
    model.merge_adapter()
    assert torch.allclose(model(input_ids=tokens).logits, with_adapter, atol=1e-4)
    assert torch.allclose(model.merge_and_unload()(input_ids=tokens).logits, with_adapter, atol=1e-4)


def test_a_base_in_fp32_under_autocast_is_computed_by_peft() -> None:
    import torch

    model = taught(adapted(small_model(), FAST))
    found = learned(model, BF16)
    for layer in layers_of(model):
        layer.__class__ = type(layer).__bases__[0]
    logits, gradients = learned(model, BF16)
    assert torch.equal(found[0], logits)
    assert all(torch.equal(one, other) for one, other in zip(found[1], gradients, strict=True))


def test_dropout_and_weights_besides_are_left_to_peft() -> None:
    from peft import LoraConfig, get_peft_model

    for options in ({"lora_dropout": 0.1}, {"use_dora": True}, {"lora_bias": True}):
        model = get_peft_model(small_model("qwen2"), LoraConfig(target_modules=["q_proj"], **options))
        before = [type(one) for one in layers_of(model)]
        use_lora_products(model)
        assert before == [type(one) for one in layers_of(model)] != []


def test_layers_of_transposed_weights_are_left_to_peft() -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    model = add_adapter(GPT2LMHeadModel(GPT2Config(vocab_size=320, n_embd=32, n_layer=1, n_head=2)), FAST)
    before = [type(one) for one in layers_of(model)]
    use_lora_products(model)
    assert before == [type(one) for one in layers_of(model)] != []
    assert learned(model)[1]


def test_an_adapter_that_is_not_active_adds_nothing() -> None:
    import torch

    model, tokens = taught(adapted(small_model(), FAST)), torch.tensor([[5, 6, 7]])
    assert not torch.allclose(model(input_ids=tokens).logits, small_model()(input_ids=tokens).logits, atol=1e-3)
    for layer in layers_of(model):
        layer.set_adapter([])
    assert torch.equal(model(input_ids=tokens).logits, small_model()(input_ids=tokens).logits)


def test_layers_of_a_second_adapter_are_computed_by_peft() -> None:
    import torch

    model, tokens = taught(adapted(small_model(), FAST)), torch.tensor([[5, 6, 7]])
    first = model(input_ids=tokens).logits
    model.add_adapter("other", model.peft_config["default"])
    model.set_adapter("other")
    assert torch.equal(model(input_ids=tokens).logits, small_model()(input_ids=tokens).logits)
    model.set_adapter("default")
    assert torch.allclose(model(input_ids=tokens).logits, first, atol=1e-4)
