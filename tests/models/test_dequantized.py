"""A GGUF file that is trained from: written once as a folder, which is read instead, the same to the last bit."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from small_students import small_student
from stepdown.errors import UsageError
from stepdown.models.local import bases, dequantized, find_base, load_base
from stepdown.models.local.dequantized import folder_of
from stepdown.training.students.folder import export_student

packages = ("torch", "transformers", "peft", "trl", "gguf", "openvino_genai", "altair", "vl_convert")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(not all(map(find_spec, packages)), reason="needs the extras `train` and `embedded`"),
]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gguf")
    return export_student(small_student(folder / "student"), folder / "small.gguf", kind="q8_0")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of its own, where no file is too small for a folder."""
    monkeypatch.setenv("STEPDOWN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(dequantized, "SMALL", 0)


def test_the_folder_is_the_file_to_the_last_bit_and_is_made_once(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    location = find_base(file)
    own, tokenizer = bases._load(location)
    for base in (load_base(location), load_base(location)):
        weights = base.model.state_dict()
        assert own.state_dict().keys() == weights.keys() and len(weights) > 10
        assert all(torch.equal(weight, weights[name]) for name, weight in own.state_dict().items())
        assert base.tokenizer("What is 12 + 30?\n é")["input_ids"] == tokenizer("What is 12 + 30?\n é")["input_ids"]
        assert (base.tokenizer.chat_template, base.model.name_or_path) == (tokenizer.chat_template, "")
    assert capsys.readouterr().err.count("made once") == 1


def test_a_folder_that_is_damaged_is_made_again(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    location = find_base(file)
    load_base(location)
    weights = folder_of(file) / "model.safetensors"
    before = weights.read_bytes()
    weights.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    load_base(location)
    assert weights.read_bytes() == before and "damaged" in capsys.readouterr().err


def test_where_there_is_no_room_the_file_itself_is_read(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dequantized, "ROOM", 1e15)
    assert load_base(find_base(file)).model.num_parameters() > 1000
    [*_, said] = capsys.readouterr().err.splitlines()
    assert not folder_of(file).exists() and said.startswith("the disk has `")
    assert "the file itself is read" in said and said.endswith(dequantized._HINT)


def test_a_small_file_is_read_as_it_is(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dequantized, "SMALL", file.stat().st_size + 1)
    load_base(find_base(file))
    assert not folder_of(file).exists()


def test_a_file_without_all_weights_of_its_architecture_is_refused_and_leaves_nothing(
    file: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.gguf"
    other.write_bytes(file.read_bytes().replace(b"llama", b"mamba"))
    with pytest.raises(UsageError, match="weights of its architecture are missing"):
        load_base(find_base(other))
    assert [one.suffix for one in folder_of(other).parent.iterdir()] == [".lock"]
