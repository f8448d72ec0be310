"""A base that is read in bf16: the one that is read in fp32, rounded, in half the memory."""

import os
from pathlib import Path
from typing import Any

import pytest

from small_students import TRAINS, small_student, small_tokenizer
from stepdown.models.local import find_base, load_base, load_transformers
from stepdown.models.local.transformers import load_whole_model
from stepdown.training.students.folder import export_student

pytestmark = [pytest.mark.slow, *TRAINS]


def gemma(folder: Path) -> Path:
    """A model that makes a buffer in the dtype of its weights: the scale of its embeddings, 5.656854 for 32."""
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    tokenizer = small_tokenizer()
    config = Gemma3TextConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=8, max_position_embeddings=64,
    )  # fmt: skip
    Gemma3ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def gguf(folder: Path) -> Path:
    return export_student(small_student(folder / "student"), folder / "small.gguf", kind="q8_0")


@pytest.mark.parametrize("make", [small_student, gguf, gemma])
def test_a_base_in_bf16_is_the_one_in_fp32_rounded_with_buffers_in_fp32(make: Any, tmp_path: Path) -> None:
    import torch

    location = find_base(make(tmp_path / "base"))
    whole, half = load_base(location).model, load_base(location, bf16=True).model
    rounded = dict(half.named_parameters())
    assert len(rounded) > 10 and {one.dtype for one in rounded.values()} == {torch.bfloat16}
    for name, weight in whole.named_parameters():
        assert weight.dtype == torch.float32 and torch.equal(weight.to(torch.bfloat16), rounded[name])
    buffers = dict(half.named_buffers())
    assert buffers and all(torch.equal(one, buffers[name]) for name, one in whole.named_buffers())
    assert {one.dtype for one in buffers.values() if one.is_floating_point()} == {torch.float32}


def test_no_weight_is_read_in_fp32_on_the_way_to_bf16(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    location, read = find_base(small_student(tmp_path / "base")), list[str]()

    def load(*place: Any, dtype: str, **options: Any) -> Any:
        read.append(dtype)
        return load_whole_model(*place, dtype=dtype, **options)

    monkeypatch.setattr("stepdown.models.local.bases.load_whole_model", load)
    load_base(location, bf16=True)
    assert read == ["bfloat16"]


@pytest.mark.parametrize(
    ("asked", "found"),
    [({}, ("PASSIVE", "5000", "128")),
     ({"OMP_WAIT_POLICY": "active"}, ("active", None, "128")),
     ({"GOMP_SPINCOUNT": "9", "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "7"}, ("PASSIVE", "9", "7"))],
)  # fmt: skip
def test_how_threads_wait_and_how_much_code_is_kept_is_set_where_nobody_else_did(
    asked: dict[str, str], found: tuple[str | None, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "ONEDNN_PRIMITIVE_CACHE_CAPACITY")
    for name in names:
        # Set first, so that what is set meanwhile is taken back.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    for name, value in asked.items():
        monkeypatch.setenv(name, value)
    load_transformers()
    assert tuple(map(os.environ.get, names)) == found
