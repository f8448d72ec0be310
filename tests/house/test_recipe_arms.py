"""What recipes that compare students share: nothing is mixed, and fresh chains cost no more than they may."""

import json
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

import stepdown as sd

RECIPES = Path(__file__).parents[2] / "recipes"
BOXES = [sd.Problem(f"boxes/train/{n}", f"Ann has {n} boxes of 5 pears. Pears?", str(5 * n)) for n in (3, 4, 6)]


def arms() -> Any:
    spec = spec_from_file_location("arms", RECIPES / "arms.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("recipe", ["mending", "on_policy"])
def test_a_recipe_goes_on_in_no_folder_of_other_settings(recipe: str, tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text(json.dumps({"COUNT": "12"}))
    done = subprocess.run(
        ["bash", str(RECIPES / f"{recipe}.sh"), "13", str(tmp_path)], capture_output=True, text=True,
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"},
    )  # fmt: skip
    assert done.returncode == 2 and "COUNT `12` and not `13`" in done.stderr
    assert [one.name for one in tmp_path.iterdir()] == ["settings.json"]


def test_equal_settings_go_on_and_a_folder_without_any_is_refused(tmp_path: Path) -> None:
    for _ in range(2):
        arms().settings(str(tmp_path / "new"), "COUNT=12")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "mended.json").write_text("{}")
    with pytest.raises(SystemExit):
        arms().settings(str(tmp_path / "old"), "COUNT=12")


def test_fresh_chains_are_of_a_runs_problems_and_within_the_tokens_all_first_draws_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEPDOWN_STORE", str(tmp_path / "fresh.sqlite"))
    run = sd.run(BOXES[:2], "direct", student=sd.ScriptedModel(["Answer: 1"] * 2), store=sd.open_store())
    teacher = sd.ScriptedModel(lambda messages, sampling, sample: f"Draw {sample}.\nAnswer: 15", version="1")
    arms().buy(run.id, teacher, "300", str(tmp_path / "fresh"), "0.7", "64")
    said = json.loads((tmp_path / "fresh.json").read_text())
    drawn, fresh = ([*sd.open_corpus(tmp_path / name)] for name in ("fresh-drawn", "fresh"))
    each = said["tokens"] // len(fresh)
    assert said["tokens"] <= 300 < said["tokens"] + each and said["tokens"] == each * len(fresh)
    assert len(drawn) > len(fresh) > 2 and {one.problem for one in fresh} == set(BOXES[:2])
    places = sorted((one.sample, one.problem.id) for one in drawn)
    assert sorted((one.sample, one.problem.id) for one in fresh) == places[: len(fresh)]


def test_an_arms_problems_are_those_that_every_run_graded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEPDOWN_STORE", str(tmp_path / "graded.sqlite"))
    runs = [
        sd.run(some, "direct", student=sd.ScriptedModel([f"Answer: {answer}"] * 3), store=sd.open_store()).id
        for some, answer in ((BOXES, 20), (BOXES[1:], 30))
    ]
    assert arms().right_answers({"one": runs[:1], "other": runs[1:]}) == {"one": [[1, 0]], "other": [[0, 1]]}
