"""What cannot teach, or cannot be a base, is refused before the first step, with numbers and a way out."""

import pickle
from pathlib import Path
from typing import Any

import msgspec
import pytest

from small_lessons import FAST, chain, chains, examples
from small_students import TRAINS, small_model, small_tokenizer
from stepdown.errors import EndpointRefused, UnknownName, UsageError
from stepdown.models.local import find_base, load_base
from stepdown.training import Training, train
from stepdown.training.examples import Examples
from stepdown.types import Chain, Grade

pytestmark = TRAINS


@pytest.mark.parametrize(
    ("some", "training", "words"),
    [
        ([], FAST, "the corpus is empty"),
        ([chain(n, found="") for n in range(3)] + chains(), FAST, "3 of 75 .4.0%. chains have no answer"),
        (chains(), msgspec.structs.replace(FAST, max_length=40), "longer than 40 tokens"),
        ([chain(n, choice="B") for n in range(9)], FAST, "all 9 chains of choice problems have the label `B`"),
    ],
)
def test_a_corpus_that_cannot_teach_is_refused_with_its_numbers(
    some: list[Chain], training: Training, words: str, base: Path, tmp_path: Path
) -> None:
    if "no answer" in words:
        some = [msgspec.structs.replace(one, grade=Grade("wrong")) if not one.grade.found else one for one in some]
    with pytest.raises(UsageError, match=words):
        train(some, base=base, out=tmp_path / "x", training=training)
    assert list(tmp_path.iterdir()) == []


def test_a_template_that_asks_otherwise_in_evaluation_is_refused(base: Path, tmp_path: Path) -> None:
    small_model().save_pretrained(tmp_path / "odd")
    odd = "{% for m in messages %}{{ m['content'] }}{{ messages|length }}\n{% endfor %}"
    small_tokenizer(template=odd).save_pretrained(tmp_path / "odd")
    with pytest.raises(UsageError, match=r"24 of 24 .* asked in other tokens"):
        train(chains(), base=tmp_path / "odd", out=tmp_path / "x", training=FAST)
    assert not (tmp_path / "x").exists()


def test_what_is_allowed_is_no_longer_refused(base: Path) -> None:
    from stepdown.training.checks import check_corpus

    some = [chain(number, choice="B") for number in range(9)]
    line = check_corpus(examples(base, some).survey, 9, msgspec.structs.replace(FAST, allow=("one-class",)))
    assert "labels B 100%" in line


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"target": "chian"}, UnknownName),
        ({"visits": "all"}, UnknownName),
        ({"allow": ("everything",)}, UnknownName),
        ({"precision": "fp8"}, UnknownName),
        ({"steps": 0}, UsageError),
        ({"learning_rate": -1.0}, UsageError),
        ({"dropout": -0.1}, UsageError),
        ({"seed": 2**31}, UsageError),
    ],
)
def test_settings_that_train_nothing_are_refused(changed: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        train(chains(), base="nowhere", out="nowhere", training=msgspec.structs.replace(FAST, **changed))


def test_a_pickle_is_no_base_whatever_its_name(base: Path, tmp_path: Path) -> None:
    for name in ("pytorch_model.bin", "model.safetensors"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.json").write_bytes((base / "config.json").read_bytes())
        (folder / name).write_bytes(pickle.dumps({"weights": [0.0]}))
        with pytest.raises(UsageError, match="pickle"):
            train(chains(), base=folder, out=tmp_path / "x", training=FAST)


@pytest.mark.slow
def test_a_hub_name_out_of_reach_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(EndpointRefused, match="`nobody/nothing` is not in the cache") as refused:
        load_base(find_base("nobody/nothing"))
    assert "`smollm2-135m`" in refused.value.hint


@pytest.mark.slow
def test_a_base_without_a_template_gets_the_plain_one_and_says_so(tmp_path: Path) -> None:
    small_model().save_pretrained(tmp_path)
    small_tokenizer(template=None).save_pretrained(tmp_path)
    loaded = load_base(find_base(tmp_path))
    found = Examples(loaded.tokenizer, FAST).read([chain(3)])
    assert loaded.tokenizer.decode(found.prompts[0]) == "What is 3 plus 3?\n"
    assert "no chat template" in loaded.notes[0]
    assert found.survey.template == 0
