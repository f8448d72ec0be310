"""Files that strangers wrote, broken in every way at random but always the same: an error of ours, or a value."""

import json
import shutil
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any
from zipfile import ZipFile

import msgspec
import pytest

from small_students import small_model, small_student, small_tokenizer
from stepdown.cli.verbs.train import show_students
from stepdown.corpus import open_corpus
from stepdown.errors import StepdownError, UsageError
from stepdown.exchange import import_corpus, import_traces
from stepdown.models.local import find_base, load_base
from stepdown.models.local.llamacpp import _Draft
from stepdown.models.local.loading import load_student
from stepdown.models.local.special_tokens import special_words
from stepdown.models.local.transformers import TransformersEngine
from stepdown.models.prices import Prices
from stepdown.models.weights.gguf import SIZES, read_header
from stepdown.models.weights.student_readme import student_readme
from stepdown.models.weights.students import StudentCard, check_folder, check_safetensors, read_card
from stepdown.problems import load_problems
from stepdown.prompts import load_demonstrations, load_prompts
from stepdown.runner import load_plans
from stepdown.store import Store
from stepdown.text.safety import json_line
from stepdown.training.students.card_files import write_card
from stepdown.training.students.folder import export_student, write_student
from stepdown.untrusted import reading
from written_earlier import OLDEST

HOSTILE = (b"\xff" * 8, b"\x00" * 8, b"1e999", b"-1", b"null", b"[[[[", b"[" * 20_000, b'{"a":' * 5_000,
           b"\xed\xa0\x80", b"9" * 5_000, b'"', b"\r", b"\x1b]0;x\x07")  # fmt: skip


def broken(raw: bytes, random: Random) -> bytes:
    """Return bytes with some flipped, cut, doubled, or replaced by what breaks parsers."""
    body = bytearray(raw)
    for _ in range(random.choice((1, 1, 1, 2, 5))):
        # Headers stand at the beginning and footers at the end: most of what can go wrong does so there.
        at = random.choice((random.randrange(len(body) + 1), random.randrange(min(len(body), 600) + 1)))
        length = random.choice((0, 1, 4, 8, 40))
        how = random.randrange(5)
        if how == 0:
            body[at : at + 1] = bytes([random.randrange(256)])
        elif how == 1:
            body[at : at + length] = random.choice(HOSTILE)
        elif how == 2:
            del body[at : at + length]
        elif how == 3:
            body[at:at] = body[at : at + length]
        else:
            del body[at:]
    return bytes(body)


def corpus(folder: Path) -> None:
    for group in open_corpus(folder).groups():
        assert group


def problems(path: Path) -> None:
    load_problems(str(path)).check()


def traces(path: Path) -> None:
    with Store(path.parent / "s.sqlite") as store:
        import_traces(path, store=store)


def chains(path: Path) -> None:
    import_corpus(path, path.parent / "corpus", dataset="a/train", force=True)


def card(path: Path) -> None:
    found = read_card(path.parent)
    assert found is None or student_readme(found, has_curves=False)


DEMO = b'{"question": "1 + 1?", "chain": "1 and 1 is 2.", "answer": "2"}\n'
EARLIER = OLDEST.folder
PARTS = EARLIER / "kept" / "part-00000.parquet"


def inspect_log() -> bytes:
    """A log of Inspect with one sample, not packed, so that what is changed is its JSON too."""
    file, sample = BytesIO(), {"input": "1 + 1?", "target": "2", "scores": {"match": {"value": "C"}}}
    with ZipFile(file, "w") as archive:
        archive.writestr("header.json", '{"eval": {"task": "sums", "model": "openai/m"}}')
        archive.writestr("samples/1_epoch_1.json", json.dumps(sample))
    return file.getvalue()


READERS: dict[str, tuple[bytes, str, Callable[[Path], object], int]] = {
    "gguf": ((EARLIER / "student" / "model.gguf").read_bytes(), "a.gguf", read_header, 400),
    "gguf words": ((EARLIER / "student" / "model.gguf").read_bytes(), "a.gguf", special_words, 200),
    "safetensors": ((EARLIER / "student" / "model.safetensors").read_bytes(), "a.safetensors", check_safetensors, 300),
    "student card": ((EARLIER / "student" / "card.json").read_bytes(), "card.json", card, 200),
    "jsonl": ((EARLIER / "choices.jsonl").read_bytes() * 3, "a.jsonl", problems, 200),
    "json": (b"[" + DEMO + b"," + DEMO + b"]", "a.json", problems, 200),
    "csv": (b'question,answer\n"What, 1?",2\nWhat?,3\n', "a.csv", problems, 200),
    "tsv": (b"question\tanswer\nWhat?\t3\n", "a.tsv", problems, 100),
    "parquet": (PARTS.read_bytes(), "a.parquet", problems, 60),
    "traces csv": ((EARLIER / "traces.csv").read_bytes(), "a.csv", traces, 60),
    "traces jsonl": ((EARLIER / "traces.jsonl").read_bytes(), "a.jsonl", traces, 60),
    "inspect": (inspect_log(), "a.eval", traces, 40),
    "chains": ((EARLIER / "traces.jsonl").read_bytes(), "a.jsonl", chains, 40),
    "plans": ((EARLIER / "plans.jsonl").read_bytes(), "a.jsonl", lambda path: load_plans(str(path)), 200),
    "prompts toml": ((EARLIER / "mine.toml").read_bytes(), "a.toml", lambda path: load_prompts(str(path)), 200),
    "prompts json": (b'{"name": "x", "source": "", "direct": "{question}"}', "a.json",
                     lambda path: load_prompts(str(path)), 200),
    "demonstrations": (DEMO * 3, "a.jsonl", load_demonstrations, 200),
    "prices": (b'{"openai/gpt-4o": {"input": 2.5, "output": 10.0}}', "a.json", Prices, 200),
    "prices toml": (b'["openai/gpt-4o"]\ninput = 2.5\noutput = 10.0\n', "a.toml", Prices, 200),
}  # fmt: skip


@pytest.mark.parametrize("kind", READERS)
def test_a_broken_file_is_an_error_of_ours_or_a_value(kind: str, tmp_path: Path) -> None:
    whole, name, read, count = READERS[kind]
    random, refused = Random(kind), 0
    for number in range(count):
        folder = tmp_path / str(number % 20)
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(broken(whole, random))
        try:
            read(folder / name)
        except StepdownError as error:
            refused += 1
            assert error.what and "\x1b" not in error.what
    # The premise: the whole file is read, and enough of the broken ones are not.
    (tmp_path / name).write_bytes(whole)
    if kind not in {"json", "prompts json", "chains", "traces jsonl"}:
        read(tmp_path / name)
    assert refused > count // 10 or kind == "gguf words"


@pytest.mark.parametrize("name", ["card.json", "part-00000.parquet"])
def test_a_broken_corpus_is_an_error_of_ours_or_a_corpus(name: str, tmp_path: Path) -> None:
    random, refused = Random(name), 0
    whole = (EARLIER / "kept" / name).read_bytes()
    shutil.copytree(EARLIER / "kept", tmp_path / "kept")
    corpus(tmp_path / "kept")
    for _ in range(60):
        (tmp_path / "kept" / name).write_bytes(broken(whole, random))
        try:
            corpus(tmp_path / "kept")
        except StepdownError:
            refused += 1
    assert refused > 6


@pytest.mark.slow
@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json"])
def test_a_broken_model_folder_is_an_error_of_ours_or_a_model(name: str, tmp_path: Path) -> None:
    random, refused, loaded = Random(name), 0, 0
    whole = (EARLIER / "base" / name).read_bytes()
    for number in range(8):
        folder = tmp_path / str(number)
        shutil.copytree(EARLIER / "base", folder)
        (folder / name).write_bytes(broken(whole, random) if number else whole)
        try:
            load_student(str(folder), engine="transformers")
            TransformersEngine(folder).close()
            loaded += 1
        except StepdownError:
            refused += 1
    # transformers reads a generation_config.json that it does not understand as if it were not there.
    assert loaded and (refused or name == "generation_config.json")


@pytest.mark.parametrize("missing", [1, 100, 3_000, 20_000])
def test_a_gguf_file_that_is_cut_off_is_refused_before_an_engine_reads_it(missing: int, tmp_path: Path) -> None:
    whole = (EARLIER / "student" / "model.gguf").read_bytes()
    (tmp_path / "a.gguf").write_bytes(whole)
    assert read_header(tmp_path / "a.gguf").tensors
    (tmp_path / "a.gguf").write_bytes(whole[:-missing])
    with pytest.raises(UsageError, match="not a whole GGUF file"):
        read_header(tmp_path / "a.gguf")


def test_the_sizes_of_tensors_are_ggmls_own() -> None:
    gguf = pytest.importorskip("gguf")
    own = {kind: tuple(gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType(kind)]) for kind in SIZES}
    assert own == SIZES


# -- code of a stranger's

CODE = "import pathlib\npathlib.Path({mark!r}).write_text('ran')\nfrom transformers import LlamaConfig as Own\n"


@pytest.fixture
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model folder that brings code, and a terminal on which somebody has typed `y`."""
    folder = tmp_path / "model"
    shutil.copytree(EARLIER / "base", folder)
    (folder / "own.py").write_text(CODE.format(mark=str(tmp_path / "ran")))
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Own", "AutoModelForCausalLM": "own.Own"}}
    (folder / "config.json").write_text(json.dumps(config))
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("load", [lambda folder: load_base(find_base(folder)), TransformersEngine])
def test_code_in_a_model_folder_is_never_run(load: Callable[[Path], object], stranger: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="code of its own, which is never run"):
        load(stranger)
    assert not (tmp_path / "ran").exists()


def test_a_folder_that_leads_to_another_models_weights_is_refused(tmp_path: Path) -> None:
    shutil.copytree(EARLIER / "base", tmp_path / "model")
    (tmp_path / "model" / "adapter_config.json").write_text('{"base_model_name_or_path": "/elsewhere"}')
    with pytest.raises(UsageError, match="leads to another model's weights"):
        check_folder(tmp_path / "model")


# -- what is trained is kept


@pytest.mark.slow
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyError("x"), AssertionError()])
def test_a_student_is_kept_where_its_gguf_cannot_be_written(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("stepdown.training.students.folder.write_gguf", fail)
    folder = small_student(tmp_path / "x")
    found = read_card(folder)
    assert found is not None and found.gguf.startswith("writing it failed") and check_folder(folder)
    monkeypatch.undo()
    assert export_student(folder, folder / "model.gguf").exists()


def test_a_student_without_a_gguf_is_shown_with_the_command_that_makes_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(EARLIER / "student", tmp_path / "my student")
    found = read_card(tmp_path / "my student")
    assert found is not None
    write_card(tmp_path / "my student", msgspec.structs.replace(found, gguf="writing it failed: no space"))
    show_students([tmp_path / "my student"], as_json=False)
    said = capsys.readouterr().err
    assert "writing it failed: no space" in said and f"stepdown export '{tmp_path / 'my student'}' --to gguf" in said


def test_a_score_that_is_no_number_is_none() -> None:
    draft = _Draft(thinking=False)
    draft.add({"delta": {"content": "a"}, "logprobs": {"content": [{"logprob": -0.5}, {"logprob": None}]}})
    assert draft.close({}, 1, 0).logprob is None


@pytest.mark.slow
def test_a_student_is_kept_where_its_curves_cannot_be_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError("no picture")

    monkeypatch.setattr("stepdown.training.students.folder.draw_curves", fail)
    log = tmp_path / "log.jsonl"
    log.write_text('{"step": 1, "loss": 2.0}\n')
    card = StudentCard(base="small")
    folder = write_student(tmp_path / "x", small_model(), tokenizer=small_tokenizer(), card=card, log=log)
    found = read_card(folder)
    assert found is not None and any("drawing them failed" in note for note in found.notes)


# -- words


def test_json_holds_nothing_that_a_terminal_obeys_and_says_the_same() -> None:
    text = "".join(map(chr, [*range(0x20, 0x100), *range(0x2000, 0x2070), 0x61C, 0x10FFFF])) + "\n\x1b[31m"
    said = json_line({"text": text, "key\u202e": 1}).decode()
    assert json.loads(said) == {"text": text, "key\u202e": 1}
    marks = {*map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0)), *map(chr, range(0x2028, 0x202F)),
             *map(chr, range(0x2066, 0x206A)), "\u061c", "\u200e", "\u200f"}  # fmt: skip
    assert not marks & {*said} and len(marks & {*text}) > 40
    assert json_line("\x7f") == b'"\\u007f"' and msgspec.json.decode(json_line("\x7f")) == "\x7f"


def test_an_interruption_is_no_fault_of_a_file() -> None:
    with pytest.raises(KeyboardInterrupt), reading("x", "y"):
        raise KeyboardInterrupt


def test_a_panic_of_rust_is_an_error_of_ours() -> None:
    class PanicException(BaseException):
        pass

    with (
        pytest.raises(UsageError, match=r"cannot \(the index is out of range\)"),
        reading("cannot", "h"),
    ):
        raise PanicException("the index is out of range")


def test_what_a_parser_says_is_shown_in_one_line() -> None:
    def fail() -> Any:
        raise ValueError("\n\x1b[31mfirst\x07\nsecond")

    with pytest.raises(UsageError) as found, reading("cannot", "h"):
        fail()
    assert found.value.what == "cannot ([31mfirst)"
