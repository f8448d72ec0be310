"""What a shell is given to put in at the cursor: verbs, options, runs and what lies here; and never an error."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stepdown.cli.completion_words import completion_words
from stepdown.completion import SCRIPTS, TypedWords, complete
from stepdown.completion.answers import words_for
from stepdown.store import Store, label, tag
from written_earlier import OLDEST

TABLE = completion_words()


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a cache of its own, a corpus, a student, and one whose weights were left out."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STEPDOWN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("STEPDOWN_STORE", raising=False)
    student, left_out = "students/smol", "students/studied"
    files = ("chains/card.json", *(f"{student}/{name}" for name in ("card.json", "config.json", "model.gguf")))
    for name in (*files, *(f"{left_out}/{name}" for name in ("card.json", "config.json")), "mine.jsonl"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    return tmp_path


def table() -> TypedWords:
    return TABLE


def words(*typed: str) -> list[str]:
    """Return what the last word can become."""
    return [word.text for word in words_for(typed, table)]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("ru", ["run", "runs"]),
        ("help repo", ["report"]),
        ("run wordsums-", [f"wordsums-{n}" for n in range(1, 6)]),
        ("run mi", ["mine.jsonl"]),
        ("run x --teacher-t", ["--teacher-temperature"]),
        ("run x --student embedded/smol", ["embedded/smollm2-135m"]),
        ("run x --student stud", ["students/smol", "students/"]),
        ("run x --student=openr", ["--student=openrouter/"]),
        ("run x --method direct,chain", ["direct,chain-of-thought"]),
        ("run x --kind n", ["number"]),
        ("run x --estimate --plans go", ["gold"]),
        ("keep ", ["chains"]),
        ("keep chains right disti", ["distinct"]),
        ("train ch", ["chains"]),
        ("runs ren", ["rename"]),
        ("store merg", ["merge"]),
        ("study ch", ["chains", "chains/"]),
        ("completion z", ["zsh"]),
        ("ask wor", []),
        ("nosuchverb ", []),
    ],
)
def test_a_word_is_completed_by_what_its_place_takes(typed: str, expected: list[str]) -> None:
    assert words(*typed.split(" ")) == expected


@pytest.mark.parametrize("where", ["--store=sub/store.sqlite", "--store sub/store.sqlite"])
def test_runs_are_completed_by_id_name_and_tag_from_the_store_that_is_named(here: Path, where: str) -> None:
    OLDEST.copy_to(here / "sub")
    with Store(here / "sub" / "store.sqlite") as store:
        first, second, *_ = store.runs()
        label(first, name="baseline")
        tag(first, "paper")
        label(second, hidden=True)
    found = words("report", *where.split(), "")
    assert {"baseline", "@paper", first.id} <= {*found} and second.id not in found
    assert words("report", *where.split(), first.id[:4]) == [first.id]


def test_a_broken_store_or_line_gives_no_words_and_no_error(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "stepdown.sqlite").write_bytes(b"no store at all")
    for arguments in (["zsh", "stepdown", "report", ""], ["bash", "x", 'stepdown ask "x'], ["bash"], []):
        assert complete(arguments, table) == 0
    assert tuple(capsys.readouterr()) == ("", "")


def test_bash_is_given_what_follows_the_last_colon_with_blanks_escaped(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "a:b c.jsonl").write_text("")
    complete(["bash", "b", "stepdown run a:b"], table)
    assert capsys.readouterr().out == "b\\ c.jsonl \n"


def test_the_table_is_made_once(here: Path) -> None:
    made: list[int] = []

    def make() -> TypedWords:
        made.append(1)
        return TABLE

    for _ in range(2):
        assert [word.text for word in words_for(["ru"], make)] == ["run", "runs"]
    assert made == [1]


@pytest.mark.slow
def test_an_answer_loads_no_command_line_no_store_and_no_network(here: Path) -> None:
    asked = "from stepdown.__main__ import complete, make_table; complete(['zsh', 'stepdown', 'run', ''], make_table)"
    code = f"{asked}; import sys; print(*(name for name in sys.modules if name in {HEAVY}))"
    for loads in (True, False):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert "wordsums" in done.stdout and bool(done.stdout.splitlines()[-1].strip()) == loads


HEAVY = ["stepdown.cli", "stepdown.store", "cyclopts", "msgspec", "socket", "aiohttp"]
DRIVEN = {
    "bash": """eval "$(stepdown completion bash)"; complete -p stepdown >&2
        COMP_LINE="stepdown run wordsums --student embedded/smo"; COMP_POINT=${#COMP_LINE}
        _stepdown stepdown embedded/smo --student; printf '%s\\n' "${COMPREPLY[@]}" """,
    "fish": "stepdown completion fish | source; complete -C 'stepdown run wordsums --student embedded/smo'",
    "zsh": """compdef() { : }; compadd() { print -r -- ${(P)${@[-1]}} }; eval "$(stepdown completion zsh)"
        words=(stepdown run wordsums --student embedded/smo); CURRENT=5; _stepdown; true""",
}


@pytest.mark.slow
@pytest.mark.parametrize("shell", SCRIPTS)
def test_a_real_shell_completes_a_model(shell: str, here: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    command = here / "bin" / "stepdown"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m stepdown "$@"\n')
    command.chmod(0o755)
    environment = {**os.environ, "PATH": f"{command.parent}:{os.environ['PATH']}"}
    done = subprocess.run([shell, "-c", DRIVEN[shell]], capture_output=True, text=True, env=environment, check=False)
    assert done.stdout.split() == ["embedded/smollm2-135m"], done.stderr
    assert shell != "bash" or done.stderr.strip() == "complete -o nospace -F _stepdown stepdown"
