"""Study files: what `init` writes `run` takes, options go before it, and what is wrong in one is said with its line."""

import json
import tomllib
from pathlib import Path

import pytest

from stepdown.cli import main

SETTINGS = {"dataset": "sums.jsonl", "method": ["direct"], "student": ["openai/student"]}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with another in it, which holds a file of problems."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    (tmp_path / "inner").mkdir()
    rows = ({"question": f"{n} + 1?", "answer": str(n + 1)} for n in range(3))
    (tmp_path / "inner" / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def write(name: str, **values: object) -> str:
    """Write a study file, a line for each key after one comment, and return its path."""
    lines = (f"{key} = {json.dumps(value)}\n" for key, value in {**SETTINGS, **values}.items() if value is not None)
    Path(name).write_text("# a study\n" + "".join(lines))
    return name


def estimated(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, object]]:
    """Return the runs that a command would make, and their calls."""
    capsys.readouterr()
    assert main(["run", *words, "--estimate", "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_what_init_writes_is_what_run_takes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "--student", "openai/student", "--teacher", "openai/gpt-4o"]) == 0
    said = tomllib.loads(Path("study.toml").read_text())
    assert (said["dataset"], said["student"], said["budget"]) == ("wordsums", ["openai/student"], 1.0)
    assert len(estimated(capsys, "study.toml")) == 4
    assert main(["init"]) == 2 and "already" in capsys.readouterr().err
    assert main(["init", "--force", "--method", "cot"]) == 0


def test_every_line_that_init_writes_as_a_comment_is_an_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "--student", "openai/student", "--method", "tot", "--teacher", "openai/gpt-4o"]) == 0
    text = Path("study.toml").read_text()
    opened = text.replace("\n# split", "\nsplit").replace("\n# plans", "\nplans").replace("\n# control", "\ncontrol")
    opened = opened.replace("\n# seed", "\nseed").replace("\n# problems_seed", "\nproblems_seed")
    assert len(tomllib.loads(opened)) == len(tomllib.loads(text)) + 5
    Path("study.toml").write_text(opened)
    assert estimated(capsys, "study.toml")


def test_a_path_in_the_file_is_one_from_its_folder(capsys: pytest.CaptureFixture[str]) -> None:
    [one] = estimated(capsys, write("inner/study.toml"))
    assert one["calls"] == 3


def test_an_option_goes_before_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    [one] = estimated(capsys, write("inner/study.toml", limit=3), "-n", "2")
    assert one["calls"] == 2


def test_what_another_method_makes_moot_is_left_aside_and_refused_where_it_is_the_files_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    planned = write("inner/s.toml", method=["trace-of-thought"], teacher=["openai/gpt-4o"])
    [row] = estimated(capsys, planned, "--method", "direct")
    assert row["method"] == "direct" and row["calls"] == 3
    own = write("inner/own.toml", teacher=["openai/gpt-4o"])
    assert main(["run", own, "--estimate"]) == 2 and main(["run", own, "--limit", "2", "--estimate"]) == 2
    assert "`--teacher` would have no effect (set in `inner/own.toml` line 5)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"tempreature": 0.5}, "line 5: there is no `tempreature`\n\nhint: did you mean `temperature`?"),
        ({"limit": "ten"}, 'line 5: `limit` cannot be `"ten"`\n\nhint: give a whole number'),
        ({"limit": True}, "line 5: `limit` cannot be `true`"),
        ({"temperature": 3}, "`--temperature` cannot be `3` (set in `inner/s.toml` line 5)"),
        ({"method": ["dirct"]}, "there is no method `dirct` (set in `inner/s.toml` line 3)"),
        ({"dataset": ["a", "b"]}, "line 2: `2` values for `dataset`"),
        ({"dataset": "no-such"}, "there is no data set `no-such` (set in `inner/s.toml` line 2)"),
        ({"data": "none.jsonl"}, "line 5: there is no `inner/none.jsonl`"),
        ({"kind": "numbr"}, "give one of number, expression, choice, text"),
        ({"dataset": None, "corpus": "c"}, "line 4: this file is for `study`\n\nhint: stepdown study inner/s.toml"),
        ({"dataset": None}, "names no `dataset`"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_with_its_line(
    values: dict[str, object], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", write("inner/s.toml", **values)]) == 2
    assert said in capsys.readouterr().err


def test_an_error_of_the_command_line_is_not_blamed_on_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", write("inner/s.toml", method=["dirct"]), "--method", "drect"]) == 2
    said = capsys.readouterr().err
    assert "`drect`" in said and "set in" not in said


def test_a_file_that_is_no_toml_is_refused_with_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.toml").write_text("dataset = \n")
    assert main(["run", "bad.toml"]) == 2 and "line 1" in capsys.readouterr().err
