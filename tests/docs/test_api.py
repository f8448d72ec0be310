"""The page of the Python interface: it has every public name, and its examples print what they say."""

import doctest
import re
from pathlib import Path

import pytest

import stepdown
from places import ROOT
from stepdown.runner import RunOptions

PAGE = (ROOT / "docs" / "api.md").read_text("utf-8")
PARTS = re.split(r"^### `(\w+)`$", PAGE, flags=re.MULTILINE)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def examples(text: str) -> str:
    return "\n".join(re.findall(r"^```pycon\n(.*?)^```", text, re.MULTILINE | re.DOTALL))


def test_every_public_name_is_explained_once() -> None:
    assert sorted(PARTS[1::2]) == sorted(name for name in stepdown.__all__ if name[0] != "_")


@pytest.mark.parametrize(("name", "text"), list(zip(PARTS[1::2], PARTS[2::2], strict=True)))
def test_the_example_of_a_public_name_uses_it(name: str, text: str) -> None:
    assert re.search(rf"\b{name}\b", examples(text))


def test_every_option_of_a_run_is_named() -> None:
    part = PARTS[PARTS.index("run") + 1]
    assert [name for name in RunOptions.__annotations__ if not re.search(rf"`{name}`|\b{name}=", part)] == []


def test_every_example_prints_what_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STEPDOWN_STORE", str(tmp_path / "api.sqlite"))
    world: dict[str, object] = {}
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    for name, text in zip(["Python", *PARTS[1::2]], [PARTS[0], *PARTS[2::2]], strict=True):
        test = doctest.DocTestParser().get_doctest(examples(text), world, name, "docs/api.md", 0)
        runner.run(test, clear_globs=False)
        world.update(test.globs)
    assert runner.summarize(verbose=False).failed == 0
    assert runner.tries > 60
