"""`init` at a terminal asks until an answer can be; elsewhere it chooses; `run` or `study` takes what it writes."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from stepdown.cli import main
from stepdown.cli.study_file import FIRST
from stepdown.cli.verbs.study import StudyOptions
from stepdown.corpus import STUDIED
from terminal_session import TerminalSession

SET = {"corpus": "chains", "base": "smollm2-135m", "test": "wordsums", "chains": [1, 5], "seeds": 3}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    return tmp_path


def written(name: str) -> dict[str, Any]:
    return tomllib.loads(Path(name).read_text("utf-8"))


def fails(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["init", *words]) == 2 and not list(Path().glob("*.toml"))
    return capsys.readouterr().err


@pytest.mark.slow
def test_what_is_typed_is_written_enter_takes_what_stands_there_and_a_wrong_answer_is_asked_again(folder: Path) -> None:
    with TerminalSession(folder, "init") as shown:
        shown.type_at("run (models are prompted)", "\n")
        for answer in ("nosuch\n", "wordsums-2\n"):
            shown.type_at("data set", answer)
        for answer in ("cot, nomethod\n", "direct,cot\n"):
            shown.type_at("methods", answer)
        shown.type_at("student", "openai/gpt-4o-mini\n")
        for answer in ("-1\n", "1.5\n", "7\n"):
            shown.type_at("problems", answer)
        shown.type_at("budget", "\n")
        assert shown.ended() == 0 and shown.screen.count("error:") == 4 and "did you mean" not in shown.screen
    said = written("study.toml")
    assert (said["dataset"], said["method"], said["limit"], said["budget"]) == ("wordsums-2", ["direct", "cot"], 7, 1.0)


@pytest.mark.slow
def test_a_study_of_training_is_asked_for_too_and_ctrl_c_leaves_no_file(folder: Path) -> None:
    with TerminalSession(folder, "init") as shown:
        for answer in ("train\n", "study\n"):
            shown.type_at("run (models are prompted)", answer)
        shown.type_at("base", "\n")
        for answer in (".\n", "chains\n"):
            shown.type_at("corpus", answer)
        shown.type_at("tested on", "\n")
        shown.type_at("problems to test on", "30\n")
        for answer in ("one\n", "1, 0\n"):
            shown.type_at("chains per problem", answer)
        for answer in ("plan\n", "\n"):
            shown.type_at("what is learned", answer)
        shown.type_at("seeds", "\x03")
        assert (shown.ended(), list(folder.iterdir()), shown.screen.count("error:")) == (130, [], 4)
    assert "nothing was written" in shown.screen and "goes on" not in shown.screen


def test_a_study_of_training_is_what_study_takes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "--training", "--corpus", "chains", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed.items() >= SET.items() and printed["file"] == "training.toml"
    assert written("training.toml").items() >= {**SET, FIRST["study"][0]: "chains"}.items()
    assert main(["study", "training.toml"]) == 2
    assert "no corpus `chains`" in capsys.readouterr().err
    assert main(["run", "training.toml"]) == 2 and "`study`" in capsys.readouterr().err


def test_every_line_of_a_study_of_training_is_an_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "--training"]) == 0
    text = Path("training.toml").read_text("utf-8")
    for name in ("batch", "learning_rate", "prompts", "split", "temperature", "samples"):
        assert f"\n# {name} = " in text
        text = text.replace(f"\n# {name} = ", f"\n{name} = ")
    Path("training.toml").write_text(text)
    assert main(["study", "training.toml"]) == 2 and "no corpus" in capsys.readouterr().err
    Path("training.toml").write_text(text + "nosuch = 1\n")
    assert main(["study", "training.toml"]) == 2 and "there is no `nosuch`" in capsys.readouterr().err
    assert f"# of {', '.join(json.dumps(one) for one in STUDIED)}\n" in text
    assert {*written("training.toml")} & {*StudyOptions.__dataclass_fields__} >= {"base", "test", "out", "chains"}


@pytest.mark.parametrize("words", [(), ("--training", "--corpus", "my chains")])
def test_the_commands_that_a_study_names_can_be_typed(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    assert main(["init", "my study.toml", *words]) == 0
    commands = [line for line in Path("my study.toml").read_text("utf-8").splitlines() if "  stepdown " in line]
    assert commands and all(line.count("'my ") == line.count("my ") for line in commands)
    said = capsys.readouterr().err
    assert said.count("'my study.toml'") == said.count("my study.toml") - 1 > 0


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--training", "--student", "openai/x"), "`--student` would have no effect"),
        (("--corpus", "c"), "add --training"),
        (("--training", "--targets", "plan"), "there is no target of a study `plan`"),
        (("--training", "--test", "nosuch"), "there is no data set `nosuch`"),
        (("--training", "--seeds", "0"), "Must be >= 1"),
        (("--training", "--corpus", "."), "`.` is no corpus"),
        (("--dataset", "nosuch"), "there is no data set `nosuch`"),
        (("study.txt",), "name it `study.toml`"),
    ],
)
def test_what_cannot_be_in_a_study_is_refused_before_a_file_is_there(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], why: str
) -> None:
    assert why in fails(capsys, *words)
