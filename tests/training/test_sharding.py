"""Two processes that split the weights (FSDP2) train the student of one; each goes on with what the other began."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from places import SUPPORT
from small_lessons import FAST, FULL, chains, logged, same_weights
from small_students import TRAINS
from stepdown.errors import UsageError
from stepdown.training import TrainingProgress, train
from stepdown.training.sharding import is_sharded

pytestmark = [pytest.mark.slow, *TRAINS]
STOPPED = 4
SETTINGS = {"lora": FAST, "full": FULL, "begun": FULL, "killed": FULL}
CHILD = """
import os, sys
sys.path.insert(0, {support!r})
from small_lessons import FAST, FULL, chains
from stepdown.training import train
from stepdown.training.trainer import StudentTrainer
from pathlib import Path

folder, split = Path({folder!r}), set()
init = StudentTrainer.train
def seen(self, **options):
    found = init(self, **options)
    split.update(type(one).__name__ for one in self.model.parameters())
    return found
StudentTrainer.train = seen
def kill(told):
    if told.step == {stopped}:
        os.kill(os.getpid(), 9)
for name in ("lora", "full", "begun", "killed"):
    progress = kill if name == "killed" else None
    train(chains(), base={base!r}, out=folder / name, training=FAST if name == "lora" else FULL, progress=progress)
    rank = os.environ["RANK"]
    (folder / f"{{name}}-of-{{rank}}-{{'-'.join(sorted(split))}}").touch()
"""


def stop(told: TrainingProgress) -> None:
    if told.step == STOPPED:
        raise KeyboardInterrupt


@pytest.fixture(scope="module")
def alone(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alone")
    for name in ("lora", "full"):
        train(chains(), base=base, out=folder / name, training=SETTINGS[name])
    return folder


@pytest.fixture(scope="module")
def split(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Students of two processes that split the weights; `begun` was begun by one, and `killed` is left under way."""
    folder = tmp_path_factory.mktemp("split")
    with pytest.raises(KeyboardInterrupt):
        train(chains(), base=base, out=folder / "begun", training=FULL, progress=stop)
    script = folder / "child.py"
    script.write_text(CHILD.format(support=str(SUPPORT), folder=str(folder), base=str(base), stopped=STOPPED))
    launch = [*("--use_fsdp", "--fsdp_version", "2", "--num_processes", "2", "--num_machines", "1")]
    launch += ["--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0", str(script)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    done = subprocess.run(
        [sys.executable, "-m", "accelerate.commands.launch", *launch],
        capture_output=True, text=True, env=environment, timeout=300,
    )  # fmt: skip
    there = {path.name for path in folder.glob("*-of-*")}
    whole = {f"{name}-of-{rank}-DTensor" for name in ("lora", "full", "begun") for rank in (0, 1)}
    assert there == whole, done.stderr[-3000:]
    assert done.returncode != 0 and (folder / ".killed.training").exists() and not (folder / "killed").exists()
    return folder


@pytest.mark.parametrize("name", ["lora", "full"])
def test_two_processes_that_split_the_weights_train_the_student_of_one(name: str, alone: Path, split: Path) -> None:
    one, two = (logged(folder / name / "log.jsonl") for folder in (alone, split))
    assert len(one) == FAST.steps and two == pytest.approx(one, abs=1e-4)
    assert logged(alone / name / "log.jsonl", "dev") == logged(split / name / "log.jsonl", "dev")
    assert same_weights(alone / name, split / name, apart=1e-2)


def test_weights_are_split_that_one_process_began_and_made_whole_by_one(base: Path, alone: Path, split: Path) -> None:
    whole = logged(alone / "full" / "log.jsonl")
    assert logged(split / "begun" / "log.jsonl") == pytest.approx(whole, abs=1e-4)
    begun = logged(split / ".killed.training" / "log.jsonl")
    train(chains(), base=base, out=split / "killed", training=FULL)
    assert begun and logged(split / "killed" / "log.jsonl") == pytest.approx(whole, abs=1e-4)


def test_the_first_version_of_fsdp_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    monkeypatch.setenv("FSDP_VERSION", "2")
    monkeypatch.setenv("FSDP_CPU_RAM_EFFICIENT_LOADING", "true")
    assert is_sharded() and os.environ["FSDP_CPU_RAM_EFFICIENT_LOADING"] == "false"
    monkeypatch.setenv("FSDP_VERSION", "1")
    with pytest.raises(UsageError, match="first version"):
        is_sharded()
