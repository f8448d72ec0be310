"""What the command line understands, suggests and refuses, and what it leaves behind when nothing came of it."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from places import ROOT
from stepdown.cli import app, main
from stepdown.cli.comma_lists import split_lists
from stepdown.cli.console.failures import BROKEN_PIPE, describe_os_error, is_broken_pipe
from stepdown.errors import MissingExtra, UnknownName, closest
from stepdown.extras import EXTRAS, require
from stepdown.methods import load_method
from stepdown.models.suggestions import suggest

RECORDED = ("--student", "recorded/x")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STEPDOWN_STORE", raising=False)
    return tmp_path


def run(*tokens: str, close: str = "") -> "subprocess.CompletedProcess[str]":
    command = f'"$@" {close}'
    return subprocess.run(
        ["bash", "-c", command, "-", sys.executable, "-m", "stepdown", *tokens], capture_output=True, text=True
    )


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("cot", "chain-of-thought"), ("CoT", "chain-of-thought"), ("tot", "trace-of-thought"),
        ("pas", "plan-and-solve"), ("ps", "plan-and-solve"), 
        ("chain_of_thought", "chain-of-thought"), ("Trace-of-Thought", "trace-of-thought"),
        ("direct", "direct"), ("few_shot", "few-shot"),
    ],
)  # fmt: skip
def test_a_method_is_known_by_what_people_call_it(said: str, name: str) -> None:
    assert load_method(said).name == name


@pytest.mark.parametrize(
    ("said", "known", "meant"),
    [
        ("gld", ("teacher", "own", "gold"), "gold"),
        ("techer", ("teacher", "own", "gold"), "teacher"),
        ("strct", ("default", "strict", "lenient"), "strict"),
        ("trace", ("direct", "trace-of-thought", "plan-and-solve"), "trace-of-thought"),
        ("GSM8K", ("gsm8k", "math"), "gsm8k"),
    ],
)
def test_a_misspelt_name_is_answered_with_the_right_one(said: str, known: tuple[str, ...], meant: str) -> None:
    assert closest(said, known) == [meant]
    assert UnknownName("thing", said, known).hint == f"did you mean `{meant}`?"


@pytest.mark.parametrize("said", ["", "zzz", "quarterly"])
def test_a_name_that_is_near_nothing_is_answered_with_all_there_are(said: str) -> None:
    assert closest(said, ("teacher", "own", "gold")) == []


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("gpt-4o-mini", "openai/gpt-4o-mini"), ("o3-mini", "openai/o3-mini"),
        ("claude-sonnet-4", "anthropic/claude-sonnet-4"),
        ("gemini-2.5-flash", "gemini/gemini-2.5-flash"), ("llama3.2:1b", "ollama/llama3.2:1b"),
        ("deepseek-chat", "deepseek/deepseek-chat"), ("mistral-small-latest", "mistral/mistral-small-latest"),
        ("qwen2.5-coder-0.5b", "embedded/qwen2.5-coder-0.5b"), ("smollm2-135", "embedded/smollm2-135m"),
        ("mymodel", ""), ("lab/mymodel", ""), ("", ""),
    ],
)  # fmt: skip
def test_a_bare_model_name_is_answered_with_its_model_string(said: str, meant: str) -> None:
    assert suggest(said) == meant


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        (["--method", "cot,tot"], ["--method", "cot", "--method", "tot"]),
        (["--method=cot, tot"], ["--method=cot", "--method=tot"]),
        (["--chains", "1,5", "-n", "3"], ["--chains", "1", "--chains", "5", "-n", "3"]),
        (["--keep", "a,b"], ["--keep", "a,b"]),
        (["--student", ","], ["--student", ","]),
        (["--method"], ["--method"]),
        (["--", "--method", "a,b"], ["--", "--method", "a,b"]),
    ],
)
def test_a_list_with_commas_is_parted_and_nothing_else(given: list[str], parts: list[str]) -> None:
    assert split_lists(given) == parts


def test_a_file_whose_name_has_a_comma_stays_whole(here: Path) -> None:
    (here / "a,b.jsonl").touch()
    assert split_lists(["--plans", "a,b.jsonl"]) == ["--plans", "a,b.jsonl"]


@pytest.mark.parametrize(
    ("tokens", "named"),
    [
        (("run", "wordsums", "--studnet", "x"), "did you mean `--student`"),
        (("train", "x", "--base", "y", "--uot", "z"), "did you mean `--out`"),
        (("run", "wordsums", *RECORDED, "-n", "99999999999999999999"), "is too large"),
        (("run", "wordsums", *RECORDED, "--offset", str(2**64)), "is too large"),
        (("run", "wordsums", *RECORDED, "--timeout", "inf"), "is not a finite number"),
        (("run", "wordsums", *RECORDED, "--plans", "gld"), "did you mean `gold`"),
        (("run", "wordsums", "--student", "gpt-4o-mini"), "did you mean `openai/gpt-4o-mini`"),
    ],
)
def test_what_cannot_be_meant_is_usage_and_says_what_can(
    tokens: tuple[str, ...], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(tokens) == 2
    assert named in capsys.readouterr().err


@pytest.mark.parametrize(
    ("tokens", "option"),
    [
        (("run", "wordsums", *RECORDED, "--method", "direct", "--plans", "gold"), "--plans"),
        (("run", "wordsums", *RECORDED, "--method", "direct,cot", "--teacher", "a/b"), "--teacher"),
        (("run", "wordsums", *RECORDED, "--method", "direct", "--control", "masked"), "--control"),
        (("run", "wordsums", *RECORDED, "--plans", "gold", "--teacher", "a/b"), "--teacher"),
        (("run", "wordsums", *RECORDED, "--plans", "gold", "--teacher-max-tokens", "9"), "--teacher-max-tokens"),
        (("run", "wordsums", *RECORDED, "--method", "direct", "--top-p", "0.5"), "--top-p"),
        (("run", "wordsums", *RECORDED, "--method", "direct", "--demos", "d.jsonl"), "--demos"),
        (("run", "wordsums", *RECORDED, "--method", "direct", "--plans", "teacher"), "--plans"),
        (("run", "wordsums", *RECORDED, "--plans", "gold", "--teacher-temperature", "0"), "--teacher-temperature"),
        (("ask", "What?", "--method", "direct", "--edit"), "--edit"),
        (("ask", "What?", "--plan", "-", "--teacher-max-tokens", "9"), "--teacher-max-tokens"),
        (("grade", "x", "--budget", "1"), "--budget"),
        (("grade", "x", "--timeout=600"), "--timeout"),
        (("grade", "x", "--grader", "strict", "-n", "3"), "--limit"),
        (("prefer", "x", "y", "--votes", "v.jsonl", "--concurrency", "3"), "--concurrency"),
        (("prefer", "x", "y", "--votes", "v.jsonl", "--seed", "0"), "--seed"),
        (("plans", "x", "--show", "p", "--limit", "2"), "--limit"),
        (("traces", "x", "--prices", "p.toml"), "--prices"),
        (("import", __file__, "--teacher", "unknown"), "--teacher"),
        (("import", __file__, "--out", "c", "--store", "s.sqlite"), "--store"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(
    tokens: tuple[str, ...], option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(tokens) == 2
    assert f"so `{option}` would have no effect" in capsys.readouterr().err


# --- files, pipes and what is left


@pytest.mark.parametrize(
    "tokens",
    [
        ("run", "wordsums", "--student", "openai/none"),
        ("run", "wordsums", *RECORDED, "--method", "direct"),
        ("demo", "--student", "embedded/nosuch"),
        ("ask", "What?", "--student", "nowhere/x"),
        ("import", "nosuch.csv"),
    ],
)
def test_a_command_that_failed_before_its_first_call_leaves_no_store(tokens: tuple[str, ...], here: Path) -> None:
    assert main(tokens) == 2
    assert list(here.iterdir()) == []


def test_a_store_that_was_there_stays_though_it_is_empty(here: Path) -> None:
    from stepdown.store import Store

    Store(here / "stepdown.sqlite").close()
    assert main(("run", "wordsums", "--student", "nowhere/x")) == 2
    assert [path.name for path in here.iterdir()] == ["stepdown.sqlite"]


@pytest.mark.slow
def test_closed_streams_are_told_by_the_code_alone() -> None:
    closed, silent = run("datasets", close=">&-"), run("run", "nosuch.jsonl", "--student", "a/b", close="2>&-")
    assert (closed.returncode, closed.stderr) == (BROKEN_PIPE, "")
    assert (silent.returncode, silent.stdout) == (2, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_behind_stdout_is_said_with_code_5() -> None:
    done = run("datasets", close="> /dev/full")
    assert done.returncode == 5
    assert done.stderr.startswith("error: No space left on device") and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("error", "gone"),
    [(BrokenPipeError(errno.EPIPE, ""), True), (OSError(errno.EBADF, ""), True),
     (OSError(errno.ENOSPC, "full"), False), (OSError(errno.EBADF, "bad", "x"), False)],
)  # fmt: skip
def test_a_reader_that_has_gone_is_told_from_a_file_that_refuses(error: OSError, gone: bool) -> None:
    assert is_broken_pipe(error) == gone


def test_an_error_of_the_system_names_its_file_and_the_way_out() -> None:
    full = describe_os_error(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "x.html"))
    assert full.what == "`x.html`: No space left on device" and full.hint.startswith("free some space")
    assert full.exit_code == 5


def test_extras_that_are_missing_are_named_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stepdown.extras.has", lambda module: module not in {"math_verify", "polars", "gguf"})
    with pytest.raises(MissingExtra, match=r"`math_verify`, `polars`") as caught:
        require(["math", "data", "report"], "this command")
    assert caught.value.hint == "pip install 'stepdown[math,data]'"


def test_every_extra_there_is_code_for_is_offered_and_no_other() -> None:
    import tomllib

    offered = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert offered.keys() == {*EXTRAS, "all", "dev", "docs"}
    apart = {"ray", "mlflow", "wandb"}
    # A cluster's 224 MB are for who has one, and trackers that hold other packages back.
    assert offered["all"] == [f"stepdown[{','.join(name for name in EXTRAS if name not in apart)}]"]


@pytest.mark.parametrize("recipe", sorted((ROOT / "recipes").glob("*.sh")), ids=lambda path: path.name)
def test_a_recipe_says_its_usage(recipe: Path) -> None:
    done = subprocess.run(["bash", str(recipe), "--help"], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith("usage: ") and "[" in done.stderr


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        ("symbolic_distillation.sh", "POOL quarel dev.jsonl OUT --steps 60 --batch 16 --seeds 1 -n 200"),
        ("scotd_n.sh", "POOL svamp OUT --steps=60 --batch 16 --seeds 1 --limit 200 --max-tokens 96 --chains 2"),
        ("scotd_n.sh", "POOL svamp OUT"),
    ],
)
def test_a_study_option_that_a_recipe_is_given_goes_before_its_own(recipe: str, words: str, here: Path) -> None:
    # Stands for the command and notes what it is given.
    (here / "stepdown").write_text("#!/bin/sh\nprintf '%s\\n' \"$@\" > study.txt\n")
    (here / "stepdown").chmod(0o755)
    (here / "OUT").mkdir()
    (here / "OUT" / "test.jsonl").touch()
    subprocess.run(
        ["bash", str(ROOT / "recipes" / recipe), *words.split()], env={"PATH": f"{here}:/usr/bin:/bin"}, check=True
    )
    given = split_lists((here / "study.txt").read_text().splitlines())
    _, bound, _ = app.parse_args(given, exit_on_error=False, print_error=False)
    settings, problems = bound.arguments["settings"], bound.arguments["problems"]
    wanted = (60, 16, 200) if "60" in words else (12, 16, 500)
    assert given[0] == "study" and (settings.steps, settings.batch, problems.limit) == wanted
