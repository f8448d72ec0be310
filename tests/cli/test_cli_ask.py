"""`stepdown ask`: one model at any address, streamed, and what is said where that cannot be."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from command_line import PLAN, printed, speak
from faulty_server import FaultyServer, faulty_server
from loopback_server import JsonHandler, serving
from stepdown.cli import main
from stepdown.cli.console.live_answer import LiveAnswer, answer_in
from stepdown.cli.console.terminal import end_line, say, write_piece
from stepdown.runner import Delta
from stepdown.types import Problem

QUESTION = "What is 7 plus one?"


@pytest.fixture
def lone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyServer]:
    """A server that nothing names, and a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with faulty_server(speak=lambda body: PLAN if body["model"] == "small" else speak(body)) as started:
        yield started


class OneModel(JsonHandler):
    """Lists one model under `/v1` and nothing elsewhere, and takes no notice of being asked for a stream."""

    def do_GET(self) -> None:
        self.send({"data": [{"id": "only"}]} if self.path == "/v1/models" else None, "RepoNotFound")

    def do_POST(self) -> None:
        self.body()
        self.send({"choices": [{"message": {"content": "So it is 8."}, "finish_reason": "stop"}]})


def failed(capsys: pytest.CaptureFixture[str], *tokens: str) -> str:
    """Return what a command that is refused says."""
    assert main(["ask", QUESTION, *tokens]) in (2, 4)
    return capsys.readouterr().err


def test_a_model_at_an_address_writes_the_plan_and_then_the_solution(
    lone: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ask", QUESTION, "--at", lone.url, "-m", "large", "--teacher", "small"]) == 0
    shown = capsys.readouterr().out
    assert shown.index("plan (openai-api/127.0.0.1/small):") < shown.index("solution (openai-api/127.0.0.1/large):")
    assert shown.endswith(":\nAnswer: 8 \n"), "the server says that it is cut, so nothing is concluded"
    assert [(body["model"], body["stream"]) for body in lone.bodies] == [("small", True), ("large", True)]


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/", "/v1/chat/completions"])
def test_an_address_is_found_with_and_without_its_version(
    path: str, lone: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    root = lone.url.removesuffix("/v1").removeprefix("http://")
    assert root != lone.url
    [solved] = printed(capsys, "ask", QUESTION, "--at", root + path, "-m", "large", "--method", "direct")
    assert solved["solution"] == "Answer: 8" and lone.paths == ["/v1/chat/completions"]


def test_the_model_at_an_address_plays_both_roles(lone: FaultyServer, capsys: pytest.CaptureFixture[str]) -> None:
    printed(capsys, "ask", QUESTION, "--at", lone.url, "-m", "large")
    assert [body["model"] for body in lone.bodies] == ["large", "large"]


def test_a_configured_address_is_asked_by_its_own_name_with_its_key(
    server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    ask = ("ask", QUESTION, "--method", "direct")
    assert main([*ask, "--at", server.url, "-m", "small"]) == 0
    assert "openai/small" in capsys.readouterr().out and server.headers[0]["authorization"] == "Bearer sk-very-secret"
    assert main([*ask, "--student", "openai/small"]) == 0
    assert len(server.bodies) == 1, "the store answers what was asked at the address"


def test_a_model_that_is_not_there_is_refused_with_those_that_are(
    lone: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "it has `large`, `small`" in failed(capsys, "--at", lone.url, "-m", "smal1")
    assert "choose one with -m: `large`, `small`" in failed(capsys, "--at", lone.url)
    assert not lone.bodies


def test_the_only_model_of_an_address_need_not_be_named(lone: FaultyServer, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(OneModel) as url:
        assert "`other`" in failed(capsys, "--at", url, "-m", "other")
        assert main(["ask", QUESTION, "--at", url, "--method", "direct"]) == 0
    assert capsys.readouterr().out == "solution (openai-api/127.0.0.1/only):\nSo it is 8.\n\nanswer: 8\n"


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        (("--at", "http://127.0.0.1:1", "-m", "x"), "nothing listens at `http://127.0.0.1:1/v1`"),
        (("--at", "ftp://here", "-m", "x"), "which is no web address"),
        (("--at", "http://127.0.0.1:1", "--student", "x"), "`--student` would have no effect"),
        (("-m", "openai/x", "--student", "x"), "`--student` would have no effect"),
        (("--at", "https://api.openai.com", "-m", "x"), "`OPENAI_API_KEY` is not set"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    tokens: tuple[str, ...],
    said: str,
    lone: FaultyServer,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert said in failed(capsys, *tokens)


def test_an_interrupted_command_does_not_wait_for_a_model_that_is_loaded() -> None:
    load = (
        "from time import sleep; from concurrent.futures import ThreadPoolExecutor; from stepdown.__main__ import leave"
    )
    submit = "ThreadPoolExecutor(1, thread_name_prefix='load model').submit(sleep, 60); leave(130)"
    assert subprocess.run([sys.executable, "-c", f"{load}; {submit}"], timeout=20).returncode == 130


def test_text_is_shown_in_the_pieces_it_comes_in_and_a_plan_indented(capsys: pytest.CaptureFixture[str]) -> None:
    live = LiveAnswer(lambda role: "gpt")
    for piece in ("\n1. A", "dd.\n2", ". Say.\n", "\x1b[31m"):
        live.add(Delta("teacher", piece))
    assert capsys.readouterr().out == "plan (gpt):\n  1. Add.\n  2. Say.\n"
    live.add(Delta("student", "Eight"))
    live.end()
    assert capsys.readouterr().out == "\nsolution (gpt):\nEight\n"


@pytest.mark.parametrize(
    ("question", "solution", "answer"),
    [
        ("What is 3 + 4?", "3 + 4 = 7\n\nSo she has 7.", "7"),
        ("How many?", r"So \boxed{32}.", "32"),
        ("Where is it?", "The answer is Paris.", "Paris"),
        ("Write a poem.", "Roses are red.\nViolets are blue.", ""),
    ],
)
def test_only_what_is_said_to_be_the_answer_is_one(question: str, solution: str, answer: str) -> None:
    assert answer_in(Problem("ask", question, "", kind="text"), solution) == answer


@pytest.mark.parametrize(("terminal", "written"), [(True, "1. Add\nthem."), (False, "1. Addthem.")])
def test_words_about_the_work_begin_a_line_of_their_own_in_a_terminal(
    terminal: bool, written: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    write_piece("1. Add")
    say("loading")
    write_piece("them.")
    end_line()
    assert capsys.readouterr().out == written + "\n"
