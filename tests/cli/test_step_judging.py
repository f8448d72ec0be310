"""`audit --judge` asks what became of the steps, with an estimate before, within a budget; `report` reads it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from command_line import Solved, last_printed, solved_once, speak, stored_runs
from faulty_server import Body, FaultyServer
from stepdown.cli import main

CALL = 13  # tokens the server says a call took
RUN = ("run", "sums.jsonl", "--method", "trace-of-thought", "--student", "openai/one", "--teacher", "openai/teacher")
JUDGED = ("--judge", "openai/judge", "--concurrency", "1")


def answer(body: Body) -> str:
    return '{"1": "done", "2": "changed", "added": 0}' if body["model"] == "judge" else speak(body)


@pytest.fixture(scope="module")
def solved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Solved]:
    with solved_once(tmp_path_factory.mktemp("judged"), RUN, speak=answer, count=4) as solved:
        yield solved


@pytest.fixture
def server(solved: Solved, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FaultyServer:
    """A server that plays the judge, and a folder with a planned run of four problems and prices."""
    server = solved.copy_to(tmp_path, monkeypatch)
    Path("prices.json").write_text('{"openai/judge": {"input": 1000000, "output": 1000000}}')
    return server


def test_an_estimate_is_said_and_nothing_is_sent(server: FaultyServer, capsys: pytest.CaptureFixture[str]) -> None:
    [run] = stored_runs()
    capsys.readouterr()
    assert main(["audit", run, *JUDGED, "--estimate", "--prices", "prices.json", "--json"]) == 0
    found = last_printed(capsys)
    assert (found["judge"], found["calls"], found["cached"]) == ("openai/judge", 4, 0) and not server.bodies
    assert 0 < found["tokens"] == found["cost"] < found["most"]


def test_a_budget_ends_it_and_what_was_said_is_not_asked_again(
    server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    [run] = stored_runs()
    most = ["audit", run, *JUDGED, "--max-tokens-total"]
    assert main([*most, "1540"]) == 3
    asked = len(server.bodies)
    assert 0 < asked < 4
    capsys.readouterr()
    assert main([*most, "100000", "--json"]) == 0
    found = last_printed(capsys)
    assert (found["judged"]["judged"], found["tokens"], len(server.bodies)) == (4, {"judge": 4 * CALL}, 4)
    assert found["paid"]["tokens"] == (4 - asked) * CALL


def test_a_report_says_what_the_judge_said_where_it_is_named(
    server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    [run] = stored_runs()
    assert main(["report", run, "--adherence", "--judge", "openai/judge"]) == 2
    assert "there is no judge of steps" in capsys.readouterr().err and not server.bodies
    assert main(["audit", run, *JUDGED]) == 0
    capsys.readouterr()
    assert main(["report", run, "--adherence", "--judge", "openai/judge", "--json"]) == 0
    [one] = json.loads(capsys.readouterr().out)["adherences"]
    assert (one["by"], one["done"], one["changed"], one["share"]) == ("judge:openai/judge", 4, 4, 0.5)


def test_a_report_over_several_data_sets_says_what_the_judge_said_of_one(
    server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", *stored_runs(), *JUDGED]) == 0
    Path("others.jsonl").write_text('{"question": "What is 1 plus one?", "answer": "2"}\n')
    assert main(["run", "others.jsonl", "--method", "direct", "--student", "openai/one"]) == 0
    capsys.readouterr()
    assert main(["report", *stored_runs(), "--all", "--adherence", "--judge", "openai/judge"]) == 0
    printed = capsys.readouterr().out
    assert "others" in printed and printed.count("Were the plans followed?") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("audit", "--limit", "1"), "no judge is asked"),
        (("audit", "--budget", "1"), "no judge model is used"),
        (("audit", "--judge", "openai/judge", "--budget", "1"), "price of `openai/judge` is unknown"),
        (("report", "--judge", "openai/judge"), "add --adherence"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_asked(
    words: tuple[str, ...], said: str, server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    verb, *options = words
    assert main([verb, *stored_runs(), *options]) == 2
    assert said in capsys.readouterr().err and not server.bodies
