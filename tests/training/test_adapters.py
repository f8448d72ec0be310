"""A student is its base and its adapter: weights that were left out come out the same when they are made again."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from small_lessons import chains
from small_students import TRAINS, copied, small_model
from stepdown.errors import UsageError
from stepdown.models.local import load_left_out
from stepdown.models.weights import file_hash, read_card
from stepdown.training import Training, leave_out_weights, restore_weights, train
from stepdown.training.students.adapters import merge
from stepdown.training.students.card_files import write_card

pytestmark = [pytest.mark.slow, *TRAINS]
WEIGHTS = ("model.safetensors", "model.gguf")


@pytest.fixture(scope="module")
def student(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A student of two steps, whose adapter is no longer the one it began with."""
    out = tmp_path_factory.mktemp("adapters") / "x"
    return train(chains(), base=base, out=out, training=Training(steps=2, batch=4, evaluations=0, rank=4))[0]


def test_weights_that_were_left_out_are_made_again_byte_for_byte(student: Path, tmp_path: Path) -> None:
    folder = copied(student, tmp_path)
    before = {name: file_hash(folder / name) for name in WEIGHTS}
    leave_out_weights(folder)
    assert not list(folder.glob("model.*"))
    leave_out_weights(folder)
    restore_weights(folder)
    restore_weights(folder)
    assert {name: file_hash(folder / name) for name in WEIGHTS} == before
    assert read_card(folder) == read_card(student)


def test_merging_adds_the_adapter_and_rounds_once(student: Path, base: Path) -> None:
    import torch
    from safetensors.torch import load_file

    card = read_card(student)
    assert card is not None
    whole, part, old = (
        load_file(path)
        for path in (
            student / "model.safetensors",
            student / "adapter" / "adapter_model.safetensors",
            base / "model.safetensors",
        )
    )
    name = "model.layers.0.self_attn.q_proj"
    low, high = (part[f"base_model.model.{name}.lora_{one}.weight"].double() for one in "AB")
    exact = old[f"{name}.weight"].double() + card.training["alpha"] / card.training["rank"] * (high @ low)
    assert not torch.equal(exact, old[f"{name}.weight"].double())
    assert torch.equal(whole[f"{name}.weight"], exact.to(torch.float16))


@pytest.mark.parametrize("more", [{"use_dora": True}, {"bias": "all"}, {"modules_to_save": ["lm_head"]}, {}])
def test_every_kind_of_adapter_is_merged_as_it_computes(more: dict[str, Any]) -> None:
    import torch
    from peft import LoraConfig, get_peft_model

    model = get_peft_model(
        small_model("qwen2"), LoraConfig(r=4, target_modules=["q_proj", "up_proj"], init_lora_weights=False, **more)
    )
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "bias" in name or "modules_to_save" in name or "magnitude" in name:
                weight += 0.1
    tokens = torch.arange(3, 20).unsqueeze(0)
    before, wanted = model.base_model.model(tokens).logits, model(tokens).logits
    with model.disable_adapter():
        assert not torch.allclose(model(tokens).logits, wanted, atol=1e-2), "the adapter changes what is computed"
    assert torch.allclose(before, wanted)
    assert torch.allclose(merge(model, torch.float32)(tokens).logits, wanted, atol=1e-4)


def test_another_base_or_adapter_is_refused_and_nothing_is_written(student: Path, tmp_path: Path) -> None:
    folder = copied(student, tmp_path)
    leave_out_weights(folder)
    card = read_card(folder)
    assert card is not None and card.exact
    write_card(folder, msgspec.structs.replace(card, training=card.training | {"rank": 1 << 20}))
    with pytest.raises(UsageError, match="not the one of its card"):
        restore_weights(folder)
    write_card(folder, msgspec.structs.replace(card, base_source="another"))
    with pytest.raises(UsageError, match="was trained on `another`"):
        restore_weights(folder)
    write_card(folder, msgspec.structs.replace(card, weights="0" * 64))
    with pytest.raises(UsageError, match="make other weights"):
        restore_weights(folder)
    adapter = folder / "adapter" / "adapter_model.safetensors"
    adapter.write_bytes(adapter.read_bytes()[:-1])
    with pytest.raises(UsageError, match="cut off"):
        restore_weights(folder)
    assert not list(folder.glob("model.*"))


@pytest.mark.parametrize(
    ("change", "words"), [({"exact": False}, "earlier build"), ({"base_source": "another"}, "was trained on `another`")]
)
def test_weights_that_could_not_be_made_again_are_kept(
    change: dict[str, Any], words: str, student: Path, tmp_path: Path
) -> None:
    folder, card = copied(student, tmp_path), read_card(student)
    assert card is not None
    write_card(folder, msgspec.structs.replace(card, **change))
    with pytest.raises(UsageError, match=words):
        leave_out_weights(folder)
    assert all((folder / name).exists() for name in WEIGHTS)


def test_a_student_of_which_all_weights_were_trained_keeps_them(student: Path, tmp_path: Path) -> None:
    folder = copied(student, tmp_path)
    (folder / "adapter").rename(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="no adapter"):
        leave_out_weights(folder)
    assert all((folder / name).exists() for name in WEIGHTS)


def test_a_student_whose_weights_are_there_or_are_asked_of_another_engine_is_no_model_without_them(
    student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copied(student, tmp_path)

    def never() -> None:
        raise AssertionError("nothing is loaded")

    assert load_left_out(str(folder), never) is None
    leave_out_weights(folder)
    card, model = read_card(folder), load_left_out(str(folder), never)
    assert card is not None and model is not None
    assert model.capabilities.source == card.left_out
    monkeypatch.setenv("STEPDOWN_ENGINE", "llamacpp")
    assert load_left_out(str(folder), never) is None
