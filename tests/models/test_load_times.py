"""What is said of how long loading takes: what the last loads took, and not what one of them took beside other work."""

import json
from pathlib import Path

import pytest

from stepdown.models.local.load_times import expected_loading, note_loading

SOURCE = "abc/openvino-int8"


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of weights of 1.1 GB, and an empty cache."""
    monkeypatch.setenv("STEPDOWN_CACHE", str(tmp_path))
    (tmp_path / "models").mkdir()
    with (tmp_path / "w.gguf").open("wb") as file:
        file.truncate(1_117_320_768)
    return tmp_path / "w.gguf"


def said(weights: Path, *, made_ready: bool = False) -> str:
    return str(expected_loading("embedded/w", SOURCE, weights, made_ready=made_ready))


@pytest.mark.parametrize(
    ("took", "words"),
    [
        ((), "loading w, about 4 s"),
        ((17,), "loading w, about 4 s"),
        ((17, 4), "loading w, about 4 s"),
        ((17, 17), "loading w, about 17 s"),
        ((9, 9, 9, 9, 3, 3, 3), "loading w, about 3 s"),
    ],
)
def test_a_load_takes_what_most_of_the_last_ones_took(weights: Path, took: tuple[float, ...], words: str) -> None:
    for seconds in took:
        note_loading(expected_loading("embedded/w", SOURCE, weights, made_ready=False), SOURCE, seconds)
    assert said(weights) == words


def test_making_a_model_ready_is_another_time(weights: Path) -> None:
    made = expected_loading("embedded/w", SOURCE, weights, made_ready=True)
    for _ in range(2):
        note_loading(made, SOURCE, 60)
    assert said(weights) == "loading w, about 4 s"
    assert said(weights, made_ready=True) == "loading w, which is made ready for this machine once, about 60 s"


def test_times_of_earlier_versions_are_read_and_damaged_ones_are_nothing(weights: Path) -> None:
    file = weights.with_name("models") / "load_times.json"
    file.write_text(json.dumps({SOURCE: 5.0}))
    note_loading(expected_loading("embedded/w", SOURCE, weights, made_ready=False), SOURCE, 6.0)
    assert json.loads(file.read_text()) == {SOURCE: [5.0, 6.0]} and said(weights).endswith("about 5 s")
    file.write_text("[")
    assert said(weights).endswith("about 4 s")
