"""A command that fails says so in JSON too, where JSON is asked for: what happened, the way out, and which option."""

import json
from pathlib import Path
from typing import Any

import pytest

from stepdown.cli import VERBS, main

MODEL = ("--student", "openai/x")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")


def error_of(capsys: pytest.CaptureFixture[str], *tokens: str) -> dict[str, Any]:
    """Run a command that fails and return the error that is its last line."""
    code = main(tokens)
    (line,) = capsys.readouterr().out.splitlines()[-1:]
    error: dict[str, Any] = json.loads(line)["error"]
    assert error["exit"] == code and list(error) == ["code", "message", "hint", "exit", "option"]
    return error


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_ends_a_failure_with_an_error_object(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    error = error_of(capsys, verb, "--no-such-option", "--json")
    assert (error["code"], error["exit"]) == ("usage_error", 2) and error["hint"]


@pytest.mark.parametrize(
    ("tokens", "code", "option"),
    [
        (("--method", "magic", *MODEL), "unknown_name", "--method"),
        (("--method", "direct", "--student", "nowhere/x"), "unknown_name", "--student"),
        (("--plans", "nowhere.jsonl", *MODEL), "usage_error", "--plans"),
        (("--temperature", "3", *MODEL), "usage_error", "--temperature"),
        (("--method", "direct", "--top-p", "0.5", *MODEL), "usage_error", "--top-p"),
        (("--samples", "2", "--method", "direct", *MODEL), "usage_error", "--temperature"),
        (MODEL, "usage_error", "--teacher"),
    ],
)
def test_an_error_names_the_option_at_fault(
    tokens: tuple[str, ...], code: str, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    error = error_of(capsys, "run", "wordsums", "-n", "1", "--estimate", "--json", *tokens)
    assert (error["code"], error["option"]) == (code, option), error


def test_a_data_set_there_is_not_is_the_fault_of_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert error_of(capsys, "run", "none-such", *MODEL, "--json")["option"] == "DATASET"
