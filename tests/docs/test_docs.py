"""What the documents say is run or checked: Python blocks run, command lines name verbs and options there are."""

import contextlib
import io
import re
import shlex
from functools import cache
from pathlib import Path

import pytest

from places import ROOT
from stepdown.cli import app, main
from stepdown.cli.comma_lists import split_lists
from stepdown.cli.numbers import check_numbers
from stepdown.web.config import load_config

PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
# Verbs that have commands of their own.
GROUPS = {"store", "runs"}
OPTION = re.compile(r"(?<!\S)(--[a-z][a-z-]+)")


def blocks(language: str) -> list[tuple[str, str]]:
    return [
        (f"{page.name}:{page.read_text()[: match.start()].count(chr(10)) + 1}", match[2])
        for page in PAGES
        for match in BLOCK.finditer(page.read_text())
        if match[1] == language
    ]


def marked(block: tuple[str, str]) -> object:
    # A block that loads a model in this process takes as long as the model does.
    return pytest.param(block[1], id=block[0], marks=[pytest.mark.slow] if "embedded/" in block[1] else [])


def command_lines() -> list[tuple[str, str]]:
    joined = [(place, body.replace("\\\n", " ")) for place, body in [*blocks("bash"), *blocks("text"), *blocks("sh")]]
    return [(place, line) for place, body in joined for line in body.splitlines() if line.startswith("stepdown ")]


@cache
def help_of(verb: str) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        assert main([*verb.split(), "--help"]) == 0, f"there is no verb `{verb}`"
    return shown.getvalue()


@pytest.mark.parametrize("code", [marked(block) for block in blocks("python")])
def test_every_python_block_of_the_documents_runs(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STEPDOWN_STORE", str(tmp_path / "docs.sqlite"))
    # The smallest model, one problem and short replies show as well that a block runs.
    code = code.replace("embedded/qwen2.5-coder-0.5b", "embedded/smollm2-135m").replace("limit=8", "limit=1")
    code = code.replace("student=student", "student=student, sampling=sd.Sampling(max_tokens=64)")
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        exec(compile(code, "block", "exec"), {"__name__": "docs"})
    assert bool(shown.getvalue().strip()) == ("print(" in code), "what a block prints is printed"


@pytest.mark.parametrize(("place", "line"), command_lines())
def test_every_command_line_of_the_documents_names_what_there_is(place: str, line: str) -> None:
    words = line.split()
    inner = words[1] in GROUPS and words[2:3] and words[2].isalpha()
    verb = " ".join(words[1:3]) if inner else words[1]
    assert [option for option in OPTION.findall(line) if option not in help_of(verb)] == [], place


# Where the shell takes over.
TO_THE_SHELL = re.compile(r"\s(?:>|\||&&?|;)(?:\s|$)")
# Lines that read the reader's own files before anything else.
READS = re.compile(r"\.(toml|yaml)\b")


@pytest.mark.parametrize(("place", "line"), [one for one in command_lines() if not READS.search(one[1])])
def test_every_command_line_of_the_documents_is_whole(place: str, line: str) -> None:
    words = shlex.split(TO_THE_SHELL.split(line)[0], comments=True)[1:]
    _, bound, _ = app.parse_args(split_lists(words), exit_on_error=False, print_error=False)
    check_numbers([*bound.args, *bound.kwargs.values()])


@pytest.mark.parametrize("text", [body for _, body in blocks("toml") if "[models." in body])
def test_every_settings_file_of_the_documents_is_read(text: str, tmp_path: Path) -> None:
    (tmp_path / "stepdown.toml").write_text(text)
    assert load_config(tmp_path / "stepdown.toml").models


def test_the_readme_has_the_two_commands() -> None:
    readme = (ROOT / "README.md").read_text()
    assert "<!-- test command -->" in readme and "stepdown demo" in readme
