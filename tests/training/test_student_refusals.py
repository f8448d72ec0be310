"""A student folder that is not what it should be is refused before its weights are read, with the reason."""

import json
import pickle
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from small_students import copied, small_student
from stepdown.errors import UsageError
from stepdown.models import load_model
from stepdown.models.local import find_base, load_base
from stepdown.models.local.transformers import TransformersEngine
from stepdown.models.weights.students import WEIGHTS

packages = ("torch", "transformers", "peft", "gguf", "openvino_genai", "altair", "vl_convert")
pytestmark = [
    pytest.mark.skipif(not all(map(find_spec, packages)), reason="needs the extras `train`, `embedded` and `report`"),
    # peft and transformers still call names that torch has deprecated.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield small_student(tmp_path_factory.mktemp("students") / "x")


def test_a_folder_of_seeds_names_its_students(folder: Path, tmp_path: Path) -> None:
    for seed in (0, 1):
        shutil.copytree(folder, tmp_path / "x" / f"seed-{seed}")
    with pytest.raises(UsageError, match="holds 2 students") as raised:
        load_model(str(tmp_path / "x"))
    assert "seed-0" in raised.value.hint and "seed-1" in raised.value.hint


def test_a_path_that_leads_nowhere_is_no_provider(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no student folder"):
        load_model(str(tmp_path / "nobody"))


def test_an_adapter_alone_and_an_empty_folder_are_no_models(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a model"):
        load_model(str(tmp_path))
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(UsageError, match="adapter without its base"):
        load_model(str(tmp_path))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_pickle_named_safetensors_is_refused_unread(protocol: int, folder: Path, tmp_path: Path) -> None:
    bad = copied(folder, tmp_path)
    (bad / WEIGHTS).write_bytes(pickle.dumps({"weight": list(range(50))}, protocol=protocol))
    with pytest.raises(UsageError, match="is a pickle with the name of safetensors"):
        load_model(str(bad))


def test_a_file_of_torch_named_safetensors_is_refused_unread(folder: Path, tmp_path: Path) -> None:
    import torch

    bad = copied(folder, tmp_path)
    torch.save({"weight": torch.zeros(3)}, bad / WEIGHTS)
    with pytest.raises(UsageError, match="is a pickle with the name of safetensors"):
        load_model(str(bad))


def test_weights_that_are_missing_pickled_or_cut_off_are_said(folder: Path, tmp_path: Path) -> None:
    bad = copied(folder, tmp_path)
    whole = (bad / WEIGHTS).read_bytes()
    for size, words in ((len(whole) - 5, "is cut off"), (40, "cut off in its header"), (3, "cut off in its header")):
        (bad / WEIGHTS).write_bytes(whole[:size])
        with pytest.raises(UsageError, match=words):
            load_model(str(bad))
    (bad / WEIGHTS).rename(bad / "pytorch_model.bin")
    with pytest.raises(UsageError, match=r"`pytorch_model\.bin` is a pickle"):
        load_model(str(bad))


def test_a_weight_that_is_missing_is_not_drawn_at_random(folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    bad = copied(folder, tmp_path)
    weights = load_file(bad / WEIGHTS)
    name = next(one for one in weights if "mlp" in one)
    save_file({key: weight for key, weight in weights.items() if key != name}, bad / WEIGHTS, {"format": "pt"})
    for load in (TransformersEngine, lambda path: load_base(find_base(path))):
        with pytest.raises(UsageError, match=f"weights of its architecture are missing: 1, such as {name}"):
            load(bad)


def test_a_missing_shard_and_a_broken_card_are_said(folder: Path, tmp_path: Path) -> None:
    bad = copied(folder, tmp_path)
    (bad / f"{WEIGHTS}.index.json").write_text(json.dumps({"weight_map": {"a": "model-00002-of-00002.safetensors"}}))
    with pytest.raises(UsageError, match="model-00002"):
        load_model(str(bad))
    (bad / f"{WEIGHTS}.index.json").unlink()
    (bad / "card.json").write_text('{"base": 3}')
    with pytest.raises(UsageError, match="not a student's card"):
        load_model(str(bad))
