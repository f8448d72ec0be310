"""A GGUF file in OpenVINO's own format: near the file's values, made once, and made again where it is damaged."""

import errno
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from stepdown.errors import FileError, UsageError
from stepdown.models.local.loading import choose_engine
from stepdown.models.weights import openvino_form
from stepdown.models.weights.genai import import_genai
from stepdown.models.weights.gguf import read_header
from stepdown.models.weights.made_once import MANIFEST, intact
from stepdown.models.weights.openvino_form import MODEL, converted
from stepdown.models.weights.openvino_tokenizers import small_tokenizer

extras = all(find_spec(package) for package in ("openvino_genai", "gguf"))
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not extras, reason="needs the extra `embedded`")]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_llama(tmp_path_factory.mktemp("gguf") / "small.gguf", "Q8_0")


@pytest.fixture(scope="module")
def made(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return convert(small, tmp_path_factory.mktemp("made"))


def convert(path: Path, folder: Path, form: str = "int8") -> Path:
    return converted(path, read_header(path), form, folder, import_genai())


def test_a_converted_model_says_nearly_what_the_file_says(small: Path, made: Path, tmp_path: Path) -> None:
    import numpy

    exact, whole = logits(raw(small, tmp_path)), logits(made)
    rough = logits(convert(small, tmp_path, "int4"))
    assert numpy.abs(exact).max() > 0.1
    assert 0 < numpy.abs(whole - exact).max() < numpy.abs(rough - exact).max() < 0.5 * numpy.abs(exact).max()


def test_the_same_file_gives_the_same_weights(small: Path, made: Path, tmp_path: Path) -> None:
    assert weights_of(convert(small, tmp_path)).read_bytes() == weights_of(made).read_bytes()


def test_a_file_is_left_as_it_is_whatever_its_name(small: Path, tmp_path: Path) -> None:
    copy = tmp_path / "tokenizer.gguf"
    copy.write_bytes(small.read_bytes())
    convert(copy, tmp_path)
    assert copy.read_bytes() == small.read_bytes()


def test_two_at_once_make_it_once(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda _: convert(small, tmp_path), range(2))
    assert one == other and intact(one)
    assert capsys.readouterr().err.count("made once") == 1


CONVERT = (
    "import sys; from pathlib import Path; from stepdown.models.local.openvino import import_genai\n"
    "from stepdown.models.weights.gguf import read_header\n"
    "from stepdown.models.weights.openvino_form import converted\n"
    "path, folder = map(Path, sys.argv[1:])\n"
    "converted(path, read_header(path), 'int8', folder, import_genai())"
)


def started(small: Path, folder: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", CONVERT, str(small), str(folder)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def test_what_a_killed_process_left_is_removed_by_those_who_make_it(small: Path, made: Path, tmp_path: Path) -> None:
    with started(small, tmp_path) as killed:
        while not list(tmp_path.glob(".*/raw")):
            assert killed.poll() is None, "it was killed in the middle"
        killed.kill()
    [left] = tmp_path.glob(".*")
    assert left.is_dir() and not (tmp_path / made.name).exists()
    with started(small, tmp_path) as one, started(small, tmp_path) as other:
        said = one.communicate()[1] + other.communicate()[1]
    assert one.returncode == other.returncode == 0 and said.count("made once") == 1
    assert intact(tmp_path / made.name) and sorted(
        path.suffix for path in tmp_path.iterdir() if path.name != made.name
    ) == [".lock"]


def test_another_version_of_the_converter_or_of_openvino_makes_its_own(
    small: Path, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvino_form, "CONVERTER", 0)
    older = convert(small, made.parent)
    monkeypatch.setattr(openvino_form, "version", lambda _: "2031.1")
    other = convert(small, made.parent)
    assert len({made, older, other}) == 3 and all(map(intact, (made, older, other)))


def test_a_model_that_is_there_needs_no_place_to_write(
    small: Path, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setenv("STEPDOWN_CACHE", str(tmp_path))
    for name in ("touch", "mkdir", "write_text"):
        monkeypatch.setattr(Path, name, refuse)
    assert convert(small, made.parent) == made
    with pytest.raises(FileError, match="Read-only file system"):
        convert(small, tmp_path / "elsewhere")


def test_a_damaged_model_is_noticed_and_made_again(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = convert(small, tmp_path)
    weights = weights_of(folder)
    before = weights.read_bytes()
    weights.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    assert not intact(folder)
    assert intact(convert(small, tmp_path)) and weights.read_bytes() == before
    assert "damaged" in capsys.readouterr().err


@pytest.mark.parametrize("manifest", [b"", b"{}", b'{"files":{}}', b"[" * 2000])
def test_a_folder_without_a_right_manifest_is_not_whole(manifest: bytes, tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_bytes(manifest)
    assert not intact(tmp_path)


def test_a_full_disk_is_said_with_the_way_out(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_form, "ROOM", 1e12)
    with pytest.raises(FileError, match=r"(?s)the disk is full.*openvino-gguf"):
        convert(small, tmp_path)
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]


def test_a_place_that_cannot_be_written_is_said_with_the_way_out(small: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match=r"(?s)cannot be written.*openvino-gguf"):
        convert(small, tmp_path / "file" / "converted")


def test_a_file_that_openvino_does_not_read_leaves_nothing(tmp_path: Path) -> None:
    path = write_llama(tmp_path / "odd.gguf", "Q8_0", architecture="mamba")
    with pytest.raises(UsageError, match=r"odd\.gguf"):
        convert(path, tmp_path / "to")
    assert [left.suffix for left in (tmp_path / "to").iterdir()] == [".lock"]


def test_quantized_weights_are_converted_and_others_stay_as_they_are(small: Path, tmp_path: Path) -> None:
    half = read_header(write_llama(tmp_path / "half.gguf", "F16"))
    assert choose_engine("", read_header(small)) == choose_engine("openvino", None) == "openvino-int8"
    assert choose_engine("", half) == "openvino" and choose_engine("openvino-int4", half) == "openvino"


def weights_of(folder: Path) -> Path:
    return (folder / MODEL).with_suffix(".bin")


def raw(path: Path, folder: Path) -> Path:
    """Return a folder with the model as OpenVINO reads it from the file."""
    genai, copy = import_genai(), openvino_form._linked(path, read_header(path), folder)
    openvino_form._read(copy, small_tokenizer(folder, genai), genai)
    return folder


def logits(folder: Path) -> Any:
    import numpy
    import openvino

    compiled = openvino.Core().compile_model(folder / MODEL, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    ids = numpy.arange(8)[None]
    given = {"input_ids": ids, "attention_mask": ids * 0 + 1, "position_ids": ids, "beam_idx": numpy.zeros(1, "int32")}
    return next(iter(compiled(given).values()))


def write_llama(path: Path, kind: str, *, architecture: str = "llama") -> Path:
    """Write a llama of one layer and random weights, its matrices of one kind."""
    import gguf
    import numpy

    words, width = 96, 128
    writer = gguf.GGUFWriter(path, architecture)
    settings: list[tuple[Any, Any]] = [
        (writer.add_context_length, 256), (writer.add_embedding_length, width), (writer.add_block_count, 1),
        (writer.add_feed_forward_length, 256), (writer.add_head_count, 4), (writer.add_head_count_kv, 4),
        (writer.add_layer_norm_rms_eps, 1e-5), (writer.add_rope_freq_base, 1e4), (writer.add_rope_dimension_count, 32),
        (writer.add_file_type, int(gguf.LlamaFileType.MOSTLY_Q8_0)), (writer.add_tokenizer_model, "gpt2"),
        (writer.add_tokenizer_pre, "default"), (writer.add_eos_token_id, 0), (writer.add_bos_token_id, 0),
    ]  # fmt: skip
    for add, value in settings:
        add(value)
    writer.add_token_list(["<end>", *(chr(33 + number) for number in range(93)), "ab", "cd"])
    writer.add_token_types([3] + [1] * (words - 1))
    writer.add_token_merges(["a b", "c d"])
    random = numpy.random.default_rng(0)
    shapes = {
        "attn_q": (width, width),
        "attn_k": (width, width),
        "attn_v": (width, width),
        "attn_output": (width, width),
    }
    shapes |= {"ffn_gate": (256, width), "ffn_up": (256, width), "ffn_down": (width, 256)}
    matrices = {"token_embd": (words, width), **{f"blk.0.{name}": shape for name, shape in shapes.items()}}
    coded = gguf.GGMLQuantizationType[kind]
    for name, shape in matrices.items():
        values = random.normal(0, 0.1, shape).astype(numpy.float32)
        writer.add_tensor(f"{name}.weight", gguf.quants.quantize(values, coded), raw_dtype=coded)
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        writer.add_tensor(f"{name}.weight", numpy.ones(width, numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
