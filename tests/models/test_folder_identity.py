"""What a model folder says beside its weights, and what it is run on, is part of a call's and a training's identity."""

import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from small_lessons import FAST, chains, write_base
from stepdown.models.local import find_base, load_base
from stepdown.models.local.loading import load_student
from stepdown.models.local.places import stored_dtype
from stepdown.models.weights.cache import known_hash, remember_hash
from stepdown.models.weights.folder_identity import device, identity_settings
from stepdown.training.datasets import prepare_datasets
from written_earlier import OLDEST


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The student of 0.1.0, as a model folder without a card."""
    shutil.copytree(OLDEST.folder / "student", tmp_path / "x")
    (tmp_path / "x" / "card.json").unlink()
    return tmp_path / "x"


def source(folder: Path) -> str:
    return load_student(str(folder), engine="transformers").capabilities.source or ""


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("generation_config.json", {"eos_token_id": [2, 0]}),
    ("generation_config.json", {"eos_token_id": 0}),
    ("tokenizer_config.json", {"eos_token": "<|endoftext|>"}),
    ("tokenizer_config.json", {"bos_token": {"content": "<|im_end|>"}}),
    ("tokenizer_config.json", {"chat_template": "{{ messages[0]['content'] }}"}),
    ("tokenizer_config.json", {"add_bos_token": True}),
    ("config.json", {"rope_theta": 1.0}),
]


@pytest.mark.parametrize(("name", "values"), CHANGES, ids=[f"{name} {next(iter(values))}" for name, values in CHANGES])
def test_a_changed_word_beside_the_weights_is_another_source(name: str, values: dict[str, Any], folder: Path) -> None:
    before = source(folder)
    change(folder / name, **values)
    assert source(folder) != before


def test_what_agrees_with_the_config_is_said_already(folder: Path) -> None:
    before = source(folder)
    assert identity_settings(folder) == [] and before == "7d4e2ff2ba9de348/transformers"
    change(folder / "generation_config.json", eos_token_id=[2], transformers_version="9")
    change(folder / "tokenizer_config.json", model_max_length=5, eos_token={"content": "<|im_end|>"})
    (folder / "README.md").write_text("another text")
    assert source(folder) == before


def test_a_folder_without_tokenizer_json_is_known_by_its_vocabulary(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.json").write_text("{}")
    before = source(folder)
    (folder / "vocab.json").write_text('{"a": 1}')
    assert source(folder) != before


def test_who_reads_a_hash_that_is_written_anew_reads_a_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEPDOWN_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "weights"
    file.write_bytes(b"x")
    digest = known_hash(file)
    [note] = (tmp_path / "cache" / "models" / "hashes").iterdir()
    with note.open() as reader:
        remember_hash(file, "1" * 64)
        assert reader.read() == digest
    assert known_hash(file) == "1" * 64 and list(note.parent.iterdir()) == [note]


def test_a_graphics_card_is_another_source(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert device() == ""
    here = source(folder)
    monkeypatch.setattr("stepdown.models.local.places.device", lambda: "cuda")
    assert source(folder) == f"{here}/cuda/float16"
    (folder / "config.json").write_text(json.dumps({"torch_dtype": "float32"}))
    assert source(folder).endswith("/transformers/cuda/float32")


def test_the_dtype_of_weights_is_that_of_the_config_or_else_their_own(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    assert (config["dtype"], stored_dtype(folder)) == ("float16", "float16")
    change(folder / "config.json", dtype="bfloat16")
    assert stored_dtype(folder) == "bfloat16"
    change(folder / "config.json", dtype=None)
    assert stored_dtype(folder) == "float16"


@pytest.mark.slow
def test_another_config_of_the_base_is_another_training(tmp_path: Path) -> None:
    training = msgspec.structs.replace(FAST, evaluations=0)
    base = write_base(tmp_path / "base")

    def identities() -> tuple[str, str]:
        one = next(prepare_datasets(chains(6, 1), load_base(find_base(base)), training, None, lambda _: None))
        return one.identity, one.earlier_identities[0]

    before = identities()
    change(base / "config.json", rms_norm_eps=0.1)
    after = identities()
    assert before[0] != after[0] and before[1] == after[1]
