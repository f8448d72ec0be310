"""A training that cannot fit is refused with its figures; one that runs out of memory goes on in smaller passes."""

import gc
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from weakref import ref

import msgspec
import pytest

from small_lessons import DPO, FAST, chains, examples, logged, pairs, same_weights
from small_students import TRAINS, small_model
from stepdown.errors import UsageError
from stepdown.training import Training, TrainingProgress, train
from stepdown.training.attention import use_block_diagonal_attention
from stepdown.training.memory import MOST, MemoryNeeds, check_longest, check_state, measure_needs
from stepdown.training.objectives.dpo import DirectPreferenceOptimization
from stepdown.training.objectives.sft import SupervisedFineTuning
from stepdown.training.packing import PackedDataset
from stepdown.training.world import World

pytestmark = [pytest.mark.slow, *TRAINS]
GB = 10**9
WHOLE = msgspec.structs.replace(FAST, tokens_per_pass=10_000)


def short_of_memory(monkeypatch: pytest.MonkeyPatch, objective: type, tokens: int, *, steps: range) -> list[int]:
    """Have an objective's passes run out of memory above so many tokens, as a device would; sizes that were tried."""
    import torch

    tried: list[int] = []
    loss = objective.loss  # type: ignore[attr-defined]

    def limited(self: Any, model: Any, batch: Any) -> Any:
        tried.append(batch["input_ids"].shape[1])
        found = loss(self, model, batch)
        if tried[-1] > tokens and len(tried) in steps:
            found.value.backward()  # what a pass has added to the gradients before it failed
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nMore.")
        return found

    monkeypatch.setattr(objective, "loss", limited)
    return tried


@pytest.fixture(scope="module")
def whole(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    [out] = train(chains(), base=base, out=tmp_path_factory.mktemp("whole") / "x", training=WHOLE)
    return out


@pytest.mark.parametrize("tokens", [150, 10_000])
def test_a_pass_that_is_out_of_memory_is_split_and_its_step_learned_once(
    tokens: int, base: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[TrainingProgress] = []
    tried = short_of_memory(monkeypatch, SupervisedFineTuning, 80, steps=range(3, 10_000))
    settings = msgspec.structs.replace(FAST, tokens_per_pass=tokens)
    [out] = train(chains(), base=base, out=tmp_path / "x", training=settings, progress=told.append)
    assert max(tried) > 80 >= max(tried[-8:])
    assert [one.words for one in told if "out of memory" in one.words]
    assert logged(out / "log.jsonl") == pytest.approx(logged(whole / "log.jsonl"), abs=1e-5)
    assert same_weights(out, whole, apart=1e-3)


def test_figures_of_a_pass_that_failed_are_not_counted_twice(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = msgspec.structs.replace(DPO, steps=2, evaluations=0, tokens_per_pass=10_000)
    [one] = train(pairs(), base=base, out=tmp_path / "one", training=short)
    short_of_memory(monkeypatch, DirectPreferenceOptimization, 200, steps=range(2, 10_000))
    [other] = train(pairs(), base=base, out=tmp_path / "other", training=short)
    for column in ("loss", "margin", "preferred"):
        first, second = (logged(folder / "log.jsonl", column) for folder in (one, other))
        assert first == pytest.approx(second, abs=1e-5)


def test_an_example_too_large_for_the_device_ends_with_a_way_out_and_can_go_on(
    base: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, pytest.raises(UsageError, match="smallest pass there is") as refused:
        short_of_memory(patch, SupervisedFineTuning, 1, steps=range(4, 10_000))
        train(chains(), base=base, out=tmp_path / "x", training=WHOLE)
    assert "--checkpointing" in refused.value.hint
    fewer = msgspec.structs.replace(WHOLE, tokens_per_pass=1024, checkpointing=True)
    [out] = train(chains(), base=base, out=tmp_path / "x", training=fewer)
    assert logged(out / "log.jsonl") == pytest.approx(logged(whole / "log.jsonl"), abs=1e-5)


def test_of_several_processes_each_is_told_to_begin_again_with_smaller_passes() -> None:
    import torch

    from stepdown.training.trainer import StudentTrainer

    whole = SimpleNamespace(examples_in=lambda batch: 4)
    one: Any = SimpleNamespace(training=FAST, world=World(2, 0, True), parts=1, dataset=whole)
    # 1,024, the usual, would stand for as many as fit: for those that did not.
    for tokens, fewer in ((2048, 1023), (3000, 1500)):
        with pytest.raises(UsageError, match="other processes") as refused:
            StudentTrainer._split_further(one, {"input_ids": torch.zeros(1, tokens)}, MemoryError("short"))
        assert f"--tokens-per-pass {fewer}`" in refused.value.hint


def test_out_of_memory_outside_of_a_pass_ends_with_a_way_out_and_can_go_on(
    base: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    def short(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nMore.")

    with monkeypatch.context() as patch, pytest.raises(UsageError, match=r"2\.00 GiB.*outside of the passes"):
        patch.setattr("stepdown.training.loop.score_dev", short)
        train(chains(), base=base, out=tmp_path / "x", training=WHOLE)
    [out] = train(chains(), base=base, out=tmp_path / "x", training=WHOLE)
    assert logged(out / "log.jsonl") == pytest.approx(logged(whole / "log.jsonl"), abs=1e-5)


# --- before the first step


def test_passes_take_what_is_free_on_a_gpu_and_1024_tokens_on_a_cpu() -> None:
    needs = MemoryNeeds(state=GB, each=1e6, longest=300)
    assert needs.tokens(80 * GB, device="cpu") == 1024
    assert needs.tokens(10 * GB, device="cuda") == 7 * 1024
    assert needs.tokens(80 * GB, device="cuda") == MOST
    assert needs.tokens(GB + 5 * 10**8, device="cuda") == 300


def test_what_cannot_fit_is_refused_with_figures_and_a_way_out() -> None:
    model = small_model()
    state = check_state(model, GB, bf16=False, moved=True)
    assert state == 12 * sum(one.numel() for one in model.parameters())
    assert check_state(model, GB, bf16=False, moved=True, parts=2) == state // 2
    weights = state // 3
    check_state(model, weights + state // 2, bf16=False, moved=True, parts=2)
    with pytest.raises(UsageError):
        check_state(model, weights + state // 2, bf16=False, moved=True)
    with pytest.raises(UsageError, match=r"needs `0\.0 GB` before its first pass") as refused:
        check_state(model, 100, bf16=True, moved=False)
    assert "--full" in refused.value.hint


def test_a_longest_example_that_cannot_fit_is_refused() -> None:
    needs = MemoryNeeds(state=GB, each=1e7, longest=8000)
    check_longest(needs, 82 * GB, checkpointing=False)
    with pytest.raises(UsageError, match=r"`8,000` tokens, which need `81\.0 GB`.*`80\.0 GB` are free") as refused:
        check_longest(needs, 80 * GB, checkpointing=False)
    assert refused.value.hint.startswith("`--checkpointing`")


def test_a_training_says_what_it_needs_before_the_first_step(base: Path, tmp_path: Path) -> None:
    told: list[TrainingProgress] = []
    short = Training(steps=1, batch=4, evaluations=0, precision="fp32")
    [out] = train(chains(), base=base, out=tmp_path / "x", training=short, progress=told.append)
    assert any(one.words.startswith("computes in fp32 on cpu, 1 pass of about 1,024 tokens") for one in told)
    # Neither changes what is learned, so neither makes it another training.
    other = msgspec.structs.replace(short, tokens_per_pass=20, checkpointing=True)
    assert train(chains(), base=base, out=out, training=other, progress=told.append) == [out]
    assert told[-1].words == f"`{out}` is there already"


def test_a_model_whose_needs_were_measured_is_freed(base: Path) -> None:
    model = small_model()
    use_block_diagonal_attention(model)
    packed = PackedDataset(examples(base, chains()), None, 1)
    measure_needs(model, (packed.lay([0]), packed.lay([0, 3, 6])), state=0, longest=50, checkpointing=False)
    weights = [ref(one) for one in model.parameters()]
    assert all(one() is not None for one in weights)
    del model
    gc.collect()
    assert not [one for one in weights if one() is not None]


@pytest.mark.parametrize("checkpointing", [False, True])
def test_what_a_token_keeps_is_measured_by_a_pass(checkpointing: bool, base: Path) -> None:
    found = examples(base, chains())
    model = small_model()
    use_block_diagonal_attention(model)
    packed = PackedDataset(found, None, 1)
    batches = packed.lay([0]), packed.lay([0, 3, 6])
    needs = measure_needs(model, batches, state=0, longest=50, checkpointing=checkpointing)
    # Two layers of 64 and 96 wide: some 2 x 15 x 64 numbers of 4 bytes, or of each layer its input and one whole layer.
    assert 1_500 < needs.each < 25_000
    assert needs.least == round(needs.each * 50)
