"""What was made of weights is listed with what it takes of the disk, and what no installed version reads is removed."""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from stepdown.cli import main
from stepdown.files import locked, replacing_folder
from stepdown.models.local import made_forms, remove_forms

_READ = f"m-0123456789abcdef-float32-1-{version('msgspec')}"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The forms of a model: one that is read here, one of another version, a copy, and one that is being made."""
    monkeypatch.setenv("STEPDOWN_CACHE", str(tmp_path))
    # Whatever is installed beside the tests: a version of it is there.
    monkeypatch.setattr(sys.modules[made_forms.__module__], "version", lambda package: version("msgspec"))
    made = tmp_path / "models" / "converted"
    for name in (_READ, "m-0123456789abcdef-float32-1-0.0.1", "m-0123456789abcdef-int8-1-0.0.1"):
        (made / name).mkdir(parents=True)
        (made / name / "model.bin").write_bytes(bytes(1000))
        (made / f"{name}.lock").touch()
    (made / "m-0123456789abcdef.gguf").write_bytes(bytes(10))
    (tmp_path / "models" / "m.gguf").write_bytes(b"weights")
    return made


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.suffix != ".lock"}


def test_forms_of_other_versions_are_told_from_those_that_are_read(folder: Path) -> None:
    assert [(one.path.name, one.bytes, one.read) for one in made_forms()] == [
        ("m-0123456789abcdef-float32-1-0.0.1", 1000, False),
        (_READ, 1000, True),
        ("m-0123456789abcdef-int8-1-0.0.1", 1000, False),
        ("m-0123456789abcdef.gguf", 10, True),
    ]


def test_tidy_removes_what_is_not_read_and_all_of_it_where_asked(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "tidy", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sum(row["bytes"] for row in rows if row["removed"]) == 2000
    assert names(folder) == {_READ, "m-0123456789abcdef.gguf"}
    assert main(["models", "tidy"]) == 0
    assert "removed 0.00 of" in capsys.readouterr().out
    assert main(["models", "tidy", "--all"]) == 0
    assert list(folder.iterdir()) == [] and (folder.parent / "m.gguf").read_bytes() == b"weights"


def test_what_another_process_is_making_is_left(folder: Path) -> None:
    name = "m-0123456789abcdef-int8-1-0.0.1"
    with locked(folder / f"{name}.lock", "held"), replacing_folder(folder / "n-int8-1-0.0.1") as begun:
        copy = folder / "n-0123456789abcdef.gguf.1-1.part"
        copy.touch()
        assert begun.parent == folder
        remove_forms(made_forms())
        assert names(folder) == {name, begun.name, copy.name}


def test_a_machine_that_has_made_nothing_has_nothing_to_tidy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STEPDOWN_CACHE", str(tmp_path))
    assert made_forms() == [] and main(["models", "tidy", "--json"]) == 0
    assert capsys.readouterr().out == ""
