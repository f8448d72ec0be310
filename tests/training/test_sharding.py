"""Two processes that split the weights (FSDP2) train the student of one; each goes on with what the other began."""

import os
from pathlib import Path

import pytest

from small_lessons import FAST, logged, same_weights
from small_students import TRAINS
from stepdown.errors import UsageError
from stepdown.training.sharding import is_sharded
from two_processes import SPLIT, begin_small, marked, marks, train_in_two, train_small

pytestmark = [pytest.mark.slow, *TRAINS]


@pytest.fixture(scope="module")
def split(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Students of two processes that split the weights; `begun` was begun by one, and `killed` is left under way."""
    folder = tmp_path_factory.mktemp("split")
    begin_small(base, folder / "begun", "full")
    kinds = {"lora": "lora", "full": "full", "dpo": "dpo", "bf16": "bf16", "begun": "full", "killed": "full"}
    said = train_in_two(SPLIT, base, folder, kinds)
    assert marked(folder) == marks(kinds.keys() - {"killed"}, "DTensor"), said
    return folder


@pytest.mark.parametrize("name", ["lora", "full", "dpo"])
def test_two_processes_that_split_the_weights_train_the_student_of_one(name: str, alone: Path, split: Path) -> None:
    one, two = (logged(folder / name / "log.jsonl") for folder in (alone, split))
    assert len(one) == FAST.steps and two == pytest.approx(one, abs=1e-4)
    assert logged(alone / name / "log.jsonl", "dev") == logged(split / name / "log.jsonl", "dev")
    assert same_weights(alone / name, split / name, apart=1e-2)


def test_weights_are_split_that_one_process_began_and_made_whole_by_one(base: Path, alone: Path, split: Path) -> None:
    whole = logged(alone / "full" / "log.jsonl")
    assert logged(split / "begun" / "log.jsonl") == pytest.approx(whole, abs=1e-4)
    begun = logged(split / ".killed.training" / "log.jsonl")
    train_small(base, split / "killed", "full")
    assert begun and logged(split / "killed" / "log.jsonl") == pytest.approx(whole, abs=1e-4)


def test_the_first_version_of_fsdp_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    monkeypatch.setenv("FSDP_VERSION", "2")
    monkeypatch.setenv("FSDP_CPU_RAM_EFFICIENT_LOADING", "true")
    assert is_sharded() and os.environ["FSDP_CPU_RAM_EFFICIENT_LOADING"] == "false"
    monkeypatch.setenv("FSDP_VERSION", "1")
    with pytest.raises(UsageError, match="first version"):
        is_sharded()
