"""The command line as a whole: help, errors, pipes, the manual, and texts that would steer a terminal."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from places import ROOT
from stepdown.cli import VERBS, app, main
from stepdown.cli.manual import manual
from stepdown.cli.overview import EXAMPLES, FIRST, GROUPS
from stepdown.text.safety import clean
from stepdown.version import __version__


def test_help_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert [verb for verb in VERBS if verb not in shown] == []


def test_the_overview_is_one_screen_of_80_columns_with_every_verb_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 50 and max(map(len, lines)) <= 80
    assert sorted(verb for group in GROUPS.values() for verb in group) == sorted(VERBS)
    assert [line.strip() for line in lines[-3:]] == [EXAMPLES[verb] for verb in FIRST]


@pytest.mark.parametrize("words", [["help"], ["--help"], ["-h"]])
def test_the_overview_is_the_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == main(words) == 0
    first, _, again = capsys.readouterr().out.partition("stepdown 0")[2].partition("stepdown 0")
    assert first and first == again


@pytest.mark.parametrize("verb", [["run"], ["store"], ["store", "merge"], ["runs"]])
def test_help_of_a_verb_is_what_it_says_itself(verb: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    main([*verb, "--help"])
    said = capsys.readouterr().out
    assert main(["help", *verb]) == 0 and capsys.readouterr().out == said


@pytest.mark.parametrize(
    ("typed", "meant"),
    [(["rnu"], "run"), (["help", "reprot"], "report"), (["run", "x", "--studnet", "y"], "--student"),
     (["report", "--jsn"], "--json"), (["store", "merg"], "merge")],
)  # fmt: skip
def test_a_typing_error_is_answered_with_what_is_near(
    typed: list[str], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(typed) == 2
    said = capsys.readouterr().err.lower().partition("did you mean")[2].partition("?")[0]
    assert said.strip(' `"') == meant


@pytest.mark.parametrize("verb", EXAMPLES)
def test_help_ends_with_an_example_of_the_verb(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    main([*verb.split(), "--help"])
    shown = capsys.readouterr().out.rstrip().splitlines()
    assert shown[-1].strip() == EXAMPLES[verb] and EXAMPLES[verb].startswith(f"stepdown {verb}")


def test_every_verb_and_every_command_of_one_has_an_example() -> None:
    below = {f"{verb} {name}" for verb in VERBS for name in app[verb].resolved_commands() if name[0] != "-"}
    assert "runs tag" in below and {*VERBS, *below} == EXAMPLES.keys()


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    assert f"stepdown {verb}" in capsys.readouterr().out


@pytest.mark.parametrize("verb", VERBS)
def test_help_shows_no_default_where_there_is_none(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    main([verb, "--help"])
    shown = capsys.readouterr().out
    assert "None" not in shown and "[ARGS" not in shown


def test_the_version_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == __version__


def test_an_unknown_verb_ends_with_2_and_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rnu"]) == 2
    said = capsys.readouterr()
    assert "rnu" in said.err and "hint:" in said.err and not said.out


def test_help_loads_no_verb_and_no_heavy_library() -> None:
    heavy = "stepdown.cli.verbs.run,stepdown.store,stepdown.models,aiohttp,genai_prices,openvino_genai,altair,polars"
    loaded = f"[name for name in '{heavy}'.split(',') if name in sys.modules]"
    code = f"import sys; from stepdown.cli import main; main(['--help']); print({loaded})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_python_m_stepdown_is_the_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "stepdown", "report", "--store", str(tmp_path / "none.sqlite")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: there is no store") and "Traceback" not in done.stderr


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = [sys.executable, "-m", "stepdown", "datasets", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        said = process.stderr.read()
    assert (process.returncode, said) == (141, b"")


def test_a_fault_of_ours_is_one_line_with_code_70_and_its_details_lie_in_a_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert main([3]) == 70  # type: ignore[list-item]
    said, [details] = capsys.readouterr().err, list(tmp_path.iterdir())
    assert said.startswith("error: stepdown has a fault: AttributeError") and "Traceback" not in said
    assert str(details) in said and "Traceback" in details.read_text()


def test_what_a_persons_own_code_raises_is_not_told_as_a_fault_of_ours(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    Path("mine.py").write_text('def rows():\n    yield {"question": "2?", "answer": 2}[3]\n')
    assert main(["run", "mine.py:rows", "--method", "direct", "--student", "vllm/m"]) == 70
    said = capsys.readouterr().err
    assert "error: `mine.py`, line 2, raised: KeyError: 3" in said and "hint: mend it; its traceback is in" in said


def test_the_manual_shows_no_docstring() -> None:
    assert "----------" not in manual() and not re.search(r"\n`[^`]", manual())


def test_the_manual_is_current() -> None:
    assert (ROOT / "docs" / "cli.md").read_text("utf-8") == manual(), "run `make fix`"


@given(st.text())
def test_a_cleaned_text_holds_no_control_character(text: str) -> None:
    assert not [char for char in clean(text) if char not in "\n\t" and (ord(char) < 32 or 127 <= ord(char) < 160)]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://a\x1b\\link", "link"),
        ("a\rb", "ab"),
        ("a\r\nb", "a\nb"),
        ("\x9b2Jx", "x"),
        ("3 \u202etxt", "3 txt"),
        ("naïve 数 \t|", "naïve 数 \t|"),
        ("\x1b[" * 50_000, "[" * 50_000),
    ],
)
def test_escape_sequences_go_and_plain_text_stays(text: str, shown: str) -> None:
    assert clean(text) == shown
