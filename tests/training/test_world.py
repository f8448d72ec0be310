"""Several processes train the student that one trains; what splits weights, or is counted otherwise, is refused."""

import gc
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from small_lessons import FAST, chains, logged, same_weights
from small_students import TRAINS
from stepdown.errors import UsageError
from stepdown.training import train
from stepdown.training.checkpoints import Checkpoints
from stepdown.training.packing import PackedDataset
from stepdown.training.world import ALONE, TIMEOUT, World, check_gpus, check_launcher, join_world, launched
from two_processes import TORCHRUN, begin_small, marked, marks, train_in_two, train_small

pytestmark = [pytest.mark.slow, *TRAINS]


@pytest.fixture(scope="module")
def together(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Students of two processes; `begun` was begun by one process, and `killed` is left under way by two."""
    folder = tmp_path_factory.mktemp("together")
    begin_small(base, folder / "begun", "lora")
    kinds = {"lora": "lora", "full": "full", "dpo": "dpo", "begun": "lora", "killed": "lora"}
    said = train_in_two(TORCHRUN, base, folder, kinds)
    assert marked(folder) == marks(kinds.keys() - {"killed"}, "Parameter"), said
    return folder


@pytest.mark.parametrize("name", ["lora", "full", "dpo"])
def test_two_processes_train_the_student_of_one(name: str, alone: Path, together: Path) -> None:
    one, two = (logged(folder / name / "log.jsonl") for folder in (alone, together))
    assert len(one) == FAST.steps and two == pytest.approx(one, abs=1e-5)
    assert logged(alone / name / "log.jsonl", "dev") == logged(together / name / "log.jsonl", "dev")
    assert logged(alone / name / "log.jsonl", "tokens") == logged(together / name / "log.jsonl", "tokens")
    assert same_weights(alone / name, together / name, apart=1e-2)


def test_two_processes_go_on_with_what_one_began(alone: Path, together: Path) -> None:
    whole = logged(alone / "lora" / "log.jsonl")
    assert logged(together / "begun" / "log.jsonl") == pytest.approx(whole, abs=1e-5)


def test_one_process_goes_on_with_what_two_began(base: Path, alone: Path, together: Path) -> None:
    begun = logged(together / ".killed.training" / "log.jsonl")
    train_small(base, together / "killed", "lora")
    whole = logged(alone / "lora" / "log.jsonl")
    assert begun and begun == pytest.approx(whole[: len(begun)], abs=1e-5)
    assert logged(together / "killed" / "log.jsonl") == pytest.approx(whole, abs=1e-5)


# --- who counts the processes


def test_figures_are_added_up_on_the_device_that_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    devices: list[str] = []
    monkeypatch.setattr("stepdown.training.world.device_of", lambda world: torch.device("meta"))
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda whole: devices.append(whole.device.type))
    with pytest.raises(RuntimeError, match="meta"):  # which has no numbers to give
        World(2, 0, cpu=False).total(3)
    assert devices == ["meta"] and ALONE.total(3) == 3


def test_without_a_launcher_there_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert launched() == 1 and join_world("fp32").size == 1


def test_a_group_smaller_than_the_launcher_says_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    # As if a GPU's group had been asked for where there is none: accelerate then says that it is alone.
    from accelerate import PartialState

    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr("stepdown.training.world.computes_on_cpu", lambda precision: False)
    assert PartialState().num_processes == 1
    with pytest.raises(UsageError, match="started `2` processes, and their group holds `1`"):
        join_world("fp32")


def test_a_group_waits_for_hours_while_its_first_process_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from accelerate.state import AcceleratorState

    asked: list[object] = []

    def refuse(*_: object, **options: object) -> None:
        asked.append(options.get("timeout"))
        raise InterruptedError

    monkeypatch.setattr(torch.distributed, "init_process_group", refuse)
    for name, value in (("WORLD_SIZE", "2"), ("LOCAL_WORLD_SIZE", "2"), ("RANK", "0"), ("LOCAL_RANK", "0")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    with pytest.raises(InterruptedError):
        join_world("fp32")
    AcceleratorState._reset_state(reset_partial_state=True)
    assert asked == [TIMEOUT] and TIMEOUT.total_seconds() > 3600


def test_a_process_that_does_not_see_the_checkpoint_is_told_of_a_shared_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    work, seen = Checkpoints(tmp_path / "x"), [1, 1]
    work.checkpoint(3).mkdir(parents=True)
    monkeypatch.setattr(torch.distributed, "all_gather_object", lambda values, own: values.__setitem__(slice(2), seen))
    work.check_seen([3], World(2, 0, cpu=True))
    work.check_seen([], World(2, 0, cpu=True))
    seen[1] = 0
    with pytest.raises(UsageError, match=r"not every process sees .*step-3") as refused:
        work.check_seen([3], World(2, 0, cpu=True))
    assert "disk that all machines share" in refused.value.hint


@pytest.mark.parametrize("name", ["ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED", "ACCELERATE_USE_MEGATRON_LM"])
def test_what_splits_the_weights_is_refused_by_name(
    name: str, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "true")
    with pytest.raises(UsageError, match=name):
        train(chains(), base=base, out=tmp_path / "x", training=FAST)
    monkeypatch.setenv(name, "false")
    check_launcher()


def test_alone_nothing_is_waited_for_or_agreed_on() -> None:
    ALONE.wait()
    assert ALONE.agree(7) == 7 and ALONE.is_first and not World(2, 1, True).is_first


def test_a_step_counted_for_another_number_of_processes_is_never_trained(base: Path, tmp_path: Path) -> None:
    from stepdown.models.local import find_base, load_base
    from stepdown.training.examples import Examples
    from stepdown.training.model_setup import order_of
    from stepdown.training.trainer import StudentTrainer, TrainerCallbacks

    loaded = load_base(find_base(base))
    found = Examples(loaded.tokenizer, FAST).read(chains())
    passes = PackedDataset(found, order_of(found, found.split(set())[0], FAST), 2)
    work, calls = Checkpoints(tmp_path / "x"), TrainerCallbacks(log=lambda row: None)
    with pytest.raises(AssertionError, match="World"):
        StudentTrainer(
            loaded.model, loaded.tokenizer, passes, FAST, checkpoints=work, calls=calls, world=World(2, 0, True)
        )


# --- one device, and its memory


def test_of_several_visible_gpus_a_process_takes_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from trl import SFTConfig

    from stepdown.training.trainer import on_one_device

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    config = SFTConfig(output_dir=str(tmp_path), bf16=False)
    assert config.n_gpu == 2
    assert on_one_device(config).n_gpu == 1


def test_what_is_odd_of_processes_and_devices_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from stepdown.training.loop import _device_notes

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *, including_emulation: including_emulation)
    auto = msgspec.structs.replace(FAST, precision="auto")
    [bf16, several] = _device_notes(World(1, 0, cpu=False), auto)
    assert "no instructions for bf16" in bf16
    assert several.startswith("one of 4 GPUs trains") and "torchrun --nproc_per_node 4" in several
    assert _device_notes(World(2, 0, cpu=True), auto) == ["2 processes share the rows of each step"]
    assert _device_notes(World(1, 0, cpu=True), auto) == []


@pytest.fixture
def no_collection() -> Iterator[None]:
    """Nothing but what the code itself collects is freed of what holds one another."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collection")
def test_a_student_is_freed_before_the_next_is_trained(base: Path, tmp_path: Path) -> None:
    from stepdown.training.trainer import StudentTrainer

    def alive() -> int:
        return sum(isinstance(one, StudentTrainer) for one in gc.get_objects())

    counted: list[tuple[int, int]] = []
    train(
        chains(), base=base, out=tmp_path / "x", seeds=2, training=msgspec.structs.replace(FAST, steps=2),
        progress=lambda told: counted.append((told.seed, alive())) if told.loss is not None else None,
    )  # fmt: skip
    assert counted == [(0, 1), (0, 1), (1, 1), (1, 1)] and alive() == 0


def test_libraries_that_scale_the_loss_themselves_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from trl import SFTTrainer

    from stepdown.training.trainer import check_scaling

    check_scaling()
    for one in SFTTrainer.__mro__:
        if "loss_is_scaled_for_ga" in vars(one):
            monkeypatch.delattr(one, "loss_is_scaled_for_ga")
    with pytest.raises(UsageError, match="divides a mean loss"):
        check_scaling()


def test_more_processes_than_gpus_are_refused_before_they_share_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    check_gpus(2)
    with pytest.raises(UsageError, match="`2` processes share `1` GPU,") as refused:
        check_gpus(1)
    assert "--nproc_per_node 1" in refused.value.hint
