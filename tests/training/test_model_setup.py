"""In bf16 LoRA's base is frozen in bf16, its adapter learned and merged in fp32; a student keeps its base's dtype."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from small_lessons import FAST, chain, chains, logged, weights
from small_students import TRAINS, small_model, small_tokenizer
from stepdown.errors import UsageError
from stepdown.models.local import find_base, load_base
from stepdown.models.weights.students import read_card
from stepdown.training import train
from stepdown.training.attention import LONG
from stepdown.training.evaluation import DevSet
from stepdown.training.logits import target_losses
from stepdown.training.memory import MemoryNeeds, measure_needs
from stepdown.training.model_setup import adapted
from stepdown.training.precision import computing, runs_in_bf16
from stepdown.training.writing import rows_that_fit, write_greedily

pytestmark = [pytest.mark.slow, *TRAINS]
BF16 = msgspec.structs.replace(FAST, precision="bf16", steps=3, evaluations=1)


def dtypes(model: Any, *, learned: bool) -> set[str]:
    return {str(one.dtype).removeprefix("torch.") for one in model.parameters() if one.requires_grad == learned}


def test_a_frozen_base_is_in_bf16_its_adapter_in_fp32_and_positions_as_they_were(base: Path) -> None:
    import torch

    model = adapted(load_base(find_base(base)).model, BF16)
    assert (dtypes(model, learned=False), dtypes(model, learned=True)) == ({"bfloat16"}, {"float32"})
    assert {str(one.dtype) for one in model.buffers() if one.is_floating_point()} == {"torch.float32"}
    with computing(model, BF16):
        logits = model(input_ids=torch.tensor([[5, 6, 7]])).logits
    assert logits.dtype == torch.bfloat16
    whole = adapted(load_base(find_base(base)).model, msgspec.structs.replace(BF16, full=True))
    assert dtypes(whole, learned=True) == {"float32"}


def test_a_student_learned_in_bf16_is_its_base_and_adapter_merged_in_fp32(base: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    [out] = train(chains(), base=base, out=tmp_path / "x", training=BF16)
    card = read_card(out)
    assert card is not None and not any("keep packed rows apart" in note for note in card.notes)
    name, scale = "model.layers.0.mlp.up_proj", BF16.alpha / BF16.rank
    adapter = load_file(out / "adapter" / "adapter_model.safetensors")
    down, up = (adapter[f"base_model.model.{name}.lora_{part}.weight"].float() for part in "AB")
    before = load_base(find_base(base)).model.state_dict()[f"{name}.weight"]
    assert float(up.abs().max()) > 0
    merged = (before + scale * up @ down).half()
    assert torch.allclose(weights(out)[f"{name}.weight"].float(), merged.float(), atol=1e-6)


def test_losses_in_bf16_are_near_those_in_fp32(base: Path, tmp_path: Path) -> None:
    found = [
        logged(train(chains(), base=base, out=tmp_path / one, training=msgspec.structs.replace(BF16, precision=one))[0]
               / "log.jsonl") for one in ("fp32", "bf16")
    ]  # fmt: skip
    assert found[0] == pytest.approx(found[1], rel=0.03) and found[0] != found[1]


def test_a_base_in_bf16_has_students_in_bf16_and_model_gguf_from_them(tmp_path: Path) -> None:
    from gguf import GGUFReader

    small_model().bfloat16().save_pretrained(tmp_path / "base")
    small_tokenizer().save_pretrained(tmp_path / "base")
    one_step = msgspec.structs.replace(FAST, steps=1, evaluations=0)
    [out] = train(chains(), base=tmp_path / "base", out=tmp_path / "x", training=one_step)
    card = read_card(out)
    assert card is not None and (card.dtype, card.gguf) == ("bfloat16", "")
    assert {str(one.dtype) for one in weights(out).values()} == {"torch.bfloat16"}
    assert {int(one.tensor_type) for one in GGUFReader(out / "model.gguf").tensors} == {0, 1}


def test_a_base_in_fp32_has_students_in_float16_as_ever(base: Path, tmp_path: Path) -> None:
    one_step = msgspec.structs.replace(FAST, steps=1, evaluations=0)
    [out] = train(chains(), base=base, out=tmp_path / "x", training=one_step)
    assert {str(one.dtype) for one in weights(out).values()} == {"torch.float16"}


def test_bf16_that_a_gpu_would_emulate_is_never_chosen_and_refused_where_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation)
    assert not runs_in_bf16("auto") and not runs_in_bf16("fp32")
    with pytest.raises(UsageError, match="no instructions for bf16"):
        runs_in_bf16("bf16")


def test_a_gpu_that_is_told_to_rest_has_no_say_in_the_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: False)
    for able in (True, False):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True, able=able: able)
        assert not runs_in_bf16("auto") and runs_in_bf16("bf16")


@pytest.mark.parametrize(("amx", "avx", "chosen"), [(False, False, False), (True, False, True), (False, True, True)])
def test_a_processor_computes_in_bf16_where_it_has_instructions_for_it(
    amx: bool, avx: bool, chosen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx)
    assert runs_in_bf16("auto") is chosen and runs_in_bf16("bf16") and not runs_in_bf16("fp32")


# --- memory


def bytes_kept(model: Any, batch: Any) -> int:
    """What a pass keeps for its gradients but for weights, logits among them."""
    import torch

    weights, kept = {one.untyped_storage().data_ptr() for one in model.parameters()}, dict[int, int]()

    def note(saved: Any) -> Any:
        storage = saved.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return saved.detach()

    with torch.autograd.graph.saved_tensors_hooks(note, lambda saved: saved):
        target_losses(model, batch)
    return sum(kept.values())


def test_what_the_longest_row_needs_is_measured_with_its_scores(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[tuple[int, int, int]] = []

    def noted(model: Any, batches: Any, **options: Any) -> MemoryNeeds:
        needs, (_, second) = measure_needs(model, batches, **options), batches
        found = needs.of(second["input_ids"].shape[1]) - needs.state
        measured.append((needs.longest, found, bytes_kept(model, second)))
        return needs

    monkeypatch.setattr("stepdown.training.model_setup.measure_needs", noted)
    training = msgspec.structs.replace(BF16, steps=1, batch=5, evaluations=0)
    train([*chains(4, 2), chain(5, 110)], base=base, out=tmp_path / "x", training=training)
    assert [700 < longest <= LONG for longest, _, _ in measured] == [True, True]
    for _, needed, kept in measured:
        assert needed == pytest.approx(kept, rel=0.1)
    assert measured[1][1] > 20 * measured[0][1]


# --- dev problems


def test_dev_answers_are_those_of_transformers_whatever_shares_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    model, end = small_model(), 2
    prompts = [[5, 6, 7, 8], [9], [30, 31], [40, 41, 42]]
    alone = [
        model.generate(torch.tensor([one]), attention_mask=torch.ones(1, len(one), dtype=torch.long), do_sample=False,
                       max_new_tokens=12, eos_token_id=end, pad_token_id=0)[0, len(one):].tolist() for one in prompts
    ]  # fmt: skip
    wanted = [one[: one.index(end)] if end in one else one for one in alone]
    assert write_greedily(model, prompts, longest=12, end=end) == wanted
    monkeypatch.setattr("stepdown.training.writing.rows_that_fit", lambda *_: 3)
    assert write_greedily(model, prompts, longest=12, end=end) == wanted


def test_a_row_that_has_ended_leaves_and_too_wide_a_batch_is_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    model, widths = small_model(), list[int]()
    forward = model.forward

    def limited(*, input_ids: Any, **options: Any) -> Any:
        widths.append(len(input_ids))
        if len(input_ids) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return forward(input_ids=input_ids, **options)

    limited.__signature__ = __import__("inspect").signature(forward)  # type: ignore[attr-defined]
    monkeypatch.setattr(model, "forward", limited)
    end = write_greedily(model, [[5]], longest=2, end=-1)[0][1]
    widths.clear()
    texts = write_greedily(model, [[5], [6], [7], [8]], longest=6, end=end)
    assert len(texts[0]) == 1 and len(texts) == 4
    assert widths[:2] == [4, 2] and 1 in widths[2:]
    # Where other processes write the same rows, none goes on by itself.
    with pytest.raises(torch.OutOfMemoryError):
        write_greedily(model, [[5], [6], [7], [8]], longest=6, end=end, fit=lambda width: width)


def test_as_many_rows_are_written_as_their_keys_and_values_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stepdown.training.writing.free_memory", lambda device: 2 * 100 * 10 * 512)
    # Two layers, two heads of 16, keys and values of 4 bytes: 512 bytes a token.
    assert [rows_that_fit(small_model(), 10, most) for most in (500, 7)] == [100, 7]


def test_processes_share_the_dev_problems() -> None:
    from small_lessons import chain

    dev = DevSet(tuple(chain(n).problem for n in range(5)), tuple([1] * (9 - n) for n in range(5)), 4)
    parts = [dev.share(rank, 2) for rank in (0, 1)]
    assert [len(one.problems) for one in parts] == [3, 2]
    assert sorted(p.id for one in parts for p in one.problems) == sorted(p.id for p in dev.problems)
    assert all(
        len(q) == 9 - int(p.id.split("/")[1]) for one in parts for p, q in zip(one.problems, one.prompts, strict=True)
    )
